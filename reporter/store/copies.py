"""Whole copies of a SQLite database, made and put back while others use it.

Both directions go through SQLite's own online copy: a reader or writer beside it sees the old state or the
new, never a mixture. A PostgreSQL database is copied with its own programs: see `dumps.py`.
"""

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from reporter.core.instants import read_back, rfc3339
from reporter.store.schema import REVISION

BUSY_TIMEOUT_S = 60.0
SIDECAR = ".sha256"
LAST = "last-backup.json"
"""A note in the data folder of when the last backup was made: what the doctor reads."""
MAGIC = b"SQLite format 3\0"


class CopyRefused(Exception):
    """A copy that was not made or not put back: why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy: where it is, its size in bytes, the SHA-256 that stands in the file beside it, and its schema."""

    path: Path
    size: int
    sha256: str
    revision: str


def back_up(database: Path, target: Path) -> Copy:
    """Copies the database into the new file `target`; its SHA-256 goes beside it, as `sha256sum -c` reads it.

    The copy is checked before it gets its name; an existing file is never overwritten. Errors: CopyRefused.
    """
    if not database.is_file():
        raise CopyRefused(f"没有数据库 {database}", f"there is no database {database}")
    if target.exists():
        raise CopyRefused(f"{target} 已存在，换一个文件名", f"{target} exists already: choose another name")
    part = target.with_name(target.name + ".part")
    revision = ""
    try:
        part.unlink(missing_ok=True)
        with closing(_connect(database)) as source, closing(_connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, readable from a read-only medium
            revision = _check(copy, part)
        digest = finish(part, target)
    except (OSError, sqlite3.Error) as reason:
        raise CopyRefused(
            f"{target} 无法写成：{reason}", f"{target} could not be written: {reason}"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return Copy(target, target.stat().st_size, digest, revision)


def restore(source: Path, database: Path, *, force: bool = False) -> Copy:
    """Puts the copy `source` back as `database`.

    1. its checksum must be the one in the file beside it, SQLite must find it whole, and its schema must be one
       that this version knows;
    2. a database already there is replaced only with `force`;
    3. the change is one transaction: cut off in the middle, the old state stands.

    Errors: CopyRefused.
    """
    digest = proven(source)
    if database.exists() and not force:
        raise CopyRefused(
            f"{database} 已存在；确要覆盖请加 --force（先停止服务并备份）",
            f"{database} exists already; add --force to replace it (stop the service and back it up first)",
        )
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copy:
            revision = known(_check(copy, source), source)
            database.parent.mkdir(parents=True, exist_ok=True)
            with closing(_connect(database)) as target:
                if _page_bytes(target) != _page_bytes(copy):
                    # With a log it takes no pages of another size.
                    target.execute("PRAGMA journal_mode=DELETE")
                copy.backup(target)
    except (OSError, sqlite3.Error) as reason:
        raise CopyRefused(f"未能恢复：{reason}", f"it could not be restored: {reason}") from None
    return Copy(source, source.stat().st_size, digest, revision)


def sidecar(path: Path) -> Path:
    """The file that holds the checksum of the copy `path`."""
    return path.with_name(path.name + SIDECAR)


def finish(part: Path, target: Path) -> str:
    """Gives a finished copy its name, durably, and its checksum beside it, which it returns."""
    digest = _digest(part)
    _sync(part)
    part.rename(target)
    sidecar(target).write_text(f"{digest}  {target.name}\n", encoding="utf-8")
    return digest


def proven(source: Path) -> str:
    """The SHA-256 of a copy, which is the one that stands beside it. Errors: CopyRefused."""
    if not source.is_file():
        raise CopyRefused(f"没有备份文件 {source}", f"there is no backup {source}")
    digest = _digest(source)
    beside = sidecar(source)
    if not beside.is_file():
        raise CopyRefused(
            f"缺少校验和文件 {beside}：无法确认备份完好",
            f"its checksum file {beside} is missing: nobody can tell whether the backup is whole",
        )
    if beside.read_text(encoding="utf-8").split()[:1] != [digest]:
        raise CopyRefused(
            f"{source} 与其校验和不符：备份已损坏或被改过",
            f"{source} does not have its checksum: the backup is damaged or was changed",
        )
    return digest


def known(revision: str, source: Path) -> str:
    """`revision` itself, if this version knows it. Errors: CopyRefused."""
    if revision.isdecimal() and revision <= REVISION:
        return revision
    raise CopyRefused(
        f"{source} 的结构版本为 {revision}，本程序只认识到 {REVISION}：请先安装建立它的那个版本",
        f"{source} has schema {revision}, this version knows up to {REVISION}: install the version that made it",
    )


def is_sqlite(source: Path) -> bool:
    """Whether the file is a copy of a SQLite database."""
    with source.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def note(folder: Path, copy: Copy, at: datetime) -> None:
    """Notes in the data folder that a backup was made; a folder that cannot be written is no reason to fail."""
    told = {"at": rfc3339(at), "file": str(copy.path.absolute()), "bytes": copy.size, "sha256": copy.sha256}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LAST).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError:
        return


def last_noted(folder: Path) -> tuple[datetime, str] | None:
    """When the last noted backup was made, and where; None when none is known."""
    try:
        told = json.loads((folder / LAST).read_text(encoding="utf-8"))
        return read_back(told["at"]), str(told["file"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _page_bytes(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_size").fetchone()[0])


def _check(connection: sqlite3.Connection, path: Path) -> str:
    """The copy's revision. Errors: CopyRefused for what is damaged or not ours."""
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if found != ["ok"]:
        raise CopyRefused(f"{path} 已损坏：{found[0]}", f"{path} is damaged: {found[0]}")
    if not {"incidents", "ledger", "alembic_version"} <= tables:
        raise CopyRefused(f"{path} 不是本系统的数据库", f"{path} is not a database of this product")
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
    return str(revision)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
