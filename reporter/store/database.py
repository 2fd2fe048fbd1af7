"""Opening the database, and the only ways into it: `transaction()` to write, `snapshot()` to read, `glance()` to ask.

SQLite runs with WAL and `synchronous=FULL`; writers take the write lock at the start (`BEGIN IMMEDIATE`) and
queue on a pool of one connection, so that waiting is fair within the process and the busy timeout is left for
other processes. While the last write has failed it is short, since all in the queue wait for it one after the other.
Readers never take the write lock.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any  # DBAPI connections have no common type

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from reporter.store.onevisit import DBAPI
from reporter.store.writes import Writes

BUSY_TIMEOUT_MS = 20_000
SERVICE_PATIENCE_MS = 5_000
"""How long a service waits for another program's lock before it says so: whoever asked waits with it."""
AGAIN_MS = 500
"""And how long once it is known that nothing can be written: all who write queue behind the one who tries."""
WRITE = "BEGIN IMMEDIATE"
WRITER_CACHE_KIB = 16_384
READER_CACHE_KIB = 2_048
"""A connection's own pages: what readers share is the operating system's cache."""
WAL_TRIES_MAX = 20
PAGE_BYTES = 8_192
"""Of a database made anew: half as many pages to a commit, each of which costs two calls of the system."""
WAL_PAGES_MAX = 50_000
"""From then on a commit checkpoints by itself: a bound for when `checkpoint` cannot keep up."""
WAL_BYTES_KEPT = 4 * 2**20
"""To this it is cut when it begins anew: what a large commit would write over has first to be read, where the system
has long let go of it; what is appended has not."""
TRUSTED_S = 0.25
"""A connection to PostgreSQL that was used so recently is not asked whether it still is one: that would be a fifth of
what it takes to record a breach. Whoever finds it cut off begins anew, as when it is cut off later (`again`)."""
WITHOUT_TRANSACTIONS: Mapping[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "pool_reset_on_return": None,
    "skip_autocommit_rollback": True,
}
"""Nothing to begin and nothing to roll back: each would be one more visit to SQLite's thread."""
SQLITE_FILE = "reporter.sqlite3"
POSTGRES_ARGUMENTS = {
    "connect_timeout": 5,
    # A server that has vanished without a word is noticed in about ten seconds, not in a quarter of an hour.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # And one of us that has vanished (stopped, its machine lost) loses what it had locked, so that the others go on.
    "options": "-c timezone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=10s"
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
}
"""How to connect to PostgreSQL (`libpq` parameters)."""


