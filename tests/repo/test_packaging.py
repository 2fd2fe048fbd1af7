"""What travels: the locks say what pyproject asks for, and the wheel carries schedules and templates."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import reporter
from reporter import resources

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ;[^\\]*)? \\$", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    """Name → version of a lock file. A package may be pinned once only."""
    found = PIN.findall((ROOT / lock).read_text(encoding="utf-8"))
    assert len(found) == len({name for name, _ in found})
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_holds_pins_with_hashes_and_nothing_else(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()

    strange = [
        line
        for line in lines
        if not (re.match(r" +--hash=sha256:[0-9a-f]{64}( \\)?$", line) or line.lstrip().startswith("#"))
        and not PIN.match(line)
    ]

    assert strange == []


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        ("requirements.txt", PROJECT["dependencies"] + EXTRAS["build"]),
        ("requirements-dev.txt", PROJECT["dependencies"] + EXTRAS["build"] + EXTRAS["dev"]),
    ],
)
def test_a_lock_satisfies_what_the_project_asks_for(lock: str, asked: list[str]) -> None:
    locked = pins(lock)

    for requirement in map(Requirement, asked):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is missing: run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement} but {version}: run `make lock`"


def test_tests_run_on_the_versions_that_users_get() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_packages_below_one_are_capped() -> None:
    locked = pins("requirements.txt")

    for requirement in map(Requirement, PROJECT["dependencies"]):
        if locked[canonicalize_name(requirement.name)].startswith("0."):
            assert "<" in str(requirement.specifier), f"{requirement} may break with its next minor release"


def test_the_locks_can_build_the_project_itself() -> None:
    assert PYPROJECT["build-system"]["requires"] == EXTRAS["build"]


def test_the_version_is_said_once_and_the_same() -> None:
    assert PROJECT["version"] == reporter.__version__


def test_the_wheel_carries_every_schedule_and_template(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)

    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())

    for folder in ("schedules", "templates"):
        files = {
            f"reporter/_data/{path.relative_to(ROOT).as_posix()}"
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert files, f"{folder}/ is empty"
        assert files <= packed
    assert not any(name.startswith(("tests/", "schedules/", "templates/")) for name in packed)


def test_an_installed_package_finds_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reporter" / "_data").mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "reporter")

    assert resources.schedules_dir() == tmp_path / "reporter" / "_data" / "schedules"
    assert resources.templates_dir() == tmp_path / "reporter" / "_data" / "templates"


def test_a_checkout_finds_the_folders_at_its_top() -> None:
    assert resources.schedules_dir() == ROOT / "schedules"
    assert resources.templates_dir() == ROOT / "templates"
