"""Swaps, overrides, absences and deputies: recorded with author and reason, cancelled by a further row, never changed.

What may be recorded is decided here, so that the desk, the command line and the API refuse the same things.
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final  # Any: columns of rows

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.canonical import canonical
from reporter.core.command import Problem
from reporter.core.instants import rfc3339
from reporter.core.roster import UnitTree
from reporter.core.terms import DutyRole, RosterChange
from reporter.store.database import Database
from reporter.store.people import CANCELLED, ENTRY, load_tree, lock_people
from reporter.store.peoplefiles import CHANNELS_MAX, CHARS_MAX, unfit_address
from reporter.store.rosters import contact_of, timelines
from reporter.store.types import AnyRow

SPAN_MAX: Final = timedelta(days=366)
REASON_CHARS_MAX: Final = 500


class ChangeRefused(ValueError):
    """Something that was not recorded; `problems` names each field and why, Chinese first."""

    def __init__(self, problems: Sequence[Problem], code: str = "invalid") -> None:
        super().__init__("; ".join(f"{each.path}: {each.message}" for each in problems))
        self.problems = tuple(problems)
        self.code = code


@dataclass(frozen=True, slots=True)
class Agreed:
    """Something to record: see `core.standin.Change`. `phone` and `channels` None: as rosters know the taker.

    `back`: of a swap, the span of `taker` that `person` takes in return.
    """

    kind: RosterChange
    unit: str
    role: str | None
    person: str | None
    starts_at: datetime
    ends_at: datetime
    taker: str | None
    reason: str
    phone: str | None = None
    channels: tuple[str, ...] | None = None
    back: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change as it stands. `cancelled_*` are None while it holds."""

    id: int
    kind: RosterChange
    unit: str
    role: str | None
    person: str | None
    starts_at: datetime
    ends_at: datetime
    taker: str | None
    phone: str
    channels: tuple[str, ...]
    reason: str
    author: str
    recorded_at: datetime
    cancelled_at: datetime | None = None
    cancelled_by: str | None = None
    cancel_reason: str | None = None


async def record(
    database: Database, agreed: Agreed, author: str, key: str, now: datetime
) -> tuple[list[Recorded], bool]:
    """Records a change, and the way back of a swap as a second one. False: it had been recorded under this key.

    Errors: ChangeRefused; with code `identity_reused` where the key stands for something else.
    """
    key = f"{author}\n{key}"
    digest = _digest({"do": "record", **asdict(agreed)})
    async with database.transaction() as connection:
        await lock_people(connection)
        if (known := await _known(connection, key, digest)) is not None:
            return known, False
        tree = await load_tree(connection)
        if problems := list(_problems(agreed, tree)):
            raise ChangeRefused(problems)
        agreed = replace(agreed, unit=tree.resolve(agreed.unit) or agreed.unit)
        ways = [agreed, *_way_back(agreed)]
        rows = []
        for number, way in enumerate(ways):
            await _check_duty(connection, tree, way, "back_" if number else "")
            phone, channels = await _contact(connection, way)
            rows.append(
                {
                    **{name: value for name, value in asdict(way).items() if name != "back"},
                    "kind": way.kind.value,
                    "phone": phone,
                    "channels": list(channels),
                    "author": author,
                    "recorded_at": now,
                    "key": f"{key}\n{number}" if number else key,
                    "digest": digest,
                }
            )
        await connection.execute(insert(ENTRY), rows)
        found = await _known(connection, key, digest)
    return found or [], True


