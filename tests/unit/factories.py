"""Values that tests of the decisions begin with: instants, commands, entries, an incident without a database.

Everything counts from `OCCURRED`, 14:00 in Zaozhuang: `at(20)` is the instant at which `initial` is due.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Self  # Any: documents of JSON

from reporter.catalog import load
from reporter.core import decide
from reporter.core.canonical import canonical
from reporter.core.clock import Clock
from reporter.core.command import Command, Message, report_id
from reporter.core.incident import ClockView, Entry, View, derive
from reporter.core.instants import rfc3339
from reporter.core.notice import Taken
from reporter.core.roster import Directory, Duty, UnitNode, UnitTree
from reporter.core.schedule import Edition
from reporter.core.terms import CommandKind, FactKind, IncidentState, Mode
from reporter.core.tracked import Notice, Tracked
from reporter.core.turns import Rank
from reporter.resources import schedules_dir

OCCURRED = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
ONE_US = timedelta(microseconds=1)
CATALOG = load([schedules_dir()])
EDITION: Edition = CATALOG.default.editions[-1]
ELEMENTS = ("cause", "background", "development", "response", "consequence", "impact", "opinion")
SOURCE = "urn:publisher"
KINDS = {
    "occurred": CommandKind.OCCURRED,
    "amended": CommandKind.AMENDED,
    "withdrawn": CommandKind.WITHDRAWN,
    "closed": CommandKind.CLOSED,
    "reopened": CommandKind.REOPENED,
    "filed": CommandKind.FILED,
    "acknowledged": CommandKind.ACKNOWLEDGED,
}

TREE = UnitTree(
    [
        UnitNode("city", "市", None, "0632-1", "", True),
        UnitNode("county", "县", "city", "0632-2", "", True),
        UnitNode("east", "东街道", "county", "0632-3", "", True),
        UnitNode("quiet", "无人镇", "county", "", "", True),
        UnitNode("west", "西街道", "city", "0632-4", "", True),
    ]
)
ON_DUTY = {
    (unit, role): [Duty(unit, role, f"{unit} {role}", "138", ())]
    for unit in ("city", "county", "east")
    for role in ("duty_officer", "leader")
}
DIRECTORY = Directory(TREE, ON_DUTY)


def at(minutes: float = 0, *, seconds: float = 0, us: int = 0) -> datetime:
    """So long after the occurrence."""
    return OCCURRED + timedelta(minutes=minutes, seconds=seconds, microseconds=us)


def text(minutes: float = 0, *, seconds: float = 0, us: int = 0) -> str:
    """As `at`, as it is written in a message."""
    return rfc3339(at(minutes, seconds=seconds, us=us))


def between(earliest: float, latest: float) -> dict[str, str]:
    """An uncertain occurrence, in minutes after `OCCURRED`."""
    return {"earliest": text(earliest), "latest": text(latest)}


def facts(**changes: Any) -> dict[str, Any]:
    """The data of an occurred event; `occurred=None` leaves it out."""
    data = {"title": "化工园区爆燃", "occurred": text(0)} | changes
    return {name: value for name, value in data.items() if value is not None}


def elements(*names: str) -> dict[str, str]:
    """These elements of a report, filled in."""
    return dict.fromkeys(names, "已核实")


def an_incident(received: float = 1, *, id_: str = "e1", anomalies: Sequence[str] = (), **data: Any) -> Entry:
    """The entry of an occurred event, received so many minutes after the occurrence."""
    return Entry(KINDS["occurred"], SOURCE, id_, at(received), facts(**data), tuple(anomalies))


def an_entry(kind: str, received: float, *, id_: str = "", **data: Any) -> Entry:
    """The entry of any other command."""
    return Entry(KINDS[kind], SOURCE, id_ or f"{kind} {received}", at(received), {"reason": "核实"} | data)


def a_report(
    received: float,
    *covers: str,
    form: str = "written",
    us: int = 0,
    id_: str = "",
    foreign: bool = False,
    **data: Any,
) -> Entry:
    """The entry of a filed report; without `covers` it names no obligation."""
    id_ = id_ or f"r {received} {us} {'+'.join(covers)} {form}"
    said = {"form": form} | ({"covers": list(covers)} if covers else {}) | data
    anomalies = ("foreign_unit",) if foreign else ()
    return Entry(KINDS["filed"], SOURCE, id_, at(received, us=us), said, anomalies, report_id(SOURCE, id_))


def a_command(
    kind: str,
    data: Mapping[str, Any],
    received_at: datetime,
    *,
    id_: str,
    unit: str = "east",
    source: str = SOURCE,
    sequence: int | None = None,
) -> Command:
    """A command as a door hands it to the gate; with `sequence` it came over the bus."""
    body = canonical([unit, kind, data])
    message = None
    if sequence is not None:
        message = Message(f"reporter.in.x.{unit}", b"", body, sequence, received_at)
    digest = sha256(body).hexdigest()
    return Command(KINDS[kind], source, id_, received_at, unit, data, digest, f"nats:{unit}", message=message)


def a_taken_notice(id_: str, address: str = "http://a.example/", rank: Rank = Rank.PLAIN) -> Taken:
    """A notice on lease, of no incident."""
    return Taken(
        id=id_,
        incident_id=None,
        unit="city",
        mode="actual",
        obligation=None,
        step=None,
        repeat=1,
        reason="rejected",
        to_role="unit.duty_officer",
        person="王",
        phone=None,
        channel="webhook",
        address=address,
        due_at=None,
        recorded_at=at(),
        attempts=1,
        note=None,
        rank=rank,
    )


def view_of(opened: Entry, *others: Entry, edition: Edition = EDITION) -> View:
    """The incident that these commands make."""
    return derive(edition, opened, others)


def clock(view: View, obligation: str = "initial") -> ClockView:
    return next(each for each in view.clocks if each.obligation.id == obligation)


def dues(view: View) -> list[float]:
    """Minutes after the occurrence."""
    return [(each.due_at - at(0)).total_seconds() / 60 for each in view.clocks]


def met(view: View) -> list[float | None]:
    arrivals = [each.met_at for each in view.clocks]
    return [None if each is None else (each - at(0)).total_seconds() / 60 for each in arrivals]


@dataclass
class Story:
    """One incident decided step by step, by the product's own functions and without a database."""

    opened: Entry
    unit: str = "east"
    edition: Edition = EDITION
    entries: list[Entry] = field(default_factory=list)
    tracked: Tracked = field(init=False)
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self.tracked = Tracked("incident", self.unit, Mode.ACTUAL, IncidentState.OPEN, self.edition)
        self.entries = [self.opened]
        heading = {"unit": self.unit}
        self.view = decide.open_incident(
            self.tracked, self.opened, heading, self.opened.received_at, "nats:east"
        )

    def tell(
        self, entry: Entry, now: float | None = None, *, acks: Sequence[tuple[str, timedelta]] = ()
    ) -> Self:
        """One more command, processed when it is received or at `now` minutes."""
        self.entries.append(entry)
        when = entry.received_at if now is None else at(now)
        self.view = decide.apply(
            self.tracked, self.entries, entry, {"unit": self.unit}, when, "nats:east", DIRECTORY, acks
        )
        return self

    def tick(self, minutes: float, *, us: int = 0, judged: float | None = None) -> Self:
        """Time comes to be so many minutes past the occurrence; judging goes as far, or to `judged`."""
        now = at(minutes, us=us)
        decide.tick(self.tracked, now, now if judged is None else at(judged), DIRECTORY)
        return self

    def tick_through(self, minutes: float) -> Self:
        """As the doorbell does: a tick at every instant at which a clock wants to be looked at."""
        while True:
            looks = [x for c in self.tracked.clocks for x in (c.remind_at, c.judge_at) if x is not None]
            if not looks or min(looks) > at(minutes):
                return self
            before = looks
            decide.tick(self.tracked, min(looks), min(looks), DIRECTORY)
            after = [x for c in self.tracked.clocks for x in (c.remind_at, c.judge_at) if x is not None]
            assert after != before, "a look changed nothing"

    def clock(self, obligation: str = "initial") -> Clock:
        return next(clock for clock in self.tracked.clocks if clock.obligation.id == obligation)

    def lines(self, *kinds: FactKind, obligation: str | None = None) -> list[dict[str, Any]]:
        """The ledger so far, as JSON, of these kinds (none: all)."""
        lines = [json.loads(line.text) for line in self.tracked.lines if not kinds or line.kind in kinds]
        return [x for x in lines if obligation is None or x["body"].get("obligation") == obligation]

    def notices(self, obligation: str | None = None) -> list[Notice]:
        return [x for x in self.tracked.notices if obligation is None or x.obligation == obligation]

    def told(self, obligation: str = "initial") -> list[tuple[str, str, int, str]]:
        """Each notice as (reason, step, repeat, role)."""
        return [(x.reason.value, x.step or "", x.repeat, x.recipient.to) for x in self.notices(obligation)]

    def fired(self, obligation: str = "initial") -> list[tuple[str, str, int]]:
        """Each firing as (reason, step, repeat), in order."""
        return list(
            dict.fromkeys((reason, step, repeat) for reason, step, repeat, _ in self.told(obligation))
        )


def breaches(story: Story, obligation: str = "initial") -> list[tuple[str, str]]:
    """Each breach and each lifting as (kind, due time)."""
    lines = story.lines(FactKind.BREACHED, FactKind.BREACH_LIFTED, obligation=obligation)
    return [(line["kind"], line["body"]["due_at"]) for line in lines]
