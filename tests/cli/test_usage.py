"""Wrong usage: exit status 2, words on stderr, and with `--json` a document on stdout like any other trouble's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def reporter(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The real command, with no settings of ours."""
    return subprocess.run(
        [sys.executable, "-m", "reporter", *arguments],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, timeout=60,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("audit", "--nonsense"), "--nonsense"),
        (("incident",), ""),
        (("bench", "--runs", "0"), "--runs"),
        (("db", "backup"), "file"),
    ],
)
def test_wrong_usage_is_a_document_where_json_was_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], path: str
) -> None:
    done = reporter(tmp_path, *arguments, "--json")

    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert set(document) == {"title", "status", "detail", "errors"}
    assert [each["path"] for each in document["errors"]] == [path]
    assert document["detail"] == document["errors"][0]["message"] and document["detail"] in done.stderr


def test_without_json_wrong_usage_is_said_on_stderr_alone(tmp_path: Path) -> None:
    done = reporter(tmp_path, "audit", "--nonsense")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--nonsense" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status"), [(("audit", "--help", "--json"), 0), (("schedules", "check", "--json"), 0)]
)
def test_asking_for_json_changes_no_exit_status(
    tmp_path: Path, arguments: tuple[str, ...], status: int
) -> None:
    assert reporter(tmp_path, *arguments).returncode == status


def test_a_verb_that_finds_something_wrong_still_ends_in_1(tmp_path: Path) -> None:
    done = reporter(tmp_path, "db", "restore", "nowhere", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] == []
