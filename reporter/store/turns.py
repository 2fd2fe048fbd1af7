"""Notices that wait for the channel before theirs: not needed once it has delivered, due at once if it failed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final  # columns of rows

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.roster import PART
from reporter.core.terms import NoticeState
from reporter.core.turns import SHOWN_AT_ONCE
from reporter.store import models as m
from reporter.store.types import AnyRow

NOTICE = m.table(m.Notice)
NOT_NEEDED: Final = "not_needed"
"""The last part of the note of a notice that was never sent: an earlier channel of the person's has delivered, or
the report came of which it was to remind."""
_GROUP: Final = ("number", "obligation", "step", "repeat", "reason", "due_at", "person", "phone")
"""What the notices of one person that take turns have in common."""
COLUMNS: Final = tuple(
    NOTICE.c[name] for name in ("id", "incident_id", "channel", "attempts", "note", "turn", *_GROUP)
)
_WAITING: Final = (
    select(*COLUMNS)
    .where(
        NOTICE.c.number.in_(bindparam("numbers")),
        NOTICE.c.turn > 0,
        NOTICE.c.attempts == 0,
        NOTICE.c.next_try_at.is_not(None),
        NOTICE.c.state == NoticeState.QUEUED.value,
    )
    .order_by(NOTICE.c.turn)
    .with_for_update(skip_locked=True)
)
_ENDING: Final = frozenset({NoticeState.DELIVERED, NoticeState.ACKNOWLEDGED})


async def settle(
    connection: AsyncConnection, told: Sequence[tuple[AnyRow, NoticeState]], now: datetime
) -> list[AnyRow]:
    """Lets notices that wait their turn know what came of those before them (rows with `COLUMNS`).

    After `delivered` and `acknowledged` they will not be sent: those are returned, and whoever calls writes them
    down, with `note_of` as their note. After `failed` the next one is due at once. What is being sent already goes on.
    """
    heard = [
        (row, state)
        for row, state in told
        if row.number is not None and row.channel not in SHOWN_AT_ONCE and _is_last_word(state)
    ]
    if not heard:
        return []
    found = (await connection.execute(_WAITING, {"numbers": list({row.number for row, _ in heard})})).all()
    unneeded: dict[str, AnyRow] = {}
    hastened: dict[str, AnyRow] = {}
    for row, state in heard:
        mine = [each for each in found if _group(each) == _group(row) and each.turn > row.turn]
        if state in _ENDING:
            unneeded |= {each.id: each for each in mine}
        elif mine:
            hastened[mine[0].id] = mine[0]
    if unneeded:
        gone = update(NOTICE).where(NOTICE.c.id.in_(unneeded)).values(next_try_at=None)
        await connection.execute(gone)
    if soon := hastened.keys() - unneeded.keys():
        at_once = update(NOTICE).where(NOTICE.c.id.in_(soon), NOTICE.c.next_try_at > now)
        await connection.execute(at_once.values(next_try_at=now))
    return list(unneeded.values())


async def after_acknowledgement(
    connection: AsyncConnection, acknowledged: Sequence[AnyRow], now: datetime
) -> dict[str, Any]:
    """As `settle`, and writes their notes; returns what the acknowledgement's line says of them, if anything."""
    unneeded = await settle(connection, [(row, NoticeState.ACKNOWLEDGED) for row in acknowledged], now)
    if not unneeded:
        return {}
    said = [
        {"id": row.id, "state": NoticeState.QUEUED.value, "attempts": 0, "note": note_of(row)}
        for row in unneeded
    ]
    written = update(NOTICE).where(NOTICE.c.id == bindparam("b_id")).values(note=bindparam("n_note"))
    await connection.execute(written, [{"b_id": each["id"], "n_note": each["note"]} for each in said])
    return {"not_needed": said}


def note_of(row: AnyRow) -> str:
    """The note of a notice that is not needed."""
    return not_needed(row.note)


def not_needed(note: str | None) -> str:
    """The note, with the word that the notice was never sent."""
    return PART.join(part for part in (note, NOT_NEEDED) if part)


def _is_last_word(state: NoticeState) -> bool:
    return state in _ENDING or state is NoticeState.FAILED


def _group(row: AnyRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in _GROUP)