async def cancel(
    database: Database, change: int, reason: str, author: str, key: str, now: datetime
) -> tuple[Recorded, bool]:
    """Ends a change from now on: what it made of the past stays known. False: done before under this key.

    Errors: ChangeRefused, with code `not_found` or `conflict` (cancelled already).
    """
    key = f"{author}\n{key}"
    digest = _digest({"do": "cancel", "change": change, "reason": reason})
    async with database.transaction() as connection:
        await lock_people(connection)
        taken = (
            await connection.execute(select(ENTRY.c.digest).where(ENTRY.c.key == key))
        ).scalar_one_or_none()
        if taken not in (None, digest):
            raise _reused()
        if taken is None:
            if problems := list(_text_problems("reason", reason, REASON_CHARS_MAX, required=True)):
                raise ChangeRefused(problems)
            row = (await connection.execute(select(ENTRY).where(ENTRY.c.id == change))).one_or_none()
            if row is None or row.kind == CANCELLED:
                raise ChangeRefused([Problem("id", "没有这一条 / no such change")], "not_found")
            [standing] = await _recorded(connection, [row])
            if standing.cancelled_at is not None:
                raise ChangeRefused([Problem("id", "已取消 / cancelled already")], "conflict")
            kept = {name: value for name, value in row._mapping.items() if name != "id"}
            said = {"reason": reason, "author": author, "recorded_at": now, "key": key, "digest": digest}
            await connection.execute(
                insert(ENTRY).values(**kept | said | {"kind": CANCELLED, "cancels": change})
            )
        found = (await connection.execute(select(ENTRY).where(ENTRY.c.id == change))).one()
        [standing] = await _recorded(connection, [found])
    return standing, taken is None


async def changes(
    connection: AsyncConnection,
    units: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> list[Recorded]:
    """What was recorded for these units and holds within the span, the cancelled too, newest first."""
    query = select(ENTRY).where(ENTRY.c.kind != CANCELLED).order_by(ENTRY.c.id.desc()).limit(limit)
    if units is not None:
        query = query.where(ENTRY.c.unit.in_(units))
    if since is not None:
        query = query.where(ENTRY.c.ends_at > since)
    if until is not None:
        query = query.where(ENTRY.c.starts_at < until)
    return await _recorded(connection, (await connection.execute(query)).all())


async def unit_of(connection: AsyncConnection, change: int) -> str | None:
    """The unit of a change, or None if there is none of that number."""
    query = select(ENTRY.c.unit).where(ENTRY.c.id == change, ENTRY.c.kind != CANCELLED)
    return (await connection.execute(query)).scalar_one_or_none()


async def _recorded(connection: AsyncConnection, rows: Sequence[AnyRow]) -> list[Recorded]:
    ends = await connection.execute(select(ENTRY).where(ENTRY.c.cancels.in_([row.id for row in rows])))
    ended = {row.cancels: row for row in ends}
    found = []
    for row in rows:
        end = ended.get(row.id)
        found.append(
            Recorded(
                row.id,
                RosterChange(row.kind),
                row.unit,
                row.role,
                row.person,
                row.starts_at,
                row.ends_at,
                row.taker,
                row.phone,
                tuple(row.channels),
                row.reason,
                row.author,
                row.recorded_at,
                None if end is None else end.recorded_at,
                None if end is None else end.author,
                None if end is None else end.reason,
            )
        )
    return found


async def _known(connection: AsyncConnection, key: str, digest: str) -> list[Recorded] | None:
    """What was recorded under the key. Errors: ChangeRefused if it was something else."""
    query = select(ENTRY).where(ENTRY.c.key.in_([key, f"{key}\n1"])).order_by(ENTRY.c.id)
    rows = (await connection.execute(query)).all()
    if not rows:
        return None
    if rows[0].digest != digest:
        raise _reused()
    return await _recorded(connection, rows)


def _reused() -> ChangeRefused:
    message = "此键已用于其他内容 / the key stands for something else already"
    return ChangeRefused([Problem("Idempotency-Key", message)], "identity_reused")


def _digest(said: dict[str, Any]) -> str:
    """SHA-256 of what was asked for, whichever key it came under."""
    return sha256(canonical({name: _plain(value) for name, value in said.items()})).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _way_back(agreed: Agreed) -> Iterator[Agreed]:
    """What the one whose span was taken takes in return: as rosters know that person."""
    if agreed.back is not None:
        starts_at, ends_at = agreed.back
        yield replace(
            agreed, person=agreed.taker, taker=agreed.person, starts_at=starts_at, ends_at=ends_at, phone=None,
            channels=None, back=None,
        )  # fmt: skip


def _problems(agreed: Agreed, tree: UnitTree) -> Iterator[Problem]:
    """What can be said without looking at a roster."""
    unit = tree.resolve(agreed.unit)
    if unit is None or not tree.node(unit).is_active:
        yield Problem("unit", "不是已登记的单位 / not a registered unit")
    is_absence = agreed.kind is RosterChange.ABSENCE
    if agreed.role is None and not is_absence:
        yield Problem("role", "必填 / required")
    elif agreed.role is not None and agreed.role not in set(DutyRole):
        yield Problem("role", f"取值 / must be one of {', '.join(DutyRole)}")
    for path, (starts_at, ends_at) in {
        "": (agreed.starts_at, agreed.ends_at),
        "back_": agreed.back or (None, None),
    }.items():
        if starts_at is not None and ends_at is not None and not starts_at < ends_at <= starts_at + SPAN_MAX:
            yield Problem(
                f"{path}ends", "应晚于开始，且不超过 366 天 / must come after the start, within 366 days"
            )
    if agreed.back is not None:
        if agreed.kind is not RosterChange.SWAP:
            yield Problem("back_starts", "仅换班有 / of a swap only")
        elif agreed.back[0] < agreed.ends_at and agreed.back[1] > agreed.starts_at:
            yield Problem("back_starts", "两段时间不能重叠 / the two spans may not overlap")
    yield from _text_problems(
        "person", agreed.person, CHARS_MAX["person"], required=agreed.kind is not RosterChange.OVERRIDE
    )
    yield from _text_problems("taker", agreed.taker, CHARS_MAX["person"], required=not is_absence)
    if agreed.person and agreed.person == agreed.taker:
        yield Problem("taker", "不能是同一人 / must be somebody else")
    yield from _text_problems("phone", agreed.phone, CHARS_MAX["phone"])
    yield from _text_problems("reason", agreed.reason, REASON_CHARS_MAX, required=True)
    if len(agreed.channels or ()) > CHANNELS_MAX:
        yield Problem("channels", f"最多 {CHANNELS_MAX} 个 / at most {CHANNELS_MAX}")
    for address in agreed.channels or ():
        if why := unfit_address(address):
            yield Problem("channels", f"{address[:80]!r}: {why}")


def _text_problems(
    path: str, text: str | None, chars_max: int, *, required: bool = False
) -> Iterator[Problem]:
    if not (text or "").strip():
        if required:
            yield Problem(path, "必填 / required")
    elif len(text or "") > chars_max:
        yield Problem(path, f"最多 {chars_max} 字 / at most {chars_max} characters")
    elif any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in text or ""):
        yield Problem(path, "含控制字符 / holds a control character")


