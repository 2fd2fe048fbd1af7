"""An incident told in sentences: where each due time comes from, what was fired, why it is judged as it is.

The sum is done again here, from the pinned edition and the facts; where it does not give the stored due time,
that is said, and counts as a defect.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any  # Any: bodies of ledger lines
from zoneinfo import ZoneInfo

from reporter.core.clocks import due_at, with_provisional
from reporter.core.instants import read_back, rfc3339
from reporter.core.plain import channel_words, recipient_words, step_words
from reporter.core.schedule import SUBMITTED, Edition, Obligation, format_span
from reporter.core.terms import ClockState, FactKind, Form, IncidentState, Verdict, label

if TYPE_CHECKING:
    from reporter.store.queries import ClockRow, IncidentRecord, IncidentRow

ANCHORS = {
    "occurred": ("事发", "occurrence"),
    "aware": ("知悉", "awareness"),
    "received": ("接报", "receipt"),
}
PROVISIONAL = ("接报（暂代事发）", "receipt (for want of an occurrence)")
TOLD = (FactKind.REMINDED, FactKind.BREACHED, FactKind.ESCALATED, FactKind.BREACH_LIFTED, FactKind.JUDGED)
FIRED = {
    FactKind.REMINDED: ("催报", "reminded"),
    FactKind.BREACHED: ("超时", "breached"),
    FactKind.ESCALATED: ("升级督办", "escalated"),
    FactKind.BREACH_LIFTED: ("撤销超时记录", "breach lifted"),
    FactKind.JUDGED: ("判定", "judged"),
}


@dataclass(frozen=True, slots=True)
class ClockTold:
    """One clock's sentences; `is_sound` says whether the sum gave the stored due time."""

    obligation: str
    title: str
    due_at: datetime
    verdict: str | None
    sentences: tuple[str, ...]
    is_sound: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """An incident's explanation."""

    incident: str
    code: str
    edition: Edition
    opening: tuple[str, ...]
    clocks: tuple[ClockTold, ...]

    @property
    def defects(self) -> tuple[str, ...]:
        """The obligations whose stored due time is not what the sum gives."""
        return tuple(clock.obligation for clock in self.clocks if not clock.is_sound)

    def document(self) -> dict[str, Any]:
        """As one JSON document."""
        citation = self.edition.citation
        return {
            "incident": self.incident,
            "code": self.code,
            "schedule": self.edition.schedule_id,
            "edition": self.edition.id,
            "edition_digest": self.edition.digest,
            "citation": {
                "title": citation.title,
                "article": citation.article,
                "href": citation.href,
                "checked": citation.checked.isoformat(),
            },
            "sentences": list(self.opening),
            "clocks": [
                {
                    "obligation": clock.obligation,
                    "due_at": rfc3339(clock.due_at),
                    "verdict": clock.verdict,
                    "sum_agrees": clock.is_sound,
                    "sentences": list(clock.sentences),
                }
                for clock in self.clocks
            ],
        }

    def text(self) -> str:
        """As lines to read."""
        lines = list(self.opening)
        for number, clock in enumerate(self.clocks, start=1):
            lines += ["", f"{number}. {clock.title} ({clock.obligation})"]
            lines += [f"   {sentence}" for sentence in clock.sentences]
        return "\n".join(lines)


