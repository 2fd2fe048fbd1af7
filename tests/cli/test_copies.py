"""A backup is whole or refused, and is never put over a database by accident."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reporter.store.copies import CopyRefused, back_up, restore, sidecar
from reporter.store.schema import REVISION


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT id FROM incidents ORDER BY id")]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database in use: written, its last commit still only in the write-ahead log."""
    with closing(sqlite3.connect(tmp_path / "live.sqlite3")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE incidents (id TEXT)")
        database.execute("CREATE TABLE ledger (id TEXT)")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES (?)", [REVISION])
        database.execute("INSERT INTO incidents VALUES ('a')")
        database.commit()
        yield database


def test_a_backup_of_a_database_in_use_restores_the_same_rows(
    tmp_path: Path, live: sqlite3.Connection
) -> None:
    copy = back_up(tmp_path / "live.sqlite3", tmp_path / "backup")
    live.execute("INSERT INTO incidents VALUES ('b')")
    live.commit()

    restore(tmp_path / "backup", tmp_path / "elsewhere" / "new.sqlite3")

    assert rows(tmp_path / "elsewhere" / "new.sqlite3") == ["a"]
    assert sidecar(tmp_path / "backup").read_text() == f"{copy.sha256}  backup\n"
    assert {each.name for each in tmp_path.glob("backup*")} == {"backup", "backup.sha256"}


def test_a_database_that_is_there_is_replaced_only_by_force(tmp_path: Path, live: sqlite3.Connection) -> None:
    target = tmp_path / "live.sqlite3"
    back_up(target, tmp_path / "backup")
    live.execute("INSERT INTO incidents VALUES ('b')")
    live.commit()

    with pytest.raises(CopyRefused, match="--force"):
        restore(tmp_path / "backup", target)
    assert rows(target) == ["a", "b"]
    restore(tmp_path / "backup", target, force=True)
    assert rows(target) == ["a"]


@pytest.mark.usefixtures("live")
def test_a_changed_or_unproven_backup_is_refused(tmp_path: Path) -> None:
    back_up(tmp_path / "live.sqlite3", tmp_path / "backup")

    with (tmp_path / "backup").open("ab") as file:
        file.write(b"!")
    with pytest.raises(CopyRefused, match="checksum"):
        restore(tmp_path / "backup", tmp_path / "new")
    sidecar(tmp_path / "backup").unlink()
    with pytest.raises(CopyRefused, match="missing"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("live")
def test_a_backup_never_overwrites_a_file(tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("precious")

    with pytest.raises(CopyRefused, match="exists already"):
        back_up(tmp_path / "live.sqlite3", tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "precious"


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other")) as database:
        database.execute("CREATE TABLE songs (id TEXT)")
        database.commit()

    with pytest.raises(CopyRefused, match="not a database of this product"):
        back_up(tmp_path / "other", tmp_path / "backup")
    assert not list(tmp_path.glob("backup*"))


def test_a_backup_of_a_newer_version_is_refused_before_anything_is_touched(
    tmp_path: Path, live: sqlite3.Connection
) -> None:
    live.execute("UPDATE alembic_version SET version_num = '9999'")
    live.commit()
    back_up(tmp_path / "live.sqlite3", tmp_path / "backup")

    with pytest.raises(CopyRefused, match=f"9999.*knows up to {REVISION}"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
