"""The house's own rules: what stands where, how long a file may be, what no file may name."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {
    "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "deploy", "pyproject.toml", "reporter",
    "requirements-dev.txt", "requirements.txt", "schedules", "templates", "tests",
}  # fmt: skip
LINES_MAX = 400
# In two halves, so that this file does not name what it forbids.
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "crates" + ".io",
]
PLACES = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"]


def project_files() -> list[Path]:
    """Every file git knows or would add, as it stands in the working tree."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, text=True, check=True).stdout
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def test_only_the_agreed_names_stand_at_the_top() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in project_files()}

    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_python_file_is_longer_than_a_reader_can_bear() -> None:
    lengths = {path: text_of(path).count("\n") for path in project_files() if path.suffix == ".py"}

    assert {str(path): length for path, length in lengths.items() if length > LINES_MAX} == {}


@pytest.mark.parametrize("word", [*HOSTS, *PLACES])
def test_no_file_names_a_package_registry_or_a_place_on_somebodys_machine(word: str) -> None:
    naming = [str(path) for path in project_files() if word in text_of(path)]

    assert naming == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.stem for path in project_files() if path.suffix == ".py"}

    assert names.isdisjoint({"utils", "util", "helpers", "helper", "common", "misc"})


def test_the_changelog_has_unreleased_on_top() -> None:
    headings = [line for line in text_of(ROOT / "CHANGELOG.md").splitlines() if line.startswith("## ")]

    assert headings[0] == "## Unreleased"
