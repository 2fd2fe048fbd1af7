"""Messages that belong to no incident (rejected, held): kept, announced, and a person told of them in measure."""

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.command import Message, Problem, notice_ids
from reporter.core.instants import rfc3339
from reporter.core.roster import PART, Directory, Recipient
from reporter.core.terms import Mode, NoticeReason, NoticeState
from reporter.engine.signals import Units
from reporter.store import inbox, notices
from reporter.store.incidents import NOTICE, OUTBOX

ROLE = ("unit.duty_officer",)


class Apart:
    """Rejections and held messages: what to keep, to publish and to say, and to whom (the root's duty officer)."""

    def __init__(self, units: Units) -> None:
        self._units = units

    async def reject(
        self,
        connection: AsyncConnection,
        directory: Directory,
        rejected: Sequence[tuple[Message, Sequence[Problem]]],
        now: datetime,
    ) -> None:
        """Keeps each message once, queues its announcement, and counts it towards a notice."""
        kept = []
        for message, errors in rejected:
            id_ = await inbox.reject(connection, message, errors, now)
            if id_ is not None:
                kept.append((id_, message, errors))
        await self.announce(connection, directory, kept, now)

    async def announce(
        self,
        connection: AsyncConnection,
        directory: Directory,
        kept: Sequence[tuple[int, Message, Sequence[Problem]]],
        now: datetime,
    ) -> None:
        """Queues the announcements of rejected messages that are kept, and counts them towards a notice."""
        if not kept:
            return
        root = (await self._units.tree(connection)).root
        for id_, message, errors in kept:
            facts = inbox.announcement(message, errors, sha256(message.body).hexdigest())
            await connection.execute(
                insert(OUTBOX).values(
                    subject=f"reporter.out.rejected.{root}",
                    message_id=f"rejected/{id_}",
                    payload=json.dumps({"at": rfc3339(message.received_at), **facts}, ensure_ascii=False),
                )
            )
            count = await notices.count_rejection(connection, message.subject, now)
            if count:
                note = f"{message.subject} ×{count}: {errors[0].message if errors else ''}"
                await self._notice(connection, directory, root, NoticeReason.REJECTED, note, now)

    async def sweep(self, connection: AsyncConnection, directory: Directory, now: datetime) -> None:
        """Writes the notices that have become due."""
        root = (await self._units.tree(connection)).root
        for subject, count in await notices.overdue_rejections(connection, now):
            await self._notice(connection, directory, root, NoticeReason.REJECTED, f"{subject} ×{count}", now)
        held = await notices.overdue_held(connection, now)
        if held:
            subjects = ", ".join(dict.fromkeys(row.subject for row in held))
            note = f"{subjects[:500]} ×{len(held)}"
            await self._notice(connection, directory, root, NoticeReason.HELD, note, now)

    async def _notice(
        self,
        connection: AsyncConnection,
        directory: Directory,
        root: str,
        reason: NoticeReason,
        note: str,
        now: datetime,
    ) -> None:
        told = directory.recipients(root, ROLE)
        await connection.execute(insert(NOTICE), standalone_notices(reason, root, told, note, now))


def standalone_notices(
    reason: NoticeReason, unit: str, recipients: Sequence[Recipient], note: str, now: datetime
) -> list[dict[str, object]]:
    """The rows of notices that belong to no incident: one for each recipient, with what there is to say."""
    digest = sha256(f"{reason}/{unit}/{note}".encode()).hexdigest()
    ids = notice_ids(now, digest, len(recipients))
    return [
        {
            "id": id_,
            "unit": unit,
            "mode": Mode.ACTUAL.value,
            "repeat": 1,
            "reason": reason.value,
            "to_role": recipient.to,
            "person": recipient.person,
            "phone": recipient.phone,
            "channel": recipient.channel,
            "address": recipient.address,
            "state": NoticeState.QUEUED.value,
            "recorded_at": now,
            "attempts": 0,
            "note": note if recipient.note is None else f"{recipient.note}{PART}{note}",
            "next_try_at": now,
        }
        for id_, recipient in zip(ids, recipients, strict=True)
    ]
