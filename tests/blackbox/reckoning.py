"""The reckoning after faults: from what the broker stored alone, what the ledgers must hold, and what they do hold.

Lost, doubled, unjust: each is a list of sentences, and each has to be empty. Written from the contract (2, 3.12, 3.13,
5) for the traffic of `traffic.py`, whose schedule has one obligation and no repetition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .desk import Desk
from .events import incident_id
from .jetstream import messages, stored_at
from .ledgercheck import check_chain, of_kind, published
from .moments import Json, instant, now, text
from .natsclient import Message, Nats
from .traffic import SPAN, STEP

OWED = {"reminded": -STEP, "breached": timedelta(0), "escalated": STEP}


@dataclass(slots=True)
class Case:
    """One incident as the broker stored it: when it occurred, when it and its first report arrived."""

    incident: str
    occurred_at: datetime
    arrivals: set[datetime]
    """When each copy of its event was stored: of replicas that share the reading, any may open it by any of them."""
    reported_at: datetime | None = None
    reports: set[datetime] = field(default_factory=set)

    @property
    def due_at(self) -> datetime:
        return self.occurred_at + SPAN

    @property
    def is_on_time(self) -> bool:
        return self.reported_at is not None and self.reported_at <= self.due_at

    def owes(self, kind: str, at: datetime, opened_at: datetime) -> bool:
        """Whether the ledger must hold that step by `at`. A step already past on arrival may be one with the newest;
        `opened_at`: the arrival of the copy that opened the incident.
        """
        step_at = self.due_at + OWED[kind]
        is_known_late = step_at <= opened_at and kind != "breached"
        return step_at < at and not is_known_late and (self.reported_at is None or step_at < self.reported_at)


@dataclass(slots=True)
class Reckoning:
    """What was found; `assert_clean` is the claim."""

    incidents: int = 0
    reports: int = 0
    lines: int = 0
    breaches: int = 0
    lifted: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unjust: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        assert self.lost == [], f"{len(self.lost)} lost: {self.lost[:5]}"
        assert self.doubled == [], f"{len(self.doubled)} doubled: {self.doubled[:5]}"
        assert self.unjust == [], f"{len(self.unjust)} unjust: {self.unjust[:5]}"

    def __str__(self) -> str:
        return (
            f"{self.incidents} incidents, {self.reports} reports, {self.lines} lines, {self.breaches} breaches "
            f"({self.lifted} lifted); lost {len(self.lost)}, doubled {len(self.doubled)}, unjust {len(self.unjust)}"
        )


def cases_of(stored: Iterable[Message]) -> dict[str, Case]:
    """Every incident in the stream; of a report that was sent again, the first copy counts."""
    cases: dict[str, Case] = {}
    reports: dict[tuple[str, str], tuple[str, datetime]] = {}
    for message in stored:
        event, at = message.json, stored_at(message)
        if event["type"] == "reporter.incident.occurred":
            id_ = incident_id(event["source"], event["id"])
            cases.setdefault(id_, Case(id_, instant(event["data"]["occurred"]), set())).arrivals.add(at)
        elif event["type"] == "reporter.report.filed":
            reports.setdefault((event["source"], event["id"]), (event["data"]["incident"], at))
    for incident, at in reports.values():
        case = cases[incident]
        case.reports.add(at)
        case.reported_at = min(at, case.reported_at or at)
    return cases


def all_documents(desk: Desk) -> dict[str, Json]:
    """Every incident as the API shows it, by id."""
    found: dict[str, Json] = {}
    query: dict[str, str | int] = {"limit": 200}
    while True:
        page = desk.get("/api/v1/incidents", query=query)
        found |= {each["id"]: each for each in page["items"]}
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


def reckon(
    nats: Nats, desk: Desk, acknowledged: Sequence[str] | set[str] = (), read_s: float = 60.0
) -> Reckoning:
    """Compares the stream, the ledgers as they were published, and the API, as things stand now.

    `read_s` bounds the reading of each stream.
    """
    result, at = Reckoning(), now() - timedelta(seconds=1)
    stored = messages(nats, "REPORTER_IN", within=read_s)
    held = {message.json["id"] for message in stored}
    result.lost += [
        f"event {id_} was acknowledged and is not in the stream" for id_ in set(acknowledged) - held
    ]
    cases = cases_of(stored)
    ledgers = published(messages(nats, "REPORTER_OUT", within=read_s))
    documents = all_documents(desk)
    result.incidents, result.reports = len(cases), sum(len(case.reports) for case in cases.values())
    result.lines = sum(map(len, ledgers.values()))
    for case in cases.values():
        document, lines = documents.get(case.incident), ledgers.get(case.incident, [])
        if document is None:
            result.lost.append(f"incident {case.incident}, stored {text(min(case.arrivals))}")
            continue
        if document["version"] != len(lines):
            result.lost.append(f"{case.incident}: {len(lines)} of {document['version']} lines are out")
            continue
        check_chain(lines, case.incident)
        _judge(case, document, lines, at, result)
    result.doubled += [f"{id_} is in no stream" for id_ in documents.keys() - cases.keys()]
    return result


def _judge(
    case: Case, document: Json, lines: Sequence[Mapping[str, Json]], at: datetime, result: Reckoning
) -> None:
    name = case.incident
    told = {instant(report["received_at"]) for report in document["reports"]}
    result.lost += [f"{name}: the report stored {text(missing)}" for missing in case.reports - told]
    if len(document["reports"]) > len(case.reports):
        result.doubled.append(f"{name}: {len(document['reports'])} reports of {len(case.reports)}")

    once = Counter(_said(line) for line in lines)
    result.doubled += [f"{name}: {said} ×{count}" for said, count in once.items() if said and count > 1]
    sent = Counter(notice["id"] for line in of_kind(lines, "notified") for notice in line["body"]["notices"])
    result.doubled += [f"{name}: notice {id_} told ×{count}" for id_, count in sent.items() if count > 1]
    steps = Counter((x["step"], x["repeat"], x["to"], x["person"], x["channel"]) for x in document["notices"])
    result.doubled += [f"{name}: notice {step} ×{count}" for step, count in steps.items() if count > 1]

    opened_at = instant(of_kind(lines, "opened")[0]["at"])
    if opened_at not in case.arrivals:
        result.unjust.append(f"{name}: opened as of {text(opened_at)}, when no copy of it was stored")
    for kind, offset in OWED.items():
        if case.owes(kind, at, opened_at) and not of_kind(lines, kind):
            result.lost.append(f"{name}: {kind}, owed at {text(case.due_at + offset)}")
    breaches, lifted = of_kind(lines, "breached"), of_kind(lines, "breach_lifted")
    result.breaches += len(breaches)
    result.lifted += len(lifted)
    result.lost += [f"{name}: breach dated {x['at']}" for x in breaches if x["at"] != text(case.due_at)]
    is_standing = len(breaches) > len(lifted)
    if len(breaches) - len(lifted) > 1:
        result.doubled.append(f"{name}: {len(breaches)} breaches, {len(lifted)} lifted")
    [clock] = document["clocks"]
    if case.is_on_time and (is_standing or clock["verdict"] != "on_time"):
        result.unjust.append(
            f"{name}: stored {text(case.reported_at or at)}, due {text(case.due_at)}: {clock['verdict']}, "
            f"met at {clock['met_at']}"
        )
    if not case.is_on_time and case.due_at < at:
        verdict = "late" if case.reported_at else None
        if not is_standing or clock["verdict"] != verdict:
            result.lost.append(
                f"{name}: verdict {clock['verdict']} and {len(breaches)} breaches, not {verdict}"
            )


def _said(line: Mapping[str, Json]) -> tuple[str, ...]:
    """What a line says that may be said only once of an incident; empty for others."""
    body = line["body"]
    match line["kind"]:
        case "opened":
            return ("opened",)
        case "reminded" | "escalated":
            return (line["kind"], body["due_at"], str(body.get("step")), str(body.get("repeat")))
        case "reported":
            return (
                "reported",
                body["id"],
                body["received_at"],
            )  # again only where an earlier copy came later
        case _:
            return ()


def caught_up_s(nats: Nats, since: datetime, healed_at: datetime, read_s: float = 60.0) -> float:
    """How long after `healed_at` the last of what fell due or arrived since `since` was recorded, in seconds."""
    ledgers = published(messages(nats, "REPORTER_OUT", within=read_s))
    recorded = [
        instant(line["recorded_at"])
        for lines in ledgers.values()
        for line in lines
        if line["kind"] in ("opened", "reported", "breached") and since <= instant(line["at"]) <= healed_at
    ]
    return max((max(recorded, default=healed_at) - healed_at).total_seconds(), 0.0)
