"""The schema: created where there is none, upgraded on request, and checked before anything is served.

Two ways lead to it, and `tests/contract/test_migrations.py` proves that they end in the same place: `check`
makes an empty database from the models at once, since to import Alembic takes longer than to start the
service; `upgrade` runs the migrations. Both change the schema under one lock, so that replicas may start or
upgrade at the same moment.
"""

import sqlite3

from sqlalchemy import insert, inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import Column, MetaData, PrimaryKeyConstraint, Table
from sqlalchemy.types import String

from reporter.store.database import Database
from reporter.store.models import APPEND_ONLY, VERSIONED, Base

REVISION = "0010"
"""The revision that this version of the product works with: the newest in `migrations/versions`."""

PEER_WAIT = "60s"
"""How long an upgrade waits on PostgreSQL for another one to end; on SQLite it is the busy timeout."""
TABLE_WAIT = "10s"
"""How long a migration waits for a table in use: whoever wants that table queues behind it meanwhile."""
STATEMENT_WAIT = "15min"
"""How long one statement of a migration may take."""

_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_LOCK_KEY = int.from_bytes(b"reporter", "big")
_LOCK_NOT_AVAILABLE = "55P03"


class SchemaMismatch(Exception):
    """The database has another schema than this version works with; `str` says what to run."""


async def revision(database: Database) -> str | None:
    """The schema's revision, or None for an empty database. Errors: SchemaMismatch for others' tables."""
    async with database.snapshot() as connection:
        return await connection.run_sync(_revision)


async def is_current(connection: AsyncConnection) -> bool:
    """Whether the schema is this version's: one small question, for those who ask all the time.

    Errors: the database's, where there is no schema at all.
    """
    found = await connection.execute(text("SELECT version_num FROM alembic_version"))
    return found.scalar_one_or_none() == REVISION


async def check(database: Database) -> None:
    """Makes the schema in an empty database; anything else has to match. Errors: SchemaMismatch."""
    found = await revision(database)
    if found is None:
        async with database.transaction() as connection:
            found = await connection.run_sync(_create)
    if found != REVISION:
        raise _mismatch(found)


async def upgrade(database: Database) -> str:
    """Runs the migrations that are missing, each in a transaction of its own, and returns `REVISION`.

    What fails leaves the revision before it, whole. Errors: SchemaMismatch for a schema that this program
    does not know, and where a lock was not to be had in time.
    """
    is_done = False
    try:
        while not is_done:
            async with database.transaction() as connection:
                is_done = await connection.run_sync(_step)
    except OperationalError as error:
        if _is_lock_timeout(error.orig):
            raise SchemaMismatch(
                "数据库正被占用，结构未更新：稍后再运行 reporter db upgrade / "
                "the database is in use and was not upgraded: run `reporter db upgrade` again in a while"
            ) from error
        raise
    return REVISION


def _revision(connection: Connection) -> str | None:
    names = set(inspect(connection).get_table_names())
    found: str | None = None
    if _VERSION.name in names:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if found is None and names & set(Base.metadata.tables):
        raise SchemaMismatch(
            "数据库中已有同名的表，却没有结构版本：请换一个空数据库，或恢复备份 / "
            "the database holds tables of these names and no revision: use an empty one, or restore a backup"
        )
    return found


def _create(connection: Connection) -> str:
    """Makes the schema and returns its revision; where another replica was first, that one's."""
    _lock(connection)
    found = _revision(connection)
    if found is not None:
        return found
    Base.metadata.create_all(connection, checkfirst=False)
    for table in APPEND_ONLY:
        for statement in append_only(table, connection.dialect.name):
            connection.execute(text(statement))
    for table in VERSIONED:
        for statement in versioned(table, connection.dialect.name):
            connection.execute(text(statement))
    _VERSION.create(connection, checkfirst=True)
    connection.execute(insert(_VERSION).values(version_num=REVISION))
    return REVISION


def _step(connection: Connection) -> bool:
    """Runs the next migration. True: there was none left to run."""
    _lock(connection)
    found = _revision(connection)
    if found == REVISION:
        return True
    from reporter.store import migrations  # takes a second to import, and is seldom needed

    if found is not None and found not in migrations.revisions():
        raise _mismatch(found)
    migrations.up(connection)
    return False


def _lock(connection: Connection) -> None:
    """Waits until nobody else changes the schema; holds to the end of the transaction.

    A SQLite transaction holds the database's one write lock already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{PEER_WAIT}'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_WAIT}'"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_WAIT}'"))


def _is_lock_timeout(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(error, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _mismatch(found: str) -> SchemaMismatch:
    if found < REVISION:
        return SchemaMismatch(
            f"数据库结构版本为 {found}，本程序需要 {REVISION}：请先备份，再运行 reporter db upgrade / "
            f"the database has schema {found}, this version needs {REVISION}: back it up, then run "
            "`reporter db upgrade`"
        )
    return SchemaMismatch(
        f"数据库结构版本为 {found}，本程序只认识到 {REVISION}：由更新的版本（或别的程序）建立，请安装它 / "
        f"the database has schema {found}, this version knows up to {REVISION}: a newer version (or another "
        "program) made it; install that version"
    )


def append_only(table: str, dialect: str) -> list[str]:
    """The statements that make the database itself refuse updates and deletes of a table's rows."""
    words = f"{table} is append-only"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    function = (
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
    )
    rows = (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()"
    )
    emptied = (
        f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )
    return [function, rows, emptied]


def versioned(table: str, dialect: str) -> list[str]:
    """The statements that make the database refuse deletes of a table's rows, and every update but the one that says
    since when a row no longer holds.
    """
    columns = [column.name for column in Base.metadata.tables[table].columns if column.name != "replaced_at"]
    words = f"{table} is history"
    if dialect == "sqlite":
        changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in columns)
        return [
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END",
            f"CREATE TRIGGER {table}_replaced_once BEFORE UPDATE ON {table} "
            f"WHEN OLD.replaced_at IS NOT NULL OR NEW.replaced_at IS NULL OR {changed} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END",
        ]
    same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in columns)
    return [
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_OP = 'UPDATE' THEN IF OLD.replaced_at IS NULL AND NEW.replaced_at IS NOT NULL AND {same} "
        f"THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION '{words}'; END $$",
        f"CREATE TRIGGER {table}_replaced_once BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    ]
