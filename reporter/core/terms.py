"""The glossary as enums: every word that is stored, published or shown, with its label in Chinese and English."""

from enum import StrEnum
from typing import Final


class CommandKind(StrEnum):
    """What a publisher, a form or a verb may ask for; the value is the CloudEvents type."""

    OCCURRED = "reporter.incident.occurred"
    AMENDED = "reporter.incident.amended"
    WITHDRAWN = "reporter.incident.withdrawn"
    CLOSED = "reporter.incident.closed"
    REOPENED = "reporter.incident.reopened"
    FILED = "reporter.report.filed"
    ACKNOWLEDGED = "reporter.notice.acknowledged"
    EXPLAINED = "reporter.incident.explained"
    FOUND = "reporter.incident.found"


class FactKind(StrEnum):
    """The kinds of ledger line of an incident; also the third token of `reporter.out.<kind>.<unit>`."""

    OPENED = "opened"
    AMENDED = "amended"
    REMINDED = "reminded"
    BREACHED = "breached"
    BREACH_LIFTED = "breach_lifted"
    ESCALATED = "escalated"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    REPORTED = "reported"
    JUDGED = "judged"
    EXPLAINED = "explained"
    FOUND = "found"
    WITHDRAWN = "withdrawn"
    REOPENED = "reopened"
    CLOSED = "closed"


FACT_OF_COMMAND: Final = {
    CommandKind.OCCURRED: FactKind.OPENED,
    CommandKind.AMENDED: FactKind.AMENDED,
    CommandKind.WITHDRAWN: FactKind.WITHDRAWN,
    CommandKind.CLOSED: FactKind.CLOSED,
    CommandKind.REOPENED: FactKind.REOPENED,
    CommandKind.FILED: FactKind.REPORTED,
    CommandKind.ACKNOWLEDGED: FactKind.ACKNOWLEDGED,
    CommandKind.EXPLAINED: FactKind.EXPLAINED,
    CommandKind.FOUND: FactKind.FOUND,
}
COMMAND_OF_FACT: Final = {fact: command for command, fact in FACT_OF_COMMAND.items()}


class Category(StrEnum):
    NATURAL = "natural"
    ACCIDENT = "accident"
    HEALTH = "health"
    SECURITY = "security"
    OTHER = "other"


class Grade(StrEnum):
    I = "I"  # noqa: E741 - the statutory numeral
    II = "II"
    III = "III"
    IV = "IV"


class Mode(StrEnum):
    ACTUAL = "actual"
    EXERCISE = "exercise"
    TEST = "test"


class Form(StrEnum):
    PHONE = "phone"
    WRITTEN = "written"


class IncidentState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class ClockState(StrEnum):
    RUNNING = "running"
    MET = "met"
    BREACHED = "breached"
    STOPPED = "stopped"


class Verdict(StrEnum):
    ON_TIME = "on_time"
    LATE = "late"
    MISSING = "missing"
    UNDETERMINED = "undetermined"


class Finding(StrEnum):
    """What a named person finds, with evidence; a verdict is computed and stays whatever is found."""

    OMISSION = "omission"
    FALSE_REPORT = "false_report"
    CONCEALMENT = "concealment"
    NONE = "none"


class DutyRole(StrEnum):
    DUTY_OFFICER = "duty_officer"
    LEADER = "leader"


class RosterChange(StrEnum):
    """What people agree on over the heads of a roster: see `core.standin`."""

    SWAP = "swap"
    OVERRIDE = "override"
    ABSENCE = "absence"


class NoticeReason(StrEnum):
    """Why a person gets a notice; every notice carries one and shows it."""

    REMINDER = "reminder"
    BREACH = "breach"
    ESCALATION = "escalation"
    ACK_STALE = "ack_stale"
    """Somebody acknowledged, and no report came in the time after it."""
    AMENDED = "amended"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    REPORT_AFTER_WITHDRAWAL = "report_after_withdrawal"
    REJECTED = "rejected"
    HELD = "held"
    ROSTER_GAP = "roster_gap"
    TEST = "test"
    """Of no incident: somebody tries a channel."""
    REHEARSAL = "rehearsal"
    """Of no incident: everybody on duty is asked to answer."""


class NoticeState(StrEnum):
    QUEUED = "queued"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    ACKNOWLEDGED = "acknowledged"


class AccountRole(StrEnum):
    """What a token may do, within its unit's subtree."""

    DUTY = "duty"
    LEADER = "leader"
    UNIT = "unit"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Anomaly(StrEnum):
    """What was odd about an incident: kept, shown, never a reason to lose it. `field_invalid:<path>` is made by
    `field_invalid`."""

    UNIT_UNKNOWN = "unit_unknown"
    REPLY_REFUSED = "reply_refused"
    SCHEDULE_UNKNOWN = "schedule_unknown"
    NO_EDITION_IN_FORCE = "no_edition_in_force"
    FOREIGN_UNIT = "foreign_unit"
    OCCURRENCE_UNKNOWN = "occurrence_unknown"
    OCCURRENCE_IN_FUTURE = "occurrence_in_future"
    OCCURRENCE_INVALID = "occurrence_invalid"
    OCCURRENCE_MOVED_AFTER_BREACH = "occurrence_moved_after_breach"
    AWARE_BEFORE_OCCURRENCE = "aware_before_occurrence"
    REPORT_AFTER_CLOSE = "report_after_close"
    REPORT_AFTER_WITHDRAWAL = "report_after_withdrawal"
    WITHDRAWN_AFTER_BREACH = "withdrawn_after_breach"


