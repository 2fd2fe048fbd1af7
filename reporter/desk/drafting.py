"""What a report's form begins with: the report before it, or what the log says, with what is unknown left open.

Required elements begin with what earlier reports said of them. What nobody has spoken of stays blank: that it is
still being looked into is for a person to declare.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from reporter.core.reading import is_declared
from reporter.core.schedule import Obligation
from reporter.core.terms import Form
from reporter.desk.story import casualty_words
from reporter.store.queries import IncidentRow, ReportRow

TEXT, PENDING, NONE = "text", "pending", "none"
"""How an element is declared."""


def report_values(
    incident: IncidentRow,
    reports: Sequence[ReportRow],
    obligation: Obligation,
    *,
    author: str,
    unit: str,
    language: str,
    zone: str,
) -> dict[str, str]:
    """The values of the fields of a report for that obligation."""
    written = [
        report for report in reports if isinstance(report.data.get("text"), str) and report.data["text"]
    ]
    is_first = not reports and Form.PHONE in obligation.forms
    values = {
        "form": Form.PHONE if is_first else Form.WRITTEN if Form.WRITTEN in obligation.forms else Form.PHONE,
        "author": author,
        "text": str(written[-1].data["text"]) if written else first_text(incident, unit, language, zone),
    }
    for name, (kind, text) in elements_said(reports).items():
        values[f"e_{name}"], values[f"t_{name}"] = kind, text
    return {name: str(value) for name, value in values.items()}


def elements_said(reports: Sequence[ReportRow]) -> dict[str, tuple[str, str]]:
    """What reports have said of elements, the later one's word first: how it is declared, and its text."""
    said: dict[str, tuple[str, str]] = {}
    for report in reports:
        elements = report.data.get("elements")
        for name, element in (elements if isinstance(elements, dict) else {}).items():
            if is_declared(element):
                said[name] = element_of(element)
    return said


def element_of(element: object) -> tuple[str, str]:
    """An element as a report has it: how it is declared, and its text. What is no declaration is empty."""
    if isinstance(element, str):
        return TEXT, element
    if isinstance(element, dict):
        if element.get("none") is True:
            return NONE, ""
        if isinstance(why := element.get("pending"), str):
            return PENDING, why
    return "", ""


def first_text(incident: IncidentRow, unit: str, language: str, zone: str) -> str:
    """A first report from what the log says, in the order that offices write it; unknowns are marked as such."""
    facts = incident.facts
    place = facts.get("place")
    where = place.get("text") if isinstance(place, dict) else None
    counts = facts.get("casualties")
    counted = casualty_words(counts) if isinstance(counts, dict) and counts else None
    summary = facts.get("summary")
    when = _when(incident, zone)
    if language == "zh":
        parts = [
            f"{_chinese(when) if when else '（时间正在核实）'}，{where or '（地点正在核实）'}发生{incident.title}。",
            f"目前{counted[0]}。" if counted else "伤亡情况正在核实。",
            f"{summary}" if summary else "",
            f"接报后，{unit}已（处置措施：　　　　）。",
            "原因及损失正在核实，续报。",
        ]
        return "\n".join(part for part in parts if part)
    parts = [
        f"{incident.title}, {when.strftime('%Y-%m-%d %H:%M') if when else '(time being verified)'}, "
        f"{where or '(place being verified)'}.",
        f"So far {counted[1]}." if counted else "Casualties are being verified.",
        f"{summary}" if summary else "",
        f"On receipt {unit} has (measures taken:       ).",
        "Cause and loss are being verified; more will follow.",
    ]
    return "\n".join(part for part in parts if part)


def _when(incident: IncidentRow, zone: str) -> datetime | None:
    return None if incident.is_provisional else incident.occurred_earliest_at.astimezone(ZoneInfo(zone))


def _chinese(at: datetime) -> str:
    return f"{at.month}月{at.day}日{at.hour}时{at.minute:02}分许"