class Database:
    """One database: SQLite in a folder, or PostgreSQL by URL."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.kind = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
        self.writes = Writes()
        self.patience_ms = BUSY_TIMEOUT_MS
        """How long to wait for the lock of another program (SQLite)."""
        if self.kind == "sqlite":
            parsed = parsed.set(drivername="sqlite+aiosqlite")
            self._writer = _sqlite_engine(parsed, WRITE, pool_size=1, patience=self._patience_ms)
            self._reader = _sqlite_engine(parsed, "BEGIN", pool_size=8)
            self._glancer = _sqlite_engine(parsed, None, pool_size=2)
            self._keeper: AsyncEngine | None = _sqlite_engine(parsed, None, pool_size=1)
            self._watcher: AsyncEngine | None = _sqlite_engine(parsed, None, pool_size=1)
        else:
            self._keeper = self._watcher = None
            parsed = parsed.set(drivername="postgresql+psycopg")
            self._writer = self._reader = _postgres_engine(parsed)
            self._glancer = self._reader.execution_options(isolation_level="AUTOCOMMIT")
        self.url = parsed

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None on PostgreSQL."""
        return Path(self.url.database) if self.kind == "sqlite" and self.url.database else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: committed at the end of the block, rolled back by any exception.

        Errors: OperationalError also where no connection was to be had in time.
        """
        with self.writes.one() as write:
            async with self._writer.begin() as connection:
                write.begin()
                yield connection

    async def probe(self) -> None:
        """Writes something that changes nothing, to learn whether writing is possible again. Errors: the database's."""
        async with self.transaction() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A consistent read that takes no write lock."""
        async with self._reader.connect() as connection:
            if self.kind == "postgresql":
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncConnection]:
        """For single questions: each statement sees what is committed by then, and two of them perhaps not the same.

        It costs a third of a `snapshot`, which makes most of what an idle second costs.
        """
        async with self._glancer.connect() as connection:
            yield connection

    def _patience_ms(self) -> int:
        return min(AGAIN_MS, self.patience_ms) if self.writes.is_failing else self.patience_ms

    async def checkpoint(self) -> None:
        """Copies what SQLite's write-ahead log holds into the file, beside the writers: inside a commit it would
        hold up whoever commits. Nothing to do on PostgreSQL.
        """
        if self._keeper is not None:
            async with self._keeper.connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    async def change_token(self) -> str:
        """A text that differs once anybody, in any process, has committed: constant in cost, sometimes too eager.

        Only comparing it with the one before means anything. On SQLite it stays the same for commits of the
        connection that asks, so one is kept that does nothing else; on PostgreSQL it moves with any transaction
        of the cluster that writes.
        """
        if self._watcher is not None:
            async with self._watcher.connect() as connection:
                return str((await connection.exec_driver_sql("PRAGMA data_version")).scalar_one())
        async with self._reader.connect() as connection:
            return str((await connection.execute(text("SELECT pg_current_snapshot()::text"))).scalar_one())

    async def close(self) -> None:
        """Closes every connection."""
        for engine in {self._writer, self._reader, self._glancer, self._keeper, self._watcher}:
            if engine is not None:
                await engine.dispose()


def open_database(url: str | None, data_dir: Path) -> Database:
    """The database named by `url`, or the SQLite file in `data_dir` (made if it is not there)."""
    if url is None:
        data_dir.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{data_dir / SQLITE_FILE}"
    return Database(url)


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Turns on the write-ahead log, which is a property of the file, so mostly it is on already.

    Turning it on does not wait for others as other statements do; taking the write lock does, so that is how this
    waits for whoever makes the same file at the same moment.
    """
    for _ in range(WAL_TRIES_MAX):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("COMMIT")
        else:
            return
    raise sqlite3.OperationalError("the write-ahead log cannot be turned on: the database is locked")


def _postgres_engine(url: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=12,
        max_overflow=0,
        pool_use_lifo=True,
        connect_args=POSTGRES_ARGUMENTS,
        skip_autocommit_rollback=True,
    )

    # A new one is not asked either: SQLAlchemy gives up on two in a row with an error that tells of no trouble.
    @event.listens_for(engine.sync_engine, "connect")
    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: object, record: Any) -> None:
        record.info["used_s"] = monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ask(connection: Any, record: Any, _proxy: object) -> None:
        if monotonic() - record.info.get("used_s", 0.0) < TRUSTED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except connection.dbapi.Error as error:
            raise InvalidatePoolError from error

    return engine


def _sqlite_engine(
    url: Any, begin: str | None, pool_size: int, patience: Callable[[], int] | None = None
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        module=DBAPI,
        pool_size=pool_size,
        **({} if begin else WITHOUT_TRANSACTIONS),
        max_overflow=0,
        pool_timeout=60,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        cursor: sqlite3.Cursor = connection.cursor()
        cursor.execute(f"PRAGMA page_size={PAGE_BYTES}")
        _use_wal(cursor)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"cache_size=-{WRITER_CACHE_KIB if begin == WRITE else READER_CACHE_KIB}",
            f"wal_autocheckpoint={WAL_PAGES_MAX}",
            f"journal_size_limit={WAL_BYTES_KEPT}",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        if patience is not None and connection.info.get("patience") != (wanted := patience()):
            connection.exec_driver_sql(f"PRAGMA busy_timeout={wanted}")
            connection.info["patience"] = wanted
        if begin is not None:
            connection.exec_driver_sql(begin)

    return engine
