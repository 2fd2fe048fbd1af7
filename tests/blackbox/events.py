"""CloudEvents as a foreign publisher writes them, and a publisher that sends them.

The incident id is computed here from the contract's formula alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote

from . import jetstream
from .moments import Json
from .natsclient import Nats, NatsError

Mode = Literal["structured", "binary"]

INCIDENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:incident")
TYPES = {
    "occurred": ("incident", "reporter.incident.occurred"),
    "amended": ("incident", "reporter.incident.amended"),
    "withdrawn": ("incident", "reporter.incident.withdrawn"),
    "closed": ("incident", "reporter.incident.closed"),
    "reopened": ("incident", "reporter.incident.reopened"),
    "filed": ("report", "reporter.report.filed"),
    "acknowledged": ("ack", "reporter.notice.acknowledged"),
}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def incident_id(source: str, event_id: str) -> str:
    """The id the incident of this occurred event must have, by the contract's formula."""
    return str(uuid.uuid5(INCIDENT_NAMESPACE, f"{source}\n{event_id}"))


@dataclass(frozen=True, slots=True)
class Event:
    """One command as a CloudEvent. `what` is a key of TYPES."""

    what: str
    unit: str
    data: Mapping[str, object]
    source: str
    id: str
    extensions: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"reporter.in.{TYPES[self.what][0]}.{self.unit}"

    @property
    def incident(self) -> str:
        """The incident this event opens (when it is an occurred event)."""
        return incident_id(self.source, self.id)

    def attributes(self) -> dict[str, str]:
        plain = {"specversion": "1.0", "id": self.id, "source": self.source, "type": TYPES[self.what][1]}
        return plain | dict(self.extensions)

    def structured(self) -> tuple[dict[str, str], bytes]:
        """Headers and body of structured mode."""
        envelope: dict[str, object] = {**self.attributes(), "data": self.data}
        envelope["datacontenttype"] = "application/json"
        return dict(STRUCTURED), json.dumps(envelope, ensure_ascii=False).encode()

    def binary(self) -> tuple[dict[str, str], bytes]:
        """Headers and body of binary mode: values outside printable ASCII percent-encoded."""
        encoded = {
            f"ce-{name}": quote(value, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
            for name, value in self.attributes().items()
        }
        return encoded | {"Content-Type": "application/json"}, json.dumps(
            self.data, ensure_ascii=False
        ).encode()

    def encode(self, mode: Mode) -> tuple[dict[str, str], bytes]:
        return self.structured() if mode == "structured" else self.binary()

    def but(self, **changes: object) -> Event:
        """The same event with some data fields changed (None takes a field away)."""
        data = {name: value for name, value in {**self.data, **changes}.items() if value is not None}
        return replace(self, data=data)


@dataclass(slots=True)
class Publisher:
    """A program outside: one source, one connection, one unit."""

    nats: Nats
    unit: str
    source: str = ""

    def __post_init__(self) -> None:
        self.source = self.source or f"urn:outsider:{uuid.uuid4().hex[:12]}"

    def event(self, what: str, data: Mapping[str, object], *, unit: str = "", event_id: str = "") -> Event:
        return Event(what, unit or self.unit, data, self.source, event_id or uuid.uuid4().hex)

    def occurred(self, *, unit: str = "", event_id: str = "", **data: object) -> Event:
        """An occurred event, not yet sent, with a title nobody else uses."""
        known: dict[str, object] = {"title": f"黑盒 {uuid.uuid4().hex[:8]}", "category": "accident"}
        facts = {name: value for name, value in {**known, **data}.items() if value is not None}
        return self.event("occurred", facts, unit=unit, event_id=event_id)

    def send(self, event: Event, mode: Mode = "structured", headers: Mapping[str, str] | None = None) -> int:
        """Publishes with JetStream's acknowledgement; returns the stream sequence."""
        own, body = event.encode(mode)
        return jetstream.publish(self.nats, event.subject, body, {**own, **(headers or {})})

    def outcome(
        self,
        event: Event,
        mode: Mode = "structured",
        headers: Mapping[str, str] | None = None,
        within: float = 8.0,
    ) -> Json:
        """Publishes with `Reporter-Reply` and returns the outcome that comes back."""
        reply = self.nats.inbox()
        answers = self.nats.subscribe(reply)
        try:
            self.send(event, mode, {**(headers or {}), "Reporter-Reply": reply})
            return answers.next(within).json
        except NatsError as silence:
            raise AssertionError(f"no outcome for {event.what} {event.data}: {silence}") from silence
        finally:
            answers.close()

    def open(self, *, unit: str = "", event_id: str = "", **data: object) -> str:
        """Publishes an occurred event, waits until it is accepted, and returns the incident's id."""
        event = self.occurred(unit=unit, event_id=event_id, **data)
        answer = self.outcome(event)
        assert answer["outcome"] == "accepted", answer
        assert answer["incident"] == event.incident, answer
        return event.incident

    def tell(self, what: str, incident: str, *, unit: str = "", **data: object) -> Json:
        """One command for an incident; returns its outcome."""
        return self.outcome(self.event(what, {"incident": incident, **data}, unit=unit))