class Explainer:
    """Tells incidents in one language, in one zone."""

    def __init__(self, language: str, zone: str) -> None:
        self._language = language
        self._zone = ZoneInfo(zone)

    def explain(self, record: "IncidentRecord", edition: Edition, lines: Sequence[str]) -> Explained:
        """Explains an incident from its record, its pinned edition and its ledger lines (canonical texts)."""
        facts = [json.loads(line) for line in lines]
        anchors = _anchors(record)
        clocks = tuple(self._clock(each, record, edition, anchors, facts) for each in record.clocks)
        row = record.incident
        return Explained(row.id, row.code, edition, tuple(self._opening(row, edition)), clocks)

    def _say(self, zh: str, en: str) -> str:
        return zh if self._language == "zh" else en

    def _at(self, at: datetime) -> str:
        local = at.astimezone(self._zone)
        return local.isoformat(sep=" ", timespec="microseconds" if local.microsecond else "seconds")

    def _opening(self, row: "IncidentRow", edition: Edition) -> list[str]:
        citation = edition.citation
        checked = citation.checked.isoformat()
        lines = [f"{row.code} {row.title} ({row.id})"]
        source = f"{citation.title} {citation.article} {citation.href}".rstrip()
        lines.append(
            self._say(
                f"依据：{source}；{edition.schedule_id}，{edition.id} 起施行，{checked} 核对；"
                f"本事件始终适用此版本，SHA-256 {edition.digest}",
                f"Source: {source}; {edition.schedule_id} in force from {edition.id}, checked on {checked}; "
                f"this incident keeps that text for life, SHA-256 {edition.digest}",
            )
        )
        earliest, latest = self._at(row.occurred_earliest_at), self._at(row.occurred_latest_at)
        when = (
            earliest
            if earliest == latest
            else self._say(f"{earliest} 至 {latest} 之间", f"{earliest} to {latest}")
        )
        if row.is_provisional:
            lines.append(
                self._say(
                    f"事发时间不明或不可信，暂以接报时间 {when} 起算，更正前不作判定",
                    f"The occurrence is unknown or not credible: clocks run from receipt, {when}, "
                    "and nothing is judged until it is corrected",
                )
            )
        else:
            lines.append(self._say(f"事发：{when}", f"Occurred: {when}"))
        lines.append(
            self._say(f"接报：{self._at(row.received_at)}", f"Received: {self._at(row.received_at)}")
        )
        if row.state != IncidentState.OPEN:
            lines.append(self._say("状态：", "State: ") + label(IncidentState(row.state), self._language))
        if row.anomalies:
            lines.append(self._say("异常：", "Anomalies: ") + ", ".join(row.anomalies))
        return lines

    def _clock(
        self,
        clock: "ClockRow",
        record: "IncidentRecord",
        edition: Edition,
        anchors: Mapping[str, datetime],
        facts: Sequence[dict[str, Any]],
    ) -> ClockTold:
        obligation = edition.obligation(clock.obligation)
        if obligation is None:
            said = self._say("所依据的版本没有此项义务", "the pinned edition has no such obligation")
            return ClockTold(clock.obligation, clock.obligation, clock.due_at, clock.verdict, (said,), False)
        sums = [self._sum(obligation, clock, anchors, is_provisional=record.incident.is_provisional)]
        computed = due_at(obligation, with_provisional(edition, anchors), edition.zone)
        is_sound = computed == clock.due_at
        if not is_sound:
            other = self._at(computed) if computed else "-"
            sums.append(
                self._say(
                    f"■ 重算得 {other}，与所存不符", f"■ computed anew it is {other}: not what is stored"
                )
            )
        if clock.due_latest_at:
            latest = self._at(clock.due_latest_at)
            sums.append(
                self._say(
                    f"事发时间为区间，最晚时限 {latest}",
                    f"the occurrence is an interval: due at the latest {latest}",
                )
            )
        fired = [self._fired(fact) for fact in facts if _concerns(fact, clock.obligation)]
        sentences = (*sums, *fired, *self._verdict(clock, record))
        title = self._say(obligation.title_zh, obligation.title_en)
        return ClockTold(clock.obligation, title, clock.due_at, clock.verdict, sentences, is_sound)

    def _sum(
        self,
        obligation: Obligation,
        clock: "ClockRow",
        anchors: Mapping[str, datetime],
        *,
        is_provisional: bool,
    ) -> str:
        names = ANCHORS | ({"occurred": PROVISIONAL} if is_provisional else {})
        terms = []
        for bound in obligation.bounds:
            start = anchors.get(bound.anchor)
            if bound.anchor.startswith(SUBMITTED):
                name = bound.anchor.removeprefix(SUBMITTED)
                anchor = self._say(f"{name} 报出", f"submission of {name}")
            else:
                anchor = self._say(*names.get(bound.anchor, (bound.anchor, bound.anchor)))
            at = self._at(start) if start else self._say("未知", "unknown")
            terms.append(f"{anchor} {at} + {format_span(bound.span)}")
        due = self._at(clock.due_at)
        if len(terms) == 1:
            return self._say(f"时限：{terms[0]} = {due}", f"Due: {terms[0]} = {due}")
        which = ("最早", "the earliest") if obligation.combine == "earliest_of" else ("最晚", "the latest")
        joined = "；".join(terms) if self._language == "zh" else "; ".join(terms)
        return self._say(f"时限：{joined}，取{which[0]} = {due}", f"Due: {which[1]} of {joined} = {due}")

    def _fired(self, fact: Mapping[str, Any]) -> str:
        kind, body = FactKind(fact["kind"]), fact["body"]
        line = f"#{fact['version']} {self._at(read_back(fact['at']))} {self._say(*FIRED[kind])}"
        if kind is FactKind.JUDGED:
            verdict = body.get("verdict")
            return f"{line} {label(Verdict(verdict), self._language) if verdict else '-'}"
        if kind is FactKind.BREACH_LIFTED:
            return f"{line} ({body.get('reason')})"
        nobody = self._say("无人值班", "nobody on duty")
        people = [
            f"{each.get('person') or nobody} ({self._say(*recipient_words(str(each.get('to'))))}, "
            f"{self._say(*channel_words(str(each.get('channel'))))})"
            for each in body.get("notices") or ()
        ]
        step = f" {self._say(*step_words(body['step']))}" if body.get("step") else ""
        unsure = self._say(" 待定", " not certain") if body.get("certain") is False else ""
        return f"{line}{step}{unsure} → {', '.join(people) or '-'}"

    def _verdict(self, clock: "ClockRow", record: "IncidentRecord") -> list[str]:
        said = self._judgement(clock, record)
        if clock.undeclared:
            names = ", ".join(clock.undeclared)
            said.append(
                self._say(f"要素不全，缺：{names}（不影响时限判定）", f"Incomplete, undeclared: {names}")
            )
        if clock.aware_due_at and clock.aware_verdict:
            aware, verdict = self._at(clock.aware_due_at), label(Verdict(clock.aware_verdict), self._language)
            said.append(
                self._say(
                    f"若自知悉起算：{aware} 前，{verdict}", f"Counted from awareness: {aware}, {verdict}"
                )
            )
        return said

    def _judgement(self, clock: "ClockRow", record: "IncidentRecord") -> list[str]:
        due, state = self._at(clock.due_at), ClockState(clock.state)
        if state is ClockState.STOPPED:
            return [
                self._say(
                    "事件已撤回，计时中止，不作判定", "Withdrawn: the clock is stopped, nothing is judged"
                )
            ]
        if clock.met_at is None:
            if clock.verdict == Verdict.MISSING:
                return [
                    self._say(
                        f"判定未报：{due} 已过，至结案无合格报告",
                        f"Missing: closed, {due} passed without a report",
                    )
                ]
            if state is ClockState.BREACHED:
                return [
                    self._say(
                        f"已超时：{due} 前无合格报告，尚未收到",
                        f"Overdue: {due} passed without a report, none yet",
                    )
                ]
            return [self._say("计时中", "Running")]
        report = next((each for each in record.reports if each.id == clock.met_by), None)
        form = label(Form(report.form), self._language) if report else ""
        met, late_s = self._at(clock.met_at), clock.late_by_s
        verdict = label(Verdict(clock.verdict), self._language) if clock.verdict else "-"
        final = self._at(clock.due_latest_at or clock.due_at)
        compared = "≤" if clock.met_at <= clock.due_at else ">"
        if clock.verdict == Verdict.LATE:
            return [
                self._say(
                    f"判定{verdict}：{form}报告 {clock.met_by} 接报 {met} > 时限 {final}，迟 {late_s} 秒",
                    f"{verdict}: {form} report {clock.met_by} received {met} > due {final}, {late_s} s late",
                )
            ]
        return [
            self._say(
                f"判定{verdict}：{form}报告 {clock.met_by} 接报 {met} {compared} 时限 {due}",
                f"{verdict}: {form} report {clock.met_by} received {met} {compared} due {due}",
            )
        ]


def _anchors(record: "IncidentRecord") -> dict[str, datetime]:
    """The instants that spans are counted from, by name; the earliest end of an interval."""
    row = record.incident
    anchors = {"occurred": row.occurred_earliest_at, "received": row.received_at}
    if row.aware_at is not None:
        anchors["aware"] = row.aware_at
    for clock in record.clocks:
        if clock.met_at is not None:
            anchors[SUBMITTED + clock.obligation] = clock.met_at
    return anchors


def _concerns(fact: Mapping[str, Any], obligation: str) -> bool:
    return fact["kind"] in TOLD and fact["body"].get("obligation") == obligation