async def _check_duty(connection: AsyncConnection, tree: UnitTree, agreed: Agreed, path: str) -> None:
    """Whoever's span is taken has one. Errors: ChangeRefused. An absence may be known before the roster is."""
    if agreed.person is None or agreed.role is None or agreed.kind is RosterChange.ABSENCE:
        return
    span = agreed.starts_at, agreed.ends_at
    lines = await timelines(connection, tree, [agreed.unit], *span)
    slots = lines[agreed.unit, DutyRole(agreed.role)]
    if not any(duty.person == agreed.person for slot in slots for duty in slot.duties):
        message = f"{agreed.person} 在此时段不值班 / is not on duty in that span"
        raise ChangeRefused([Problem(f"{path}person" if not path else f"{path}starts", message)])


async def _contact(connection: AsyncConnection, agreed: Agreed) -> tuple[str, tuple[str, ...]]:
    """How to reach the taker: what was given, else what rosters know. Errors: ChangeRefused if that is nothing."""
    if agreed.taker is None:
        return "", ()
    if agreed.phone is not None and agreed.channels is not None:
        return agreed.phone, agreed.channels
    known = await contact_of(connection, agreed.unit, agreed.taker)
    if known is None and agreed.phone is None and agreed.channels is None:
        message = f"值班表中没有 {agreed.taker}，请给出电话 / no roster knows this person: give a phone"
        raise ChangeRefused([Problem("phone", message)])
    phone, channels = known or ("", ())
    return (
        phone if agreed.phone is None else agreed.phone,
        channels if agreed.channels is None else agreed.channels,
    )