def field_invalid(path: str) -> str:
    """The anomaly of a field that could not be read: kept as sent and ignored."""
    return f"field_invalid:{path}"


def anchor_unknown(anchor: str) -> str:
    """The anomaly of an obligation whose anchor nobody has stated."""
    return f"anchor_unknown:{anchor}"


LABELS: Final[dict[type[StrEnum], dict[str, tuple[str, str]]]] = {
    Category: {
        Category.NATURAL: ("自然灾害", "Natural disaster"),
        Category.ACCIDENT: ("事故灾难", "Accident"),
        Category.HEALTH: ("公共卫生事件", "Public health"),
        Category.SECURITY: ("社会安全事件", "Public security"),
        Category.OTHER: ("其他", "Other"),
    },
    Grade: {
        Grade.I: ("Ⅰ级 特别重大", "Grade I, extraordinary"),
        Grade.II: ("Ⅱ级 重大", "Grade II, major"),
        Grade.III: ("Ⅲ级 较大", "Grade III, large"),
        Grade.IV: ("Ⅳ级 一般", "Grade IV, ordinary"),
    },
    Mode: {
        Mode.ACTUAL: ("实战", "Actual"),
        Mode.EXERCISE: ("演练", "Exercise"),
        Mode.TEST: ("测试", "Test"),
    },
    Form: {
        Form.PHONE: ("电话", "Phone"),
        Form.WRITTEN: ("书面", "Written"),
    },
    IncidentState: {
        IncidentState.OPEN: ("未结", "Open"),
        IncidentState.CLOSED: ("已结", "Closed"),
        IncidentState.WITHDRAWN: ("已撤回", "Withdrawn"),
    },
    ClockState: {
        ClockState.RUNNING: ("计时", "Running"),
        ClockState.MET: ("已报", "Met"),
        ClockState.BREACHED: ("超时", "Overdue"),
        ClockState.STOPPED: ("中止", "Stopped"),
    },
    Verdict: {
        Verdict.ON_TIME: ("按时", "On time"),
        Verdict.LATE: ("迟报", "Late"),
        Verdict.MISSING: ("未报", "Missing"),
        Verdict.UNDETERMINED: ("待定", "Undetermined"),
    },
    Finding: {
        Finding.OMISSION: ("漏报", "Omission"),
        Finding.FALSE_REPORT: ("谎报", "False report"),
        Finding.CONCEALMENT: ("瞒报", "Concealment"),
        Finding.NONE: ("无上述情形", "None of these"),
    },
    DutyRole: {
        DutyRole.DUTY_OFFICER: ("值班员", "Duty officer"),
        DutyRole.LEADER: ("带班领导", "Leader on duty"),
    },
    RosterChange: {
        RosterChange.SWAP: ("换班", "Swap"),
        RosterChange.OVERRIDE: ("替班", "Override"),
        RosterChange.ABSENCE: ("请假", "Absence"),
    },
    NoticeReason: {
        NoticeReason.REMINDER: ("催报", "Reminder"),
        NoticeReason.BREACH: ("超时", "Deadline passed"),
        NoticeReason.ESCALATION: ("升级督办", "Escalation"),
        NoticeReason.ACK_STALE: ("签收后未报", "Acknowledged, and no report"),
        NoticeReason.AMENDED: ("更正", "Facts corrected"),
        NoticeReason.REOPENED: ("恢复", "Reopened"),
        NoticeReason.WITHDRAWN: ("超时后撤回", "Withdrawn after a breach"),
        NoticeReason.REPORT_AFTER_WITHDRAWAL: ("撤回后收到报告", "Report after withdrawal"),
        NoticeReason.REJECTED: ("无法识别的消息", "Unreadable message"),
        NoticeReason.HELD: ("未知事件的消息", "Message for an unknown incident"),
        NoticeReason.ROSTER_GAP: ("值班表有空档", "Gap in the roster"),
        NoticeReason.TEST: ("渠道测试", "Channel test"),
        NoticeReason.REHEARSAL: ("通知演练", "Rehearsal of notices"),
    },
    NoticeState: {
        NoticeState.QUEUED: ("待发", "Queued"),
        NoticeState.ACCEPTED: ("已接收", "Accepted"),
        NoticeState.DELIVERED: ("已送达", "Delivered"),
        NoticeState.FAILED: ("失败", "Failed"),
        NoticeState.ACKNOWLEDGED: ("已签收", "Acknowledged"),
    },
    AccountRole: {
        AccountRole.DUTY: ("值班员", "Duty officer"),
        AccountRole.LEADER: ("带班领导", "Leader"),
        AccountRole.UNIT: ("填报单位", "Reporting unit"),
        AccountRole.AUDITOR: ("审计", "Auditor"),
        AccountRole.ADMIN: ("管理员", "Administrator"),
    },
}


def label(term: StrEnum, language: str = "zh") -> str:
    """The term's name in `language` (`zh` or `en`)."""
    return LABELS[type(term)][term][0 if language == "zh" else 1]
