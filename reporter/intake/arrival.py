"""What becomes of arrived messages: read, through the gate, the rejected kept, acknowledged, answered."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reporter import metrics
from reporter.bus import Bus
from reporter.core.command import Command, Message, Outcome, OutcomeKind, Problem
from reporter.core.reading import incident_facts
from reporter.core.terms import Anomaly, CommandKind
from reporter.engine.record import Gate, failed
from reporter.intake.envelope import read, reply_subject
from reporter.intake.unreadable import Unreadable
from reporter.store.failures import is_database_trouble


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message off the stream; `raw_headers` is its header block, byte for byte."""

    subject: str
    headers: Mapping[str, str] | None
    body: bytes
    sequence: int
    received_at: datetime
    acknowledge_to: str
    raw_headers: bytes = b""

    @property
    def message(self) -> Message:
        """The message as it is kept."""
        return Message(self.subject, self.raw_headers, self.body, self.sequence, self.received_at)


@dataclass(frozen=True, slots=True)
class Read:
    """An arrival with the command that it carries, or what is wrong with it."""

    arrival: Arrival
    command: Command | None
    errors: tuple[Problem, ...] = ()
    answer_to: str | None = None


def commands_of(arrivals: Sequence[Arrival]) -> list[Read]:
    """Reads each message; a broken one never touches its neighbours."""
    return [_read(arrival) for arrival in arrivals]


def _read(arrival: Arrival) -> Read:
    answer_to, is_refused = reply_subject(arrival.headers)
    try:
        event = read(arrival.subject, arrival.headers, arrival.body)
    except Unreadable as unreadable:
        return Read(arrival, None, tuple(unreadable.errors), answer_to)
    kind = CommandKind(event.type)
    command = Command(
        kind=kind,
        source=event.source,
        id=event.id,
        received_at=arrival.received_at,
        unit=event.unit_code,
        data=event.data,
        digest=event.digest,
        actor=f"nats:{event.unit_code}",
        anomalies=(Anomaly.REPLY_REFUSED,) if is_refused else (),
        message=arrival.message,
        said=incident_facts(event.data) if kind is CommandKind.OCCURRED else None,
    )
    return Read(arrival, command, (), answer_to)


async def settle(bus: Bus, gate: Gate, items: Sequence[Read]) -> None:
    """Takes the readable ones through the gate and keeps the rejected ones; then acknowledges and answers all.

    Errors: those of the database, when something could not be committed: then nothing is acknowledged or answered.
    """
    readable = [item for item in items if item.command is not None]
    outcomes = await submit(gate, [item.command for item in readable if item.command is not None])
    answers = list(zip(readable, outcomes, strict=True))
    answers += [
        (item, Outcome(OutcomeKind.REJECTED, errors=item.errors)) for item in items if item.command is None
    ]
    rejected = [(item, outcome) for item, outcome in answers if outcome.kind is OutcomeKind.REJECTED]
    if rejected:
        await gate.reject([(item.arrival.message, outcome.errors) for item, outcome in rejected])
    for kind, count in Counter(outcome.kind for _, outcome in answers).items():
        metrics.INTAKE_MESSAGES.labels(kind).inc(count)
    for item, outcome in answers:
        await _finish(bus, item, outcome)


async def submit(gate: Gate, commands: Sequence[Command]) -> list[Outcome]:
    """As `Gate.submit`; a single command that fails for a reason of ours is answered as rejected, and so kept."""
    try:
        return await gate.submit(commands)
    except Exception as error:
        if len(commands) != 1 or is_database_trouble(error):
            raise
        return [failed()]


async def _finish(bus: Bus, item: Read, outcome: Outcome) -> None:
    await bus.client.publish(item.arrival.acknowledge_to, b"+ACK")
    if item.answer_to:
        await bus.client.publish(item.answer_to, json.dumps(answer(outcome), ensure_ascii=False).encode())


def answer(outcome: Outcome) -> dict[str, object]:
    """An outcome as it is published to `Reporter-Reply`."""
    return {
        "outcome": outcome.kind.value,
        "incident": outcome.incident,
        "anomalies": list(outcome.anomalies),
        "errors": [{"path": error.path, "message": error.message} for error in outcome.errors],
    }


def raw_header_block(stored: Mapping[str, str]) -> bytes:
    """The header block of a message as the broker's API gives it; empty where it had none."""
    return base64.b64decode(stored.get("hdrs", ""))


def parse_header_block(block: bytes) -> dict[str, str]:
    """The headers in a raw block; undecodable bytes are kept as lone surrogates, so nothing is lost on the way."""
    headers: dict[str, str] = {}
    for line in block.split(b"\r\n")[1:]:
        name, found, value = line.partition(b":")
        if found:
            headers[name.strip().decode("utf-8", "surrogateescape")] = value.strip().decode(
                "utf-8", "surrogateescape"
            )
    return headers
