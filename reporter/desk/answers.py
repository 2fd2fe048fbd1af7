"""Rows as the JSON of contract section 4: there is one writer of an incident, for every door it leaves by."""

import base64
from typing import Any  # documents of JSON have no narrower type

from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.reading import extra_fields
from reporter.core.terms import CommandKind
from reporter.store.audit import Audit, AuditCase, AuditRow
from reporter.store.queries import ClockRow, IncidentRecord, NoticeRow, ReportRow
from reporter.store.rejected import SetAsideRow

Json = dict[str, Any]


def incident_json(record: IncidentRecord) -> Json:
    """The incident. Beside the contract's members: what is known of it, and the incident it was joined to."""
    row = record.incident
    return {
        "id": row.id,
        "code": row.code,
        "title": row.title,
        "unit": row.unit,
        "mode": row.mode,
        "state": row.state,
        "category": row.category,
        "grade": row.grade,
        "sensitive": row.sensitive,
        "occurred": {
            "earliest": rfc3339(row.occurred_earliest_at),
            "latest": rfc3339(row.occurred_latest_at),
            "provisional": row.is_provisional,
        },
        "aware_at": maybe_rfc3339(row.aware_at),
        "received_at": rfc3339(row.received_at),
        "recorded_at": rfc3339(row.recorded_at),
        "closed_at": maybe_rfc3339(row.closed_at),
        "duplicate_of": row.survivor,
        "schedule": row.schedule,
        "edition": row.edition,
        "place": row.facts.get("place"),
        "casualties": row.facts.get("casualties"),
        "summary": row.facts.get("summary"),
        "channel": row.facts.get("channel"),
        "extra": row.facts.get("extra") or {},
        "anomalies": row.anomalies,
        "version": row.version,
        "clocks": [_clock(clock) for clock in record.clocks],
        "notices": [_notice(notice) for notice in record.notices],
        "reports": [_report(report) for report in record.reports],
    }


def _clock(clock: ClockRow) -> Json:
    return {
        "obligation": clock.obligation,
        "starts_at": rfc3339(clock.starts_at),
        "due_at": rfc3339(clock.due_at),
        "due_latest_at": maybe_rfc3339(clock.due_latest_at),
        "state": clock.state,
        "met_at": maybe_rfc3339(clock.met_at),
        "met_by": clock.met_by,
        "verdict": clock.verdict,
        "late_by_s": clock.late_by_s,
        "complete": clock.complete,
        "undeclared": clock.undeclared or [],
        "aware_due_at": maybe_rfc3339(clock.aware_due_at),
        "aware_verdict": clock.aware_verdict,
    }


def _notice(notice: NoticeRow) -> Json:
    return {
        "id": notice.id,
        "obligation": notice.obligation,
        "step": notice.step,
        "repeat": notice.repeat,
        "reason": notice.reason,
        "to": notice.to_role,
        "person": notice.person,
        "channel": notice.channel,
        "state": notice.state,
        "due_at": maybe_rfc3339(notice.due_at),
        "recorded_at": rfc3339(notice.recorded_at),
        "attempts": notice.attempts,
        "note": notice.note,
    }


def _report(report: ReportRow) -> Json:
    data = report.data
    author, elements = data.get("author"), data.get("elements")
    return {
        "id": report.id,
        "covers": report.covers,
        "form": report.form,
        "received_at": report.received_at,
        "author": author if isinstance(author, str) else None,
        "elements": elements if isinstance(elements, dict) else {},
        "unit": report.unit,
        "text": data.get("text"),
        "call": data.get("call"),
        "attachments": data.get("attachments") or [],
        "extra": extra_fields(CommandKind.FILED, data),
        "anomalies": report.anomalies,
        "joined_from": report.joined_from,
    }


def set_aside_json(row: SetAsideRow) -> Json:
    """A rejected or held message: the first bytes of its body, and size and SHA-256 of all of it."""
    return {
        "id": row.id,
        "state": row.state,
        "subject": row.subject,
        "stream_seq": row.stream_seq,
        "received_at": rfc3339(row.received_at),
        "recorded_at": rfc3339(row.recorded_at),
        "noticed_at": maybe_rfc3339(row.noticed_at),
        "reasons": row.errors,
        "incident": row.target,
        "headers_base64": base64.b64encode(row.headers).decode(),
        "body_base64": base64.b64encode(row.head).decode(),
        "size": row.size_bytes,
        "sha256": row.sha256,
    }


def audit_json(audit: Audit) -> Json:
    """The month's account."""
    return {
        "month": audit.month,
        "as_of": rfc3339(audit.as_of),
        "rows": [_audit_row(row) for row in audit.rows],
        "cases": [_audit_case(case) for case in audit.cases],
    }


def _audit_row(row: AuditRow) -> Json:
    return {
        "unit": row.unit,
        "obligation": row.obligation,
        "due": row.due,
        "on_time": row.on_time,
        "late": row.late,
        "missing": row.missing,
        "overdue": row.overdue,
        "undetermined": row.undetermined,
        "incomplete": row.incomplete,
        "withdrawn": row.withdrawn,
        "late_median_s": row.late_median_s,
        "late_max_s": row.late_max_s,
    }


def _audit_case(case: AuditCase) -> Json:
    return {
        "incident": case.incident,
        "code": case.code,
        "title": case.title,
        "unit": case.unit,
        "obligation": case.obligation,
        "kinds": list(case.kinds),
        "state": case.state,
        "occurred_at": rfc3339(case.occurred_earliest_at),
        "due_at": rfc3339(case.due_at),
        "due_latest_at": maybe_rfc3339(case.due_latest_at),
        "met_at": maybe_rfc3339(case.met_at),
        "verdict": case.verdict,
        "late_by_s": case.late_by_s,
        "undeclared": list(case.undeclared),
    }
