"""An auditor's own check of a ledger: RFC 8785, SHA-256 and section 5 of the contract, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import rfc8785

from .moments import Json, instant
from .natsclient import Message

LINE_KEYS = {"incident", "version", "kind", "at", "recorded_at", "actor", "body", "prev", "hash"}
FIRST_PREV = "0" * 64
KINDS = {
    "opened", "amended", "reminded", "breached", "breach_lifted", "escalated", "notified", "acknowledged",
    "reported", "judged", "explained", "found", "withdrawn", "reopened", "closed",
}  # fmt: skip


def line_hash(line: Mapping[str, Json]) -> str:
    """SHA-256, hex, of the canonical JSON of the line without its `hash`."""
    return hashlib.sha256(rfc8785.dumps({k: v for k, v in line.items() if k != "hash"})).hexdigest()


def check_chain(lines: Sequence[Mapping[str, Json]], incident: str) -> None:
    """Asserts versions 1..n, the chain of `prev`, every hash, and readable instants."""
    assert lines, f"no ledger for {incident}"
    prev = FIRST_PREV
    for version, line in enumerate(lines, start=1):
        where = f"{incident}/{line.get('version')}"
        assert set(line) >= LINE_KEYS, f"{where}: keys {sorted(line)}"
        assert line["incident"] == incident, where
        assert line["version"] == version, f"{where}: expected version {version}"
        assert line["kind"] in KINDS, f"{where}: kind {line['kind']}"
        assert line["prev"] == prev, f"{where}: prev does not name the line before"
        assert line["hash"] == line_hash(line), f"{where}: hash does not match"
        instant(line["at"]), instant(line["recorded_at"])
        prev = line["hash"]
    assert lines[0]["kind"] == "opened", f"{incident}: begins with {lines[0]['kind']}"


def of_kind(lines: Sequence[Mapping[str, Json]], kind: str, obligation: str = "") -> list[Mapping[str, Json]]:
    """The lines of one kind, and of one obligation when named."""
    return [
        x
        for x in lines
        if x["kind"] == kind and (not obligation or x["body"].get("obligation") == obligation)
    ]


def standing_breaches(lines: Sequence[Mapping[str, Json]], obligation: str) -> list[Mapping[str, Json]]:
    """Breaches of one clock not lifted since. Asserts that none was ever recorded upon a standing one."""
    standing: list[Mapping[str, Json]] = []
    for line in lines:
        if line["body"].get("obligation") != obligation:
            continue
        if line["kind"] == "breached":
            assert not standing, f"a second breach of {obligation} while one stands: {line}"
            standing.append(line)
        elif line["kind"] == "breach_lifted":
            standing.clear()
    return standing


def published(messages: Sequence[Message]) -> dict[str, list[Json]]:
    """Ledger lines from REPORTER_OUT by incident, each once, and asserts what the contract says of them.

    Structured CloudEvents, `Nats-Msg-Id` = incident/version, repetitions identical, and for each
    incident the first appearance of its versions in order without gaps.
    """
    seen: dict[str, Json] = {}
    lines: dict[str, list[Json]] = {}
    for message in messages:
        kind = message.subject.split(".")[2]
        if kind not in KINDS:
            continue
        assert message.headers["Content-Type"].startswith("application/cloudevents+json"), message.header
        event: Json = message.json
        assert event["specversion"] == "1.0" and event["id"] and event["source"] and event["type"], event
        line, name = event["data"], message.headers["Nats-Msg-Id"]
        assert name == f"{line['incident']}/{line['version']}", f"{name} names another line"
        assert line["kind"] == kind, f"{message.subject} carries {line['kind']}"
        if name in seen:
            assert seen[name] == line, f"{name} was published with two contents"
            continue
        seen[name] = line
        of_incident = lines.setdefault(line["incident"], [])
        assert line["version"] == len(of_incident) + 1, f"{name} out of order after {len(of_incident)}"
        of_incident.append(line)
    return lines
