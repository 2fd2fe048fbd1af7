"""Identities that took effect, and messages set aside: held ones wait for an incident, rejected ones for a person."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # rows have no narrower type

from sqlalchemy import bindparam, exists, insert, literal, null, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.command import Command, Message, Problem
from reporter.core.instants import read_back, rfc3339
from reporter.core.terms import CommandKind
from reporter.store import models as m
from reporter.store.bulk import Writing
from reporter.store.types import document
from reporter.timesource import micros

INBOX = m.table(m.Inbox)
ASIDE = m.table(m.SetAside)
INCIDENT_ID = m.table(m.Incident).c.id
Taken = tuple[Command, str, Sequence[str]]
"""A command, the incident on which it took effect, and what was odd."""
KEYS_MAX = 10_000
"""Keys in one question, which names each twice: SQLite may take no more than 32 766 values in a statement."""
_SEEN = union_all(
    select(
        *(INBOX.c[name] for name in ("key", "digest", "incident_id", "anomalies", "received_at")), literal(0)
    ).where(INBOX.c.key.in_(bindparam("keys"))),
    select(ASIDE.c.key, ASIDE.c.digest, ASIDE.c.target, null(), null(), literal(1)).where(
        ASIDE.c.key.in_(bindparam("keys")), ASIDE.c.state == "held"
    ),
)
_HELD = select(ASIDE).where(ASIDE.c.target.in_(bindparam("targets")), ASIDE.c.state == "held")


@dataclass(frozen=True, slots=True)
class Seen:
    """What an identity already stands for, and when it arrived (None: in this batch, or held).

    `is_held`: it waits for its incident.
    """

    digest: str
    incident: str
    anomalies: tuple[str, ...]
    is_held: bool = False
    received_at: datetime | None = None


async def has_taken(connection: AsyncConnection, key: bytes) -> bool:
    """Whether the identity whose key this is has taken effect already."""
    return (await connection.execute(select(INBOX.c.digest).where(INBOX.c.key == key))).first() is not None


async def load_seen(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, Seen]:
    """Those of `keys` that took effect or, else, are held."""
    seen: dict[bytes, Seen] = {}
    if not keys:
        return seen
    held: dict[bytes, Seen] = {}
    for start in range(0, len(keys), KEYS_MAX):
        asked = {"keys": keys[start : start + KEYS_MAX]}
        for key, digest, incident, anomalies, received_at, is_held in await connection.execute(_SEEN, asked):
            known = held if is_held else seen
            known[key] = Seen(digest, incident, tuple(anomalies or ()), bool(is_held), received_at)
    return held | seen


def write_seen(writing: Writing, taken: Iterable[Taken]) -> None:
    """Notes for ever that these commands took effect on these incidents, with these anomalies."""
    rows = [
        (
            command.key,
            command.digest,
            incident,
            micros(command.received_at),
            document(list(anomalies) or None),
        )
        for command, incident, anomalies in taken
    ]
    writing.insert(INBOX, ("key", "digest", "incident_id", "received_at", "anomalies"), rows)


async def advance_seen(connection: AsyncConnection, earlier: Iterable[Command]) -> None:
    """Notes that these commands, known from later copies, arrived when these copies did."""
    for command in earlier:
        mine = update(INBOX).where(INBOX.c.key == command.key)
        await connection.execute(mine.values(received_at=command.received_at))


async def hold(
    connection: AsyncConnection, held: Sequence[tuple[Command, str]], now: datetime, reason: str
) -> None:
    """Keeps commands until the incidents that they name open."""
    await connection.execute(
        insert(ASIDE),
        [
            {
                **_message_columns(command.message, command),
                "state": "held",
                "recorded_at": now,
                "errors": [{"path": "incident", "message": reason}],
                "key": command.key,
                "digest": command.digest,
                "target": target,
                "command": _document(command),
            }
            for command, target in held
        ],
    )


async def load_held(connection: AsyncConnection, targets: Sequence[str]) -> list[tuple[int, Command]]:
    """The held commands that wait for any of these incidents, in order of arrival."""
    rows = (await connection.execute(_HELD, {"targets": targets})).all()
    return sorted(((row.id, _command(row)) for row in rows), key=lambda item: item[1].order)


APPLICABLE = select(ASIDE).where(ASIDE.c.state == "held", exists().where(ASIDE.c.target == INCIDENT_ID))


async def applicable_ids(connection: AsyncConnection, limit: int) -> list[int]:
    """Which held messages `load_applicable` would find."""
    rows = await connection.execute(APPLICABLE.with_only_columns(ASIDE.c.id).limit(limit))
    return list(rows.scalars())


async def load_applicable(
    connection: AsyncConnection, limit: int, only: int | None = None
) -> list[tuple[int, Command]]:
    """Held commands whose incident is there all the same: it opened, elsewhere, while they were being held.

    Those that another replica is applying at this moment are left to it. With `only`: that one, if it is among them.
    """
    wanted = APPLICABLE if only is None else APPLICABLE.where(ASIDE.c.id == only)
    rows = (await connection.execute(wanted.limit(limit).with_for_update(of=ASIDE, skip_locked=True))).all()
    return sorted(((row.id, _command(row)) for row in rows), key=lambda item: item[1].order)


async def release(connection: AsyncConnection, id_: int, state: str, errors: Sequence[Problem] = ()) -> None:
    """Says what became of a message that had been set aside: `accepted`, `duplicate` or, still, `rejected`."""
    changes: dict[str, Any] = {"state": state}
    if errors:
        changes["errors"] = problem_documents(errors)
    await connection.execute(update(ASIDE).where(ASIDE.c.id == id_).values(**changes))


async def retarget(connection: AsyncConnection, id_: int, target: str) -> None:
    """Lets a held message wait for another incident than it has so far."""
    await connection.execute(update(ASIDE).where(ASIDE.c.id == id_).values(target=target))


async def reject(
    connection: AsyncConnection, message: Message, errors: Sequence[Problem], now: datetime
) -> int | None:
    """Keeps a message that could not be understood, byte for byte. None if it is kept already (a redelivery)."""
    kept = select(ASIDE.c.id).where(
        ASIDE.c.stream_seq == message.stream_seq,
        ASIDE.c.received_at == message.received_at,
        ASIDE.c.subject == message.subject,
    )
    if (await connection.execute(kept.limit(1))).first() is not None:
        return None
    row = {
        **_message_columns(message, None),
        "state": "rejected",
        "recorded_at": now,
        "errors": problem_documents(errors),
    }
    inserted = await connection.execute(insert(ASIDE).values(**row).returning(ASIDE.c.id))
    return int(inserted.scalar_one())


def problem_documents(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as they are stored and answered."""
    return [
        {"path": _encodable(problem.path), "message": _encodable(problem.message)} for problem in problems
    ]


