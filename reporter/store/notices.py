"""Notices to people: acknowledged, told of, and those that belong to no incident."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any  # rows have no narrower type

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.command import Command
from reporter.core.terms import NoticeState
from reporter.store import models as m
from reporter.store import turns
from reporter.store.types import AnyRow

NOTICE = m.table(m.Notice)
THROTTLE = m.table(m.RejectedNotice)
ASIDE = m.table(m.SetAside)
PROVIDER = m.table(m.ProviderId)
PROVIDER_ID_CHARS = 160
PROVIDER_IDS_KEPT = timedelta(days=30)
"""Reports of delivery come within hours; after this a number may stand for another message."""

REJECTED_EVERY = timedelta(minutes=5)
SUBJECTS_MAX = 20
"""Distinct subjects noticed on their own within `REJECTED_EVERY`; the rest share one line, so that nobody can
page a duty officer a thousand times by making subjects up."""
OTHERS = "*"
HELD_AFTER = timedelta(seconds=60)


async def acknowledge(connection: AsyncConnection, number: int, command: Command) -> Sequence[AnyRow] | None:
    """Marks the notice that the command names acknowledged, or all that stood open when it arrived: those of the
    incident with this number.

    What was written later than its arrival nobody can have seen: however late the command is processed, it silences
    none of that. Returns the notices newly acknowledged. None: there is no such notice.
    """
    mine = select(*turns.COLUMNS, NOTICE.c.state).where(NOTICE.c.number == number)
    named = command.data.get("notice")
    is_one = isinstance(named, str)
    mine = mine.where(NOTICE.c.id == named if is_one else NOTICE.c.recorded_at <= command.received_at)
    rows = (await connection.execute(mine.order_by(NOTICE.c.recorded_at, NOTICE.c.id))).all()
    if is_one and not rows:
        return None
    open_ = [row for row in rows if row.state != NoticeState.ACKNOWLEDGED.value]
    if open_:
        await connection.execute(
            update(NOTICE)
            .where(NOTICE.c.id.in_([row.id for row in open_]))
            .values(state=NoticeState.ACKNOWLEDGED.value, next_try_at=None)
        )
    return open_


async def count_rejection(connection: AsyncConnection, subject: str, now: datetime) -> int:
    """Counts one more rejected message of `subject`. Returns how many to notice now: 0 while it is too soon."""
    recent = select(func.count()).select_from(THROTTLE).where(THROTTLE.c.noticed_at > now - REJECTED_EVERY)
    known = (await connection.execute(select(THROTTLE).where(THROTTLE.c.subject == subject))).first()
    if known is None and (await connection.execute(recent)).scalar_one() >= SUBJECTS_MAX:
        subject = OTHERS
        known = (await connection.execute(select(THROTTLE).where(THROTTLE.c.subject == subject))).first()
    if known is None:
        await connection.execute(insert(THROTTLE).values(subject=subject, noticed_at=now, waiting=0))
        return 1
    mine = update(THROTTLE).where(THROTTLE.c.subject == subject)
    if known.noticed_at > now - REJECTED_EVERY:
        await connection.execute(mine.values(waiting=known.waiting + 1))
        return 0
    await connection.execute(mine.values(noticed_at=now, waiting=0))
    return int(known.waiting) + 1


async def overdue_rejections(connection: AsyncConnection, now: datetime) -> list[tuple[str, int]]:
    """The subjects whose counted rejections may be noticed now, with their counts, which start again."""
    due = THROTTLE.c.waiting > 0, THROTTLE.c.noticed_at <= now - REJECTED_EVERY
    rows = (
        await connection.execute(select(THROTTLE).where(*due).limit(100).with_for_update(skip_locked=True))
    ).all()
    for row in rows:
        await connection.execute(
            update(THROTTLE).where(THROTTLE.c.subject == row.subject).values(noticed_at=now, waiting=0)
        )
    return [(row.subject, row.waiting) for row in rows]


async def overdue_held(connection: AsyncConnection, now: datetime) -> list[AnyRow]:
    """The messages held for a minute and not yet noticed; they are marked so."""
    due = ASIDE.c.state == "held", ASIDE.c.noticed_at.is_(None), ASIDE.c.recorded_at <= now - HELD_AFTER
    columns = ASIDE.c.id, ASIDE.c.subject, ASIDE.c.target
    rows = list(
        (
            await connection.execute(
                select(*columns).where(*due).order_by(ASIDE.c.id).limit(100).with_for_update(skip_locked=True)
            )
        ).all()
    )
    if rows:
        ids = [row.id for row in rows]
        await connection.execute(update(ASIDE).where(ASIDE.c.id.in_(ids)).values(noticed_at=now))
    return rows


_NEWS = (
    select(*turns.COLUMNS, NOTICE.c.state, NOTICE.c.next_try_at)
    .where(NOTICE.c.id.in_(bindparam("ids")))
    .order_by(NOTICE.c.id)
    .with_for_update()
)


async def news(connection: AsyncConnection, attempts: Mapping[str, int]) -> dict[str, AnyRow]:
    """Those of these notices (id: the attempt that is told of) of which nothing newer is known, locked, by id.

    A result is none when it has been written already (the connection was cut at that commit), and when the lease
    ran out and another replica has taken the notice since: then that one's result counts.
    """
    return {
        row.id: row
        for row in (await connection.execute(_NEWS, {"ids": list(attempts)})).all()
        if row.state == NoticeState.ACKNOWLEDGED.value
        or (row.next_try_at is not None and row.attempts <= attempts[row.id])
    }


_SAVE_OUTCOME = (
    update(NOTICE)
    .where(NOTICE.c.id == bindparam("b_id"), NOTICE.c.state != NoticeState.ACKNOWLEDGED.value)
    .values({name: bindparam(f"n_{name}") for name in ("state", "attempts", "note", "next_try_at")})
)


async def save_outcomes(connection: AsyncConnection, outcomes: Sequence[dict[str, Any]]) -> None:
    """Writes what channels said of notices (`b_id`, `n_state` …); one that a person has acknowledged stays so."""
    if outcomes:
        await connection.execute(_SAVE_OUTCOME, outcomes)


async def of_channel(connection: AsyncConnection, channel: str, ids: Sequence[str]) -> Sequence[AnyRow]:
    """Those of these notices that went by the channel, locked, in the order of their ids."""
    mine = select(*turns.COLUMNS, NOTICE.c.state).where(NOTICE.c.id.in_(ids), NOTICE.c.channel == channel)
    return (await connection.execute(mine.order_by(NOTICE.c.id).with_for_update())).all()


async def save_provider_ids(
    connection: AsyncConnection, known_as: Sequence[tuple[str, str, str]], now: datetime
) -> None:
    """Keeps under which number (channel, number, notice) the next hop knows a notice; the first one holds."""
    for channel, number, notice in known_as:
        key = PROVIDER.c.channel == channel, PROVIDER.c.provider_id == number[:PROVIDER_ID_CHARS]
        if (await connection.execute(select(PROVIDER.c.notice_id).where(*key))).first() is None:
            values = (channel, number[:PROVIDER_ID_CHARS], notice, now)
            await connection.execute(insert(PROVIDER).values(values))


async def forget_provider_ids(connection: AsyncConnection, now: datetime) -> int:
    """Removes the numbers that were kept long enough. Returns how many."""
    gone = delete(PROVIDER).where(PROVIDER.c.recorded_at < now - PROVIDER_IDS_KEPT)
    return int((await connection.execute(gone)).rowcount)


async def by_provider_ids(
    connection: AsyncConnection, channel: str, numbers: Sequence[str]
) -> dict[str, str]:
    """The notices that the next hop of a channel knows under these numbers, by number."""
    mine = PROVIDER.c.channel == channel, PROVIDER.c.provider_id.in_(numbers)
    rows = await connection.execute(select(PROVIDER.c.provider_id, PROVIDER.c.notice_id).where(*mine))
    return {row.provider_id: row.notice_id for row in rows}
