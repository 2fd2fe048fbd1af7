"""Units and roster: read for the engine, and imported from the files people keep.

An import is one transaction: a file with a single bad line changes nothing. Services under way see what was
imported with their next step, since they ask for it then.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final  # Any: columns of rows
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    RowMapping,
    Text,
    bindparam,
    cast,
    insert,
    null,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core import standin
from reporter.core.notice import UnitContact
from reporter.core.roster import ROOT, Directory, Duty, FlawOf, UnitNode, UnitTree, shown
from reporter.core.standin import Change
from reporter.core.terms import RosterChange
from reporter.store.csvfile import ImportRefused
from reporter.store.database import Database
from reporter.store.models import RosterEntry, Shift, Unit, table
from reporter.store.peoplefiles import CSV, UTC_ZONE, ShiftRow, read_roster, read_units
from reporter.timesource import SystemTime

__all__ = [
    "ImportRefused",
    "RosterSummary",
    "UnitsSummary",
    "directory_at",
    "holding",
    "import_roster",
    "import_units",
    "load_tree",
    "lock_people",
    "on_duty",
    "unit_contacts",
]

_LOCK: Final = 0x7265706F72746572  # "reporter": any number, the same in every process


@dataclass(frozen=True, slots=True)
class UnitsSummary:
    """What an import of units did; every field but `root` (the root's code) is a count of units."""

    root: str
    added: int
    changed: int
    unchanged: int
    deactivated: int


@dataclass(frozen=True, slots=True)
class RosterSummary:
    """What an import of a roster did: shifts written, old ones replaced, old ones cut to what lies outside.

    `warnings` are (line, text) for addresses that can never work.
    """

    shifts: int
    replaced: int
    cut: int
    warnings: tuple[tuple[int, str], ...] = ()


_NODES = select(Unit.code, Unit.name, Unit.parent, Unit.phone, Unit.region, Unit.is_active).order_by(
    Unit.code
)


async def load_tree(connection: AsyncConnection) -> UnitTree:
    """The units as they stand now; until units are imported, the one with code `root`."""
    return UnitTree(await _nodes(connection))


ENTRY = table(RosterEntry)
CANCELLED: Final = "cancelled"
"""The kind of a row that ends another one."""


async def on_duty(
    connection: AsyncConnection, at: datetime, known_at: datetime | None = None
) -> dict[tuple[str, str], tuple[Duty, ...]]:
    """Who is on duty at the instant by (unit, role), with all that was agreed; who is absent is marked so.

    A shift counts from its start until just before its end. `known_at`: as it was known at that instant; by default
    as it is known now.
    """
    return standin.on_duty(await load_tree(connection), *await holding(connection, at, known_at))


async def directory_at(
    connection: AsyncConnection, tree: UnitTree, at: datetime, flaw_of: FlawOf | None = None
) -> Directory:
    """Who is to be told what at the instant: made once for a transaction, in one statement."""
    return Directory(tree, standin.on_duty(tree, *await holding(connection, at)), flaw_of)


async def holding(
    connection: AsyncConnection, at: datetime, known_at: datetime | None = None
) -> tuple[list[Duty], list[Change]]:
    """The shifts and the changes that hold at the instant, each in the order of recording.

    One statement for both, since every transaction of the engine asks.
    """
    asked = _HOLDING if known_at is None else _holding(known_at)
    duties: list[tuple[int, Duty]] = []
    agreed: list[Change] = []
    for id_, kind, unit, role, person, taker, phone, channels in await connection.execute(asked, {"at": at}):
        if kind is None:
            duties.append((id_, Duty(unit, role, person, phone, tuple(channels))))
        else:
            word = RosterChange(kind)  # it holds at this instant, which is all that is asked of it
            agreed.append(Change(id_, word, unit, role, person, at, at, taker, phone, tuple(channels)))
    duties.sort(key=lambda each: each[0])
    return [duty for _, duty in duties], agreed


def shifts_known(at: datetime | None) -> list[ColumnElement[bool]]:
    """The conditions on a shift that is known at an instant; None: now."""
    if at is None:
        return [Shift.replaced_at.is_(None)]
    return [Shift.recorded_at <= at, or_(Shift.replaced_at.is_(None), Shift.replaced_at > at)]


def changes_known(at: datetime | None) -> list[ColumnElement[bool]]:
    """The conditions on a change that is known at an instant, and not cancelled by then; None: now."""
    later = ENTRY.alias("later")
    cancelled = select(later.c.id).where(later.c.cancels == ENTRY.c.id)
    if at is None:
        return [ENTRY.c.kind != CANCELLED, ~cancelled.exists()]
    known = cancelled.where(later.c.recorded_at <= at)
    return [ENTRY.c.kind != CANCELLED, ENTRY.c.recorded_at <= at, ~known.exists()]


def _holding(known_at: datetime | None) -> CompoundSelect[Any]:
    at: BindParameter[datetime] = bindparam("at")
    nothing = cast(null(), Text)
    shifts = select(
        Shift.id, nothing.label("kind"), Shift.unit, Shift.role, Shift.person, nothing.label("taker"),
        Shift.phone, Shift.channels,
    ).where(Shift.starts_at <= at, Shift.ends_at > at, *shifts_known(known_at))  # fmt: skip
    changes = select(
        ENTRY.c.id, ENTRY.c.kind, ENTRY.c.unit, ENTRY.c.role, ENTRY.c.person, ENTRY.c.taker,
        ENTRY.c.phone, ENTRY.c.channels,
    ).where(ENTRY.c.starts_at <= at, ENTRY.c.ends_at > at, *changes_known(known_at))  # fmt: skip
    return union_all(shifts, changes)


_HOLDING = _holding(None)
_CONTACTS = select(Unit.code, Unit.name, Unit.phone, Unit.parent, Unit.is_active).where(
    or_(Unit.code.in_(bindparam("codes")), Unit.parent.is_(None))
)


async def unit_contacts(connection: AsyncConnection, codes: Iterable[str]) -> dict[str, UnitContact]:
    """Name and phone of these units, also of `root`; a code nobody registered is its own name."""
    wanted = set(codes)
    rows = await connection.execute(_CONTACTS, {"codes": list(wanted)})
    contacts = {code: UnitContact(code, "") for code in wanted}
    for code, name, phone, parent, is_active in rows:
        if code in wanted and code != ROOT:
            contacts[code] = UnitContact(name, phone)
        if ROOT in wanted and parent is None and is_active:
            contacts[ROOT] = UnitContact(name, phone)
    return contacts


async def import_units(database: Database, content: bytes) -> UnitsSummary:
    """Takes the units of a file over: by code, the absent ones deactivated and never deleted.

    The root may change; `root` is then an alias of the new one, and a former root that is absent hangs
    below it. Errors: ImportRefused with every bad line.
    """
    units = read_units(content)
    async with database.transaction() as connection:
        await lock_people(connection)
        before = {node.code: node for node in await _nodes(connection)}
        added = [unit for unit in units if unit.code not in before]
        changed = [unit for unit in units if unit.code in before and before[unit.code] != unit]
        gone = before.keys() - {unit.code for unit in units}
        ended = [code for code in gone if before[code].is_active]
        if added:
            await connection.execute(insert(Unit), [asdict(unit) for unit in added])
        if changed:
            await connection.execute(
                update(Unit).where(Unit.code == bindparam("of")),
                [{**asdict(unit), "of": unit.code} for unit in changed],
            )
        if ended:
            await connection.execute(
                update(Unit).where(Unit.code == bindparam("of")),
                [{"is_active": False, "of": code} for code in ended],
            )
    root = next(unit.code for unit in units if unit.parent is None)
    return UnitsSummary(root, len(added), len(changed), len(units) - len(added) - len(changed), len(ended))


async def import_roster(
    database: Database,
    content: bytes,
    flaw_of: FlawOf | None = None,
    *,
    form: str = CSV,
    zone: ZoneInfo = UTC_ZONE,
    now: datetime | None = None,
    author: str = "",
    within: Collection[str] | None = None,
) -> RosterSummary:
    """Takes the shifts of a file over. Addresses that `flaw_of` finds fault with are kept, and warned of.

    For each unit and role in the file, its span reaches from the first start to the last end. Old shifts
    within it are replaced; of one that reaches beyond it, the part outside stays, so that a new roster never leaves
    a hole before or after itself. Other units, roles and times are untouched, and so are swaps, overrides and
    absences. What is replaced stays known for what it was until `now` (by default the machine's). Shifts may
    overlap: both persons are on duty then. `form` and `zone`: see `peoplefiles.read_roster`. `within`: the codes of
    the units that may stand in it. Errors: ImportRefused with every bad line, among them units unknown or not active.
    """
    now = now or SystemTime().now()
    async with database.snapshot() as connection:
        tree = await load_tree(connection)
    # Beside the loop and before the write lock: a large file takes seconds to read.
    shifts = await asyncio.to_thread(read_roster, content, tree, form, zone, now)
    _check_within(shifts, within)
    async with database.transaction() as connection:
        await lock_people(connection)
        if await _nodes(connection) != tree.nodes:
            tree = await load_tree(connection)
            shifts = read_roster(content, tree, form, zone, now)
            _check_within(shifts, within)
        spans = _spans(shifts)
        old = await connection.execute(
            select(Shift).where(
                Shift.starts_at < max(ends_at for _, ends_at in spans.values()),
                Shift.ends_at > min(starts_at for starts_at, _ in spans.values()),
                *shifts_known(None),
            )
        )
        touched, kept, cut = [], [], 0
        for shift in old.mappings().all():
            span = spans.get((tree.resolve(shift["unit"]), shift["role"]))
            if span is None or shift["starts_at"] >= span[1] or shift["ends_at"] <= span[0]:
                continue
            touched.append({"of": shift["id"]})
            rest = _outside(shift, *span)
            kept += rest
            cut += bool(rest)
        if touched:
            replaced = update(table(Shift)).where(Shift.id == bindparam("of")).values(replaced_at=now)
            await connection.execute(replaced, touched)
        known = {"recorded_at": now, "recorded_by": author}
        await connection.execute(
            insert(Shift), [{**each, **known} for each in (*kept, *map(_values, shifts))]
        )
    return RosterSummary(len(shifts), len(touched) - cut, cut, _warnings(shifts, flaw_of))


async def lock_people(connection: AsyncConnection) -> None:
    """Lets one import at a time go on, to the end of its transaction. SQLite's write lock does so already."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def _nodes(connection: AsyncConnection) -> list[UnitNode]:
    return [UnitNode(*row) for row in await connection.execute(_NODES)]


def _check_within(shifts: Sequence[ShiftRow], within: Collection[str] | None) -> None:
    if within is None:
        return
    outside = [
        (shift.line, f"unit {shift.unit} is not within yours") for shift in shifts if shift.unit not in within
    ]
    if outside:
        raise ImportRefused(outside)


def _spans(shifts: Sequence[ShiftRow]) -> dict[tuple[str | None, str], tuple[datetime, datetime]]:
    """From the first start to the last end, by (unit, role)."""
    spans: dict[tuple[str | None, str], tuple[datetime, datetime]] = {}
    for shift in shifts:
        starts_at, ends_at = spans.get((shift.unit, shift.role), (shift.starts_at, shift.ends_at))
        spans[shift.unit, shift.role] = min(starts_at, shift.starts_at), max(ends_at, shift.ends_at)
    return spans


def _outside(shift: RowMapping, starts_at: datetime, ends_at: datetime) -> list[dict[str, Any]]:
    """What is left of an overlapping shift before and after the span."""
    rest = {name: value for name, value in shift.items() if name not in ("id", "replaced_at")}
    parts = ({**rest, "ends_at": starts_at}, {**rest, "starts_at": ends_at})
    return [part for part in parts if part["starts_at"] < part["ends_at"]]


def _values(shift: ShiftRow) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(shift).items() if name != "line"},
        "channels": list(shift.channels),
    }


def _warnings(shifts: Sequence[ShiftRow], flaw_of: FlawOf | None) -> tuple[tuple[int, str], ...]:
    if flaw_of is None:
        return ()
    return tuple(
        (
            shift.line,
            f"{shown(address)}: {flaw}；若无其他可用地址，{shift.person} 只能由值班台通知"
            f" / {shift.person} is noticed on the desk unless another address works",
        )
        for shift in shifts
        for address in shift.channels
        if (flaw := flaw_of(address)) is not None
    )
