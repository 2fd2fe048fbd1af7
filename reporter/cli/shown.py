"""What people see of an incident, an audit and a list: tables of the API's documents."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reporter.cli.board import (
    countdown,
    local,
    marked_title,
    obligation_titles,
    render_notices,
    said,
    standing,
)
from reporter.cli.verb import Document
from reporter.core.plain import anomaly_words
from reporter.core.terms import Category, Form, Grade, IncidentState, label
from reporter.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

NOTICES_SHOWN = 12


def render_incident(incident: Document, now: datetime, settings: Settings) -> "RenderableType":
    """One incident: its facts, clocks, reports and latest notices."""
    from rich.console import Group
    from rich.text import Text

    language, zone = settings.language, settings.zone
    titles = obligation_titles(language)
    zh = language == "zh"
    occurred = incident["occurred"]
    when = local(occurred["earliest"], zone)
    if occurred["latest"] != occurred["earliest"]:
        when += f" – {local(occurred['latest'], zone)}"
    if occurred["provisional"]:
        when += " （暂定）" if zh else " (provisional)"
    kind = label(Category(incident["category"]), language) if incident["category"] else ""
    grade = label(Grade(incident["grade"]), language) if incident["grade"] else ""
    facts = [
        ("", f"{incident['code']} {marked_title(incident, language)}"),
        ("编号 id", incident["id"]),
        ("单位 unit", incident["unit"]),
        ("状态 state", label(IncidentState(incident["state"]), language)),
        ("类别 kind", " · ".join(filter(None, (kind, grade)))),
        ("事发 occurred", when),
        ("接报 received", local(incident["received_at"], zone)),
        ("时限表 schedule", f"{incident['schedule']} {incident['edition']}"),
        ("异常 anomalies", "；".join(said(anomaly_words(each), language) for each in incident["anomalies"])),
    ]
    head = Text("\n".join(f"{name}: {value}" if name else str(value) for name, value in facts if value))
    parts: list[RenderableType] = [head, _clocks(incident, now, titles, settings)]
    if incident.get("reports"):
        parts.append(_reports(incident, titles, language, zone))
    if incident.get("notices"):
        parts.append(render_notices([incident], language, limit=NOTICES_SHOWN, titles=titles, zone=zone))
    return Group(*parts)


def _clocks(incident: Document, now: datetime, titles: Mapping[str, str], settings: Settings) -> "Table":
    language, zone = settings.language, settings.zone
    headings = ("报送义务", "起算", "时限", "状态", "要素缺") if language == "zh" else (
        "Obligation", "Starts", "Due", "Standing", "Undeclared",
    )  # fmt: skip
    return table(
        headings,
        (
            (
                titles.get(clock["obligation"], clock["obligation"]),
                local(clock["starts_at"], zone),
                local(clock["due_at"], zone),
                str(standing(clock, now, language)),
                ", ".join(clock["undeclared"] or ()),
            )
            for clock in incident["clocks"]
        ),
    )


def _reports(incident: Document, titles: Mapping[str, str], language: str, zone: str) -> "Table":
    headings = (
        ("直报", "形式", "接报", "报告人") if language == "zh" else ("Covers", "Form", "Received", "Author")
    )
    return table(
        headings,
        (
            (
                ", ".join(titles.get(each, each) for each in report["covers"] or ()),
                label(Form(report["form"]), language),
                local(report["received_at"], zone),
                report.get("author") or "",
            )
            for report in incident["reports"]
        ),
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> "Table":
    """A plain table; every cell is taken as text, never as markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, title_justify="left")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return made


AUDIT_COLUMNS = (
    ("unit", "单位"), ("obligation", "义务"), ("due", "到期"), ("on_time", "按时"), ("late", "迟报"),
    ("missing", "未报"), ("overdue", "超时未报"), ("undetermined", "待定"), ("incomplete", "要素不全"),
    ("withdrawn", "已撤回"), ("late_median_s", "迟报中位"), ("late_max_s", "迟报最长"),
)  # fmt: skip


def render_audit(audit: Document, settings: Settings) -> "Table":
    """A month's statistics by unit and obligation."""
    zh, titles = settings.language == "zh", obligation_titles(settings.language)
    as_of = local(audit["as_of"], settings.zone, "%Y-%m-%d %H:%M:%S")
    return table(
        [chinese if zh else name.removesuffix("_s").replace("_", " ") for name, chinese in AUDIT_COLUMNS],
        ([_audited(name, row.get(name), titles) for name, _ in AUDIT_COLUMNS] for row in audit["rows"]),
        f"{audit['month']} 考核（截至 {as_of}）" if zh else f"{audit['month']} audit as of {as_of}",
    )


def _audited(name: str, value: object, titles: Mapping[str, str]) -> object:
    """A cell of the audit; spans, given in seconds, as `6:02`, obligations by their titles."""
    if name == "obligation":
        return titles.get(str(value), value)
    if name.endswith("_s") and isinstance(value, int | float):
        return countdown(timedelta(seconds=value))
    return value
