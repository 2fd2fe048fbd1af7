"""What the doctor asks the database: is it whole, durable and guarded, is its schema ours, who will be on duty."""

from datetime import datetime

from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.standin import Gap, gaps
from reporter.store.models import APPEND_ONLY, Base, Person, Token, Unit
from reporter.store.people import load_tree
from reporter.store.rosters import active_units, timelines
from reporter.store.schema import append_only


async def schema_differences(connection: AsyncConnection) -> list[str]:
    """The tables (`clocks`) and columns (`clocks.due_at`) that should be there and are not."""
    return await connection.run_sync(_missing)


def _missing(connection: Connection) -> list[str]:
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    missing = []
    for table in Base.metadata.sorted_tables:
        if table.name not in present:
            missing.append(table.name)
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        missing += [f"{table.name}.{column.name}" for column in table.columns if column.name not in columns]
    return missing


async def integrity(connection: AsyncConnection) -> list[str]:
    """What the database itself finds wrong with its file; PostgreSQL cannot be asked that cheaply."""
    if connection.dialect.name != "sqlite":
        return []
    found = (await connection.execute(text("PRAGMA quick_check(10)"))).scalars().all()
    return [] if found == ["ok"] else [str(each) for each in found]


async def durability(connection: AsyncConnection) -> list[str]:
    """The settings under which a commit may be lost in a power cut: `fsync=off`."""
    if connection.dialect.name == "sqlite":
        wanted = {"journal_mode": ("wal",), "synchronous": ("2", "3")}
        ask = "PRAGMA {}"
    else:
        wanted = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": _SYNCED}
        ask = "SHOW {}"
    weak = []
    for name, good in wanted.items():
        value = str((await connection.execute(text(ask.format(name)))).scalar_one())
        if value not in good:
            weak.append(f"{name}={value}")
    return weak


_SYNCED = ("on", "local", "remote_write", "remote_apply")


async def missing_guards(connection: AsyncConnection) -> list[str]:
    """The triggers that keep a table append-only and are not there, or are switched off."""
    dialect = connection.dialect.name
    statements = [each for table in APPEND_ONLY for each in append_only(table, dialect)]
    wanted = [each.split()[2] for each in statements if each.startswith("CREATE TRIGGER")]
    if dialect == "sqlite":
        listing = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        listing = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    there = set((await connection.execute(text(listing))).scalars())
    return [each for each in wanted if each not in there]


async def units_without_phone(connection: AsyncConnection) -> list[str]:
    """The codes of the active units that nobody can telephone, sorted."""
    silent = select(Unit.code).where(Unit.is_active, func.trim(Unit.phone) == "").order_by(Unit.code)
    return list((await connection.execute(silent)).scalars())


async def live_tokens(connection: AsyncConnection) -> int:
    """How many tokens there are that have not been revoked."""
    statement = select(func.count()).select_from(Token).where(Token.revoked_at.is_(None))
    return (await connection.execute(statement)).scalar_one()


async def live_people(connection: AsyncConnection) -> int:
    """How many people may sign in."""
    statement = select(func.count()).select_from(Person).where(Person.is_active)
    return (await connection.execute(statement)).scalar_one()


async def roster_gaps(connection: AsyncConnection, starts_at: datetime, ends_at: datetime) -> list[Gap]:
    """The gaps of every active unit and role between two instants, by unit, role and time."""
    tree = await load_tree(connection)
    lines = await timelines(connection, tree, active_units(tree), starts_at, ends_at)
    return [gap for (unit, role), slots in lines.items() for gap in gaps(unit, role, slots)]
