"""What the doctor asks the database: is its schema ours, who will be on duty, is there any account."""

from datetime import datetime

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.standin import Gap, gaps
from reporter.store.models import Base, Token
from reporter.store.people import load_tree
from reporter.store.rosters import active_units, timelines


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


async def live_tokens(connection: AsyncConnection) -> int:
    """How many accounts there are that have not been revoked."""
    statement = select(func.count()).select_from(Token).where(Token.revoked_at.is_(None))
    return (await connection.execute(statement)).scalar_one()


async def roster_gaps(connection: AsyncConnection, starts_at: datetime, ends_at: datetime) -> list[Gap]:
    """The gaps of every active unit and role between two instants, by unit, role and time."""
    tree = await load_tree(connection)
    lines = await timelines(connection, tree, active_units(tree), starts_at, ends_at)
    return [gap for (unit, role), slots in lines.items() for gap in gaps(unit, role, slots)]
