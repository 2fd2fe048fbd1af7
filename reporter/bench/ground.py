"""Where things are measured: folders on a real disk, databases of our own, all gone afterwards."""

import itertools
import os
import platform
import shutil
import sqlite3
import subprocess
import tempfile
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from reporter.bench.plain import Plain
from reporter.bench.results import BenchError
from reporter.embedded import find_program
from reporter.store.database import SQLITE_FILE

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})
PREFIX: Final = "reporter_bench_"


@dataclass(frozen=True, slots=True)
class Bed:
    """What one run has to itself: a data folder, the service's database, and one for the reference loop."""

    folder: Path
    database: str
    reference: str

    @property
    def data_dir(self) -> Path:
        """The service's data folder."""
        return self.folder / "data"

    @property
    def is_sqlite(self) -> bool:
        """Whether the databases are SQLite files."""
        return self.database.startswith("sqlite:")


class Ground:
    """One folder on a disk, and one kind of database: SQLite, or the PostgreSQL server of a URL."""

    def __init__(self, server: str | None = None) -> None:
        self.kind = "postgresql" if server else "sqlite"
        self._server = server
        self._folder = Path(tempfile.mkdtemp(prefix="reporter-bench-", dir=_disk()))
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def bed(self) -> Iterator[Bed]:
        """A place for one run; removed with its databases at the end."""
        number = next(self._numbers)
        folder = self._folder / str(number)
        (folder / "data").mkdir(parents=True)
        names = [f"{PREFIX}{os.getpid()}_{number}", f"{PREFIX}{os.getpid()}_{number}_reference"]
        try:
            if self._server is None:
                files = (folder / "data" / SQLITE_FILE, folder / "reference.sqlite3")
                yield Bed(folder, *(f"sqlite:///{file}" for file in files))
            else:
                yield Bed(folder, *[self._create(name) for name in names])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if self._server is not None:
                for name in names:
                    self._say(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def machine(self) -> dict[str, object]:
        """What the figures were measured on."""
        found: dict[str, object] = {
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
            "python_fibonacci_22_ms": round(_fibonacci_ms(), 1),
            "filesystem": filesystem(self._folder),
            "nats_server": subprocess.run(
                [find_program(), "--version"], capture_output=True, text=True, check=False
            ).stdout.strip(),
            "sync_interval": "always",
        }
        if self._server is None:
            return found | {"database": f"SQLite {sqlite3.sqlite_version}", "synchronous": "FULL"}
        plain = Plain(self._server)
        try:
            shown = {
                name: plain.rows(f"SHOW {name}")[0][0]
                for name in ("server_version", "fsync", "synchronous_commit")
            }
        finally:
            plain.close()
        return found | {"database": f"PostgreSQL {shown.pop('server_version')}", **shown}

    def _create(self, name: str) -> str:
        self._say(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlunsplit(urlsplit(self._server or "")._replace(path=f"/{name}"))

    def _say(self, statement: sql.Composed) -> None:
        try:
            with psycopg.connect(self._server or "", autocommit=True) as connection:
                connection.execute(statement)
        except psycopg.Error as error:
            message = (
                f"the PostgreSQL server does not let this account make databases named {PREFIX}*: {error}"
            )
            raise BenchError(message) from error


def _fibonacci(number: int) -> int:
    return number if number < 2 else _fibonacci(number - 1) + _fibonacci(number - 2)


def _fibonacci_ms() -> float:
    """Milliseconds that this interpreter takes for the 22nd Fibonacci number, by the definition: 57 313 calls.

    Figures of two machines, or of two days, are to be read beside this.
    """
    return min(timeit.repeat(lambda: _fibonacci(22), number=1, repeat=9)) * 1000


def filesystem(folder: Path) -> str:
    """The kind of file system that holds `folder`, such as `ext4`; `unknown` where nothing says it."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    best = ("", "unknown")
    for line in mounts:
        _, point, kind, *_ = line.split()
        point = point.replace("\\040", " ")
        if folder.resolve().is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _disk() -> Path:
    """A folder for temporary files that is on a disk: one in memory would make every sync free."""
    candidates = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108 - a fresh folder in it
    for candidate in candidates:
        if filesystem(candidate) not in IN_MEMORY and os.access(candidate, os.W_OK):
            return candidate
    raise BenchError(
        "no writable folder on a disk: name one in TMPDIR, since figures from memory mean nothing"
    )
