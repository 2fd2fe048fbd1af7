"""Settings: who wins over whom, what a mistake is told, and what never reaches a log."""

from pathlib import Path

import pytest

from reporter.settings import FILE_NAME, Settings, SettingsError, described, load


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_given_means_the_defaults() -> None:
    settings = load(environ={})

    assert settings == Settings()
    assert settings.database_kind == "sqlite"
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.roles == {"desk", "engine"}


def test_flags_win_over_environment_over_file_over_default(empty_folder: Path) -> None:
    (empty_folder / FILE_NAME).write_text('http = "file:1"\nnats_port = 1\nzone = "Europe/Berlin"\n')
    environ = {"REPORTER_HTTP": "env:2", "REPORTER_NATS_PORT": "2"}

    settings = load({"http": "flag:3", "zone": None}, environ)

    assert (settings.http, settings.nats_port, settings.zone) == ("flag:3", 2, "Europe/Berlin")


def test_an_empty_variable_is_not_a_value() -> None:
    assert load(environ={"REPORTER_NATS": "", "REPORTER_HTTP": ""}) == Settings()


def test_the_data_folders_file_is_found_before_the_working_directorys(empty_folder: Path) -> None:
    data_dir = empty_folder / "elsewhere"
    data_dir.mkdir()
    (data_dir / FILE_NAME).write_text('language = "en"\n')
    (empty_folder / FILE_NAME).write_text('language = "zh"\n')

    assert load({"data_dir": data_dir}, {}).language == "en"
    assert load(environ={}).language == "zh"


def test_paths_in_the_file_start_at_the_file(empty_folder: Path) -> None:
    file = empty_folder / "etc" / "any.toml"
    file.parent.mkdir()
    file.write_text('data_dir = "data"\nschedules = "/srv/schedules"\n')

    settings = load({"schedules": None}, {"REPORTER_CONFIG": str(file)})

    assert settings.data_dir == file.parent / "data"
    assert settings.schedules == Path("/srv/schedules")


def test_an_unknown_key_is_named_with_the_valid_ones(empty_folder: Path) -> None:
    (empty_folder / FILE_NAME).write_text("htpp = 1\n")

    with pytest.raises(
        SettingsError, match=r"reporter.toml: unknown key htpp; valid keys: data_dir, http, nats"
    ):
        load(environ={})


def test_a_named_file_that_is_missing_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(environ={"REPORTER_CONFIG": "nowhere.toml"})


@pytest.mark.parametrize(
    ("name", "bad", "expected"),
    [
        ("http", "8080", "HOST:PORT"),
        ("http", "127.0.0.1:70000", "HOST:PORT"),
        ("nats", "http://broker", "nats://"),
        ("nats", "nats://a,mqtt://b", "nats://"),
        ("nats_port", "-1", "a port number"),
        ("nats_port", "many", "a port number"),
        ("nats_port", "nan", "a port number"),
        ("database", "mysql://host/db", "postgresql://"),
        ("roles", "desk,cook", "desk, engine"),
        ("roles", "", "desk, engine"),
        ("zone", "Mars/Olympus", "IANA time zone"),
        ("zone", "../etc/passwd", "IANA time zone"),
        ("language", "fr", "one of zh, en"),
        ("webhook_timeout_s", "0", "seconds above 0"),
        ("webhook_timeout_s", "inf", "seconds above 0"),
        ("log_level", "loud", "one of debug"),
        ("url", "127.0.0.1:8080", "http://"),
        ("default_schedule", " ", "non-empty"),
    ],
)
def test_a_bad_value_names_setting_source_and_what_is_expected(name: str, bad: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: bad}, {})

    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} (--{name.replace('_', '-')}): ")
    assert expected in problem


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"http": "x"}, {"REPORTER_ZONE": "x", "REPORTER_LANGUAGE": "x"})

    assert len(caught.value.problems) == 3


def test_lists_and_numbers_of_the_file_are_taken_as_they_are(empty_folder: Path) -> None:
    (empty_folder / FILE_NAME).write_text('roles = ["desk"]\nwebhook_timeout_s = 2.5\nhttp = "[::1]:0"\n')

    settings = load(environ={})

    assert settings.roles == {"desk"}
    assert settings.webhook_timeout_s == 2.5
    assert (settings.http_host, settings.http_port) == ("::1", 0)


def test_secrets_are_in_no_repr_and_no_message() -> None:
    settings = load(
        {
            "database": "postgresql://clerk:s3cret@db.example/reporter?password=s3cret",
            "nats": "nats://s3cret@one:4222,nats://clerk:s3cret@two:4222",
            "token": "s3cret",
        },
        {},
    )

    assert "s3cret" not in repr(settings)
    assert "db.example" in repr(settings)
    assert settings.database_kind == "postgresql"
    with pytest.raises(SettingsError) as caught:
        load({"database": "mysql://clerk:s3cret@db.example/reporter"}, {})
    assert "s3cret" not in str(caught.value)


def test_every_setting_says_what_it_is() -> None:
    lines = {each.name: each for each in described()}

    assert lines["data_dir"][1:4] == ("--data-dir", "REPORTER_DATA_DIR", "reporter-data")
    assert lines["roles"].default == "desk,engine"
    assert all(each.doc and "\n" not in each.doc for each in lines.values())
