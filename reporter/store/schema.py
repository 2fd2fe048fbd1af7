"""The schema: created where there is none, upgraded on request, and checked before anything is served."""

from sqlalchemy import insert, inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.schema import Column, MetaData, Table
from sqlalchemy.types import String

from reporter.store.database import Database
from reporter.store.models import APPEND_ONLY, Base

REVISION = "0001"
"""The revision that this version of the product works with."""
_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class SchemaMismatch(Exception):
    """The database has another schema than this version works with; `str` says what to run."""


async def revision(database: Database) -> str | None:
    """The schema's revision, or None for an empty database. Errors: SchemaMismatch for tables that are not ours."""
    async with database.snapshot() as connection:
        return await connection.run_sync(_revision)


async def check(database: Database) -> None:
    """Makes the schema in an empty database; anything else has to match. Errors: SchemaMismatch."""
    found = await revision(database)
    if found is None:
        await upgrade(database)
    elif found != REVISION:
        raise SchemaMismatch(
            f"数据库结构版本为 {found}，本程序需要 {REVISION}：请先备份，再运行 reporter db upgrade / "
            f"the database has schema {found}, this version needs {REVISION}: back it up, then run "
            "`reporter db upgrade`"
        )


async def upgrade(database: Database) -> str:
    """Brings the schema to `REVISION` and returns that. Errors: SchemaMismatch for a schema newer than this program."""
    async with database.transaction() as connection:
        found = await connection.run_sync(_revision)
        if found is None:
            await connection.run_sync(_create)
        elif found != REVISION:
            raise SchemaMismatch(f"未知的结构版本 {found} / no way from schema {found} to {REVISION}")
    return REVISION


def _revision(connection: Connection) -> str | None:
    names = set(inspect(connection).get_table_names())
    if "alembic_version" in names:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if names & set(Base.metadata.tables):
        raise SchemaMismatch("数据库中已有同名的表 / the database holds tables of these names that are not ours")
    return None


def _create(connection: Connection) -> None:
    Base.metadata.create_all(connection)
    for table in APPEND_ONLY:
        for statement in append_only(table, connection.dialect.name):
            connection.execute(text(statement))
    _VERSION.create(connection)
    connection.execute(insert(_VERSION).values(version_num=REVISION))


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
