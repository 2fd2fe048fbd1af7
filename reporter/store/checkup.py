"""What the doctor asks the database: is its schema ours, who will be on duty, is there any account."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import UnitTree
from reporter.core.terms import DutyRole
from reporter.store.models import Base, Person, Shift, Token
from reporter.store.people import load_tree


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nobody holds a role of a unit: `starts_at` inclusive, `ends_at` exclusive."""

    unit: str
    role: DutyRole
    starts_at: datetime
    ends_at: datetime


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
    columns = (Shift.unit, Shift.role, Shift.starts_at, Shift.ends_at)
    rows = await connection.execute(
        select(*columns).where(Shift.starts_at < ends_at, Shift.ends_at > starts_at).order_by(Shift.starts_at)
    )
    covered: dict[tuple[str, str], list[tuple[datetime, datetime]]] = {}
    for unit, role, begins, ends in rows:
        covered.setdefault((tree.resolve(unit) or unit, role), []).append((begins, ends))
    return [
        gap
        for unit in active_units(tree)
        for role in DutyRole
        for gap in gaps(unit, role, covered.get((unit, role), ()), starts_at, ends_at)
    ]


def active_units(tree: UnitTree) -> list[str]:
    """The codes of the units that count, sorted."""
    return sorted(
        code for code in tree.subtree(tree.root) if tree.resolve(code) == code and tree.node(code).is_active
    )


def gaps(
    unit: str,
    role: DutyRole,
    shifts: Iterable[tuple[datetime, datetime]],
    starts_at: datetime,
    ends_at: datetime,
) -> list[Gap]:
    """What `shifts` (sorted by start, may overlap) leave uncovered between `starts_at` and `ends_at`."""
    found = []
    covered_to = starts_at
    for begins, ends in shifts:
        if begins > covered_to:
            found.append(Gap(unit, role, covered_to, min(begins, ends_at)))
        covered_to = max(covered_to, ends)
    if covered_to < ends_at:
        found.append(Gap(unit, role, covered_to, ends_at))
    return found
