"""An incident as it opens: whose it is, by which schedule, and what its first line says."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from reporter.catalog import Catalog
from reporter.core import reading
from reporter.core.command import Command, Problem, incident_id
from reporter.core.decide import open_incident
from reporter.core.incident import Entry
from reporter.core.roster import UnitTree
from reporter.core.terms import Anomaly, IncidentState, Mode, field_invalid
from reporter.core.tracked import Tracked
from reporter.store.incidents import Work
from reporter.store.rows import incident_columns


def opened(
    command: Command, tree: UnitTree, catalog: Catalog, codes: Mapping[str, tuple[str, str]], now: datetime
) -> Work | Sequence[Problem]:
    """The incident that a command opens; or why it cannot.

    `codes`: by id the local day of the incident and its code.
    """
    facts, problems = command.said or reading.incident_facts(command.data)
    if "title" not in facts:
        wrong = [problem for problem in problems if problem.path == "title"]
        return wrong or [Problem("title", "事件名称必填 / a title is required")]
    anomalies = list(command.anomalies)
    if not isinstance(command.data.get("unit"), str | None):
        anomalies.append(field_invalid("unit"))
    unit = tree.resolve(command.unit)
    if unit is not None and not tree.node(unit).is_active:
        unit = None
    if command.message is None and (problem := _unfit(command, unit, catalog)):
        return [problem]
    if unit is None:
        unit = tree.root
        anomalies.append(Anomaly.UNIT_UNKNOWN)
    schedule = catalog.default
    if (named := command.data.get("schedule")) is not None:
        known = catalog.get(named) if isinstance(named, str) else None
        if known is None:
            anomalies.append(Anomaly.SCHEDULE_UNKNOWN)
        else:
            schedule = known
    occurred = facts.get("occurred")
    at = occurred.earliest if isinstance(occurred, reading.Occurrence) else command.received_at
    edition, is_in_force = schedule.edition_in_force(at)
    if not is_in_force:
        anomalies.append(Anomaly.NO_EDITION_IN_FORCE)
    id_ = incident_id(command.source, command.id)
    day, code = codes[id_]
    entry = Entry.of(command, anomalies, (facts, problems))
    tracked = Tracked(id_, unit, Mode.ACTUAL, IncidentState.OPEN, edition)
    heading = {
        "unit": unit,
        "from": command.unit,
        "code": code,
        "schedule": edition.schedule_id,
        "edition": edition.id,
        "edition_digest": edition.digest,
    }
    view = open_incident(tracked, entry, heading, now, command.actor)
    work = Work(tracked, command.unit, None, [entry], is_new=True, anomalies=view.anomalies)
    work.row = incident_columns(view, edition.zone) | {
        "code": code,
        "code_day": day,
        "unit": unit,
        "opened_from": command.unit,
        "received_at": command.received_at,
        "recorded_at": now,
        "schedule": edition.schedule_id,
        "edition": edition.id,
        "edition_digest": edition.digest,
    }
    return work


def _unfit(command: Command, unit: str | None, catalog: Catalog) -> Problem | None:
    """What only the strict door refuses: a unit or a schedule that nobody knows."""
    if unit is None:
        return Problem("unit", f"没有该单位 / no unit has the code {command.unit[:64]}")
    named = command.data.get("schedule")
    if isinstance(named, str) and catalog.get(named) is None:
        return Problem("schedule", f"没有该时限表 / unknown; valid: {', '.join(catalog.schedules)}")
    return None
