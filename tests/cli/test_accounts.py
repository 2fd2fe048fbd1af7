"""reporter account: made, listed, shut, given a new password."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reporter.cli import app


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTER_DATA_DIR", str(tmp_path))


def account(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["account", *arguments], input=stdin)


def listed() -> list[dict[str, object]]:
    items: list[dict[str, object]] = json.loads(account("list", "--json").stdout)["items"]
    return items


def test_an_account_is_made_with_a_password_of_its_own() -> None:
    done = account("create", "张三", "--role", "duty", "--name", "张三丰", "--phone", "000-1")

    assert done.exit_code == 0, done.output
    assert len(done.stdout.strip()) == 19
    (made,) = listed()
    assert (made["login"], made["display_name"], made["role"], made["unit"], made["must_change"]) == (
        "张三",
        "张三丰",
        "duty",
        "root",
        True,
    )
    assert "张三丰" in account("list").stdout


def test_a_password_may_be_given_on_stdin_and_is_then_the_person_s_own() -> None:
    weak = account("create", "a", "--role", "admin", "--password-stdin", stdin="1234567890\n")
    done = account(
        "create", "a", "--role", "admin", "--password-stdin", "--json", stdin="一个很长很长的口令\n"
    )
    short = account("password", "a", "--password-stdin", stdin="短\n")

    assert (weak.exit_code, done.exit_code, short.exit_code) == (1, 1, 1)
    good = account(
        "create", "a", "--role", "admin", "--password-stdin", "--json", stdin="一个很长很长很长的口令\n"
    )
    assert json.loads(good.stdout)["password"] is None
    assert listed()[0]["must_change"] is False


def test_it_is_shut_opened_and_given_a_new_password() -> None:
    first = account("create", "a", "--role", "unit").stdout.strip()

    shut, states = account("disable", "A"), [listed()[0]["is_active"]]
    opened = account("enable", "a")
    states.append(listed()[0]["is_active"])
    second = json.loads(account("password", "a", "--json").stdout)["password"]

    assert (shut.exit_code, opened.exit_code, states) == (0, 0, [False, True])
    assert second not in ("", None, first)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("create", "a", "--role", "emperor"), 2),
        (("create", "a b", "--role", "duty"), 1),
        (("create", "a", "--role", "duty", "--unit", "nowhere"), 1),
        (("disable", "nobody"), 1),
        (("password", "nobody"), 1),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], status: int) -> None:
    account("create", "somebody", "--role", "duty")

    done = account(*arguments)

    assert done.exit_code == status
    assert done.stdout == ""
    assert done.stderr


def test_no_password_is_kept(tmp_path: Path) -> None:
    password = account("create", "a", "--role", "duty").stdout.strip()

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())

    assert password.encode() not in kept
