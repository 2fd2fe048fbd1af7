"""Accounts of the channels: found where the settings say, their secrets told to nobody."""

from pathlib import Path

import pytest

from reporter.channels import load_channels
from reporter.channels.accounts import accounts
from reporter.channels.dingtalk import Robot
from reporter.settings import FILE_NAME, Settings, SettingsError, load
from reporter.values import Tables

HIDDEN = "hidden-word"


def problems_of(tables: dict[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_channels(Settings(channels=Tables(tables)))
    return str(caught.value)


def test_secrets_come_from_the_file_the_environment_and_files_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    (tmp_path / FILE_NAME).write_text(
        '[channels.dingtalk.ops-group]\ntoken = { env = "DING_TOKEN" }\nsecret = { file = "secret" }\n'
    )
    monkeypatch.setenv("DING_TOKEN", "from-the-environment")
    monkeypatch.chdir("/")

    settings = load(environ={"REPORTER_CONFIG": str(tmp_path / FILE_NAME)})
    robot = accounts(settings, "dingtalk", Robot)["ops-group"]

    assert robot.token.get_secret_value() == "from-the-environment"
    assert robot.secret and robot.secret.get_secret_value() == "from-a-file"
    assert "from-" not in repr(robot) + repr(settings)


def test_accounts_may_have_a_file_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(f'[dingtalk.ops]\ntoken = "{HIDDEN}"\n')
    (tmp_path / FILE_NAME).write_text('channels = "accounts.toml"\n')

    by_flag = load({"channels": str(file)}, {})
    by_file = load(environ={"REPORTER_CONFIG": str(tmp_path / FILE_NAME)})

    for settings in (by_flag, by_file):
        assert list(accounts(settings, "dingtalk", Robot)) == ["ops"]
        assert HIDDEN not in repr(settings)


def test_a_file_of_accounts_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(f'[dingtalk.ops]\ntoken = {HIDDEN}"\n')

    with pytest.raises(SettingsError) as caught:
        load({"channels": str(file)}, {})

    assert "channels (--channels)" in str(caught.value)
    assert HIDDEN not in str(caught.value)


def test_every_mistake_is_named_by_its_key_and_no_value_is_repeated() -> None:
    said = problems_of(
        {
            "dingtalk": {
                "ops": {"tokken": HIDDEN},
                "two": {"token": {"env": "NO_SUCH_VARIABLE"}, "secret": {"file": "/nowhere/x"}},
                "Bad Name": {"token": HIDDEN},
                "three": HIDDEN,
                "four": {"token": HIDDEN, "base_url": HIDDEN, "timeout_s": 0},
            },
            "smtp": HIDDEN,
            "dingtlk": {},
        }
    )

    for path in (
        "channels.dingtalk.ops.tokken",
        "channels.dingtalk.ops.token",
        "channels.dingtalk.two.token: the environment has no NO_SUCH_VARIABLE",
        "channels.dingtalk.two.secret: /nowhere/x cannot be read",
        "channels.dingtalk.Bad Name",
        "channels.dingtalk.three",
        "channels.dingtalk.four.base_url",
        "channels.dingtalk.four.timeout_s",
        "channels.smtp: expected tables",
        "channels.dingtlk: there is no such channel; there are apprise, command",
    ):
        assert path in said
    assert HIDDEN not in said
