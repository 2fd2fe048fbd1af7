"""The month's bulletin as JSON and CSV, from the same account as the audit."""

from collections.abc import Mapping
from enum import StrEnum

from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.terms import Verdict, label
from reporter.desk.answers import Json, audit_json
from reporter.desk.sheet import csv_text
from reporter.store.audit import INCOMPLETE, Audit
from reporter.store.queries import OVERDUE

_COLUMNS = {
    "unit": ("单位", "Unit"),
    "unit_name": ("单位名称", "Unit name"),
    "obligation": ("报送义务", "Obligation"),
    "due": ("应报", "Due"),
    "on_time": ("按时", "On time"),
    "late": ("迟报", "Late"),
    "missing": ("未报", "Missing"),
    "overdue": ("超时未结", "Overdue"),
    "undetermined": ("待定", "Undetermined"),
    "incomplete": ("要素不全", "Incomplete"),
    "withdrawn": ("已撤回", "Withdrawn"),
    "late_median_s": ("迟报中位数(秒)", "Late, median (s)"),
    "late_max_s": ("迟报最大值(秒)", "Late, most (s)"),
}
_CASE_COLUMNS = {
    "incident": ("事件", "Incident"),
    "code": ("编号", "Code"),
    "title": ("标题", "Title"),
    "unit": ("单位", "Unit"),
    "obligation": ("报送义务", "Obligation"),
    "kinds": ("情形", "Case"),
    "occurred_at": ("发生时间", "Occurred"),
    "due_at": ("时限", "Due"),
    "met_at": ("接报时间", "Received"),
    "late_by_s": ("迟报(秒)", "Late by (s)"),
    "undeclared": ("未报要素", "Undeclared elements"),
}
_KINDS: Mapping[str, tuple[str, str] | StrEnum] = {
    **{verdict.value: verdict for verdict in Verdict},
    OVERDUE: ("超时未结", "Overdue"),
    INCOMPLETE: ("要素不全", "Incomplete"),
}


def as_json(audit: Audit, names: Mapping[str, str], language: str) -> Json:
    """The account with a title, the units' names and the columns' headings."""
    document = audit_json(audit)
    year, month = audit.month.split("-")
    title = (
        f"{year}年{int(month)}月突发事件直报情况通报"
        if language == "zh"
        else f"Reporting bulletin, {audit.month}"
    )
    columns = {name: _said(texts, language) for name, texts in _COLUMNS.items()}
    rows = [{**row, "unit_name": names.get(row["unit"], row["unit"])} for row in document["rows"]]
    return {"title": title, "columns": columns, **document, "rows": rows}


def rows_csv(audit: Audit, names: Mapping[str, str], language: str) -> str:
    """One line per unit and obligation, under headings."""
    document = as_json(audit, names, language)
    lines = ([row[name] for name in _COLUMNS] for row in document["rows"])
    return csv_text([_said(texts, language) for texts in _COLUMNS.values()], lines)


def cases_csv(audit: Audit, language: str) -> str:
    """One line per case, under headings; instants are RFC 3339 in UTC."""
    lines = (
        [
            case.incident,
            case.code,
            case.title,
            case.unit,
            case.obligation,
            "|".join(_said(_KINDS[kind], language) for kind in case.kinds),
            rfc3339(case.occurred_earliest_at),
            rfc3339(case.due_at),
            maybe_rfc3339(case.met_at),
            case.late_by_s,
            "|".join(case.undeclared),
        ]
        for case in audit.cases
    )
    return csv_text([_said(texts, language) for texts in _CASE_COLUMNS.values()], lines)


def _said(texts: tuple[str, str] | StrEnum, language: str) -> str:
    if isinstance(texts, StrEnum):
        return label(texts, language)
    return texts[0 if language == "zh" else 1]