def _encodable(text: str) -> str:
    """The text with what UTF-8 cannot hold (bytes of a header that were none) as question marks."""
    return text.encode("utf-8", "replace").decode()


def _message_columns(message: Message | None, command: Command | None) -> dict[str, Any]:
    if message is None and command is not None:
        message = Message(command.source, b"", b"", 0, command.received_at)
    if message is None:
        raise ValueError("neither a message nor a command to keep")
    return {
        "subject": message.subject,
        "headers": message.headers,
        "body": message.body,
        "stream_seq": message.stream_seq,
        "received_at": message.received_at,
    }


def _document(command: Command) -> dict[str, Any]:
    return {
        "kind": command.kind,
        "source": command.source,
        "id": command.id,
        "received_at": rfc3339(command.received_at),
        "unit": command.unit,
        "data": dict(command.data),
        "actor": command.actor,
        "anomalies": list(command.anomalies),
    }


def _command(row: Any) -> Command:
    kept = row.command
    return Command(
        kind=CommandKind(kept["kind"]),
        source=kept["source"],
        id=kept["id"],
        received_at=read_back(kept["received_at"]),
        unit=kept["unit"],
        data=kept["data"],
        digest=row.digest,
        actor=kept["actor"],
        anomalies=tuple(kept["anomalies"]),
        message=Message(row.subject, row.headers, row.body, row.stream_seq or 0, row.received_at),
    )


def announcement(message: Message, errors: Sequence[Problem], sha256: str) -> dict[str, Any]:
    """What `reporter.out.rejected.<unit>` says of a rejected message: its facts and its first 4 KiB."""
    return {
        "subject": message.subject,
        "stream_seq": message.stream_seq,
        "received_at": rfc3339(message.received_at),
        "reasons": problem_documents(errors),
        "size": len(message.body),
        "sha256": sha256,
        "head_base64": base64.b64encode(message.body[:4096]).decode(),
        "headers_base64": base64.b64encode(message.headers[:4096]).decode(),
    }
