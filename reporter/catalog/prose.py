"""A schedule as text for a jurist: rule, source, ladder and worked examples, without a line of TOML."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

from reporter.core.schedule import (
    SUBMITTED,
    Bound,
    Case,
    Edition,
    Guard,
    Obligation,
    Schedule,
    Span,
    Step,
    format_offset,
    format_span,
)
from reporter.core.terms import Category, DutyRole, Form, Grade, NoticeReason, label

Language = Literal["zh", "en"]

_ANCHORS: Final = {
    "occurred": ("发生", "occurrence"),
    "aware": ("知悉", "awareness"),
    "received": ("接报", "receipt"),
    "classified": ("定级", "classification"),
    "determined": ("认定", "determination"),
}
_TREE: Final = {"unit": ("本单位", "unit"), "superior": ("上级", "superior")}
_UNITS: Final = (
    ("年", "year"),
    ("个月", "month"),
    ("日", "day"),
    ("小时", "hour"),
    ("分钟", "minute"),
    ("秒", "second"),
)


def describe(schedule: Schedule, language: Language = "zh") -> str:
    """The schedule in words, in Chinese or in English, newest edition first: plain lines, no markup."""
    return _Prose(language).text(schedule)


def describe_edition(edition: Edition, language: Language = "zh") -> str:
    """One edition in words, as an incident keeps it: without the worked examples, which are the schedule's."""
    return "\n".join(_Prose(language).edition(edition))


class _Prose:
    def __init__(self, language: Language) -> None:
        self._language = language
        self._is_zh = language == "zh"

    def _say(self, zh: str, en: str) -> str:
        return zh if self._is_zh else en

    def _pick(self, pair: tuple[str, str]) -> str:
        return pair[0] if self._is_zh else pair[1]

    def text(self, schedule: Schedule) -> str:
        lines = [
            self._say(schedule.title_zh, schedule.title_en),
            self._say(schedule.title_en, schedule.title_zh),
            "",
            f"{self._say('编号', 'Id')}: {schedule.id}",
            f"{self._say('适用地区', 'Jurisdiction')}: {schedule.jurisdiction}",
            f"{self._say('时区', 'Time zone')}: {schedule.zone}",
        ]
        for edition in reversed(schedule.editions):
            lines += ["", *self.edition(edition), "", self._say("算例", "Worked examples")]
            for case in schedule.cases:
                if case.edition_id == edition.id:
                    lines += self._case(case, edition)
        return "\n".join(lines) + "\n"

    def edition(self, edition: Edition) -> Iterator[str]:
        citation = edition.citation
        yield self._say(f"━━ {edition.id} 起施行", f"━━ In force from {edition.id}")
        yield f"{self._say('依据', 'Source')}: {citation.title} {citation.article}"
        if citation.href:
            yield f"{self._say('链接', 'Link')}: {citation.href}"
        yield f"{self._say('核对日期', 'Checked on')}: {citation.checked.isoformat()}"
        yield f"SHA-256: {edition.digest}"
        for number, obligation in enumerate(edition.obligations, start=1):
            yield ""
            yield from self._obligation(number, obligation, edition)

    def _obligation(self, number: int, obligation: Obligation, edition: Edition) -> Iterator[str]:
        title = self._say(obligation.title_zh, obligation.title_en)
        yield f"{number}. {title} ({obligation.id})"
        yield f"   {self._say('时限', 'Due')}: {self._due(obligation, edition)}"
        forms = self._say("或", " or ").join(label(Form(form), self._language) for form in obligation.forms)
        yield f"   {self._say('形式', 'Form')}: {forms}"
        if obligation.authority_zh:
            authority = self._say(obligation.authority_zh, obligation.authority_en)
            yield f"   {self._say('受理机关', 'To')}: {authority}"
        if obligation.guard.any_of:
            yield f"   {self._say('适用', 'Only for')}: {self._guard(obligation.guard)}"
        if obligation.elements:
            names = self._say("、", ", ").join(self._say(each.zh, each.en) for each in obligation.elements)
            yield f"   {self._say('要素', 'Must speak of')}: {names}"
        if obligation.covers_earlier and number > 1:
            yield "   " + self._say(
                "此报到达，前面未报各项一并视为已报", "Also counts for every earlier one not yet met"
            )
        if obligation.soft:
            yield "   " + self._say("软性义务：只计量，不判定", "Soft: measured, never judged")
        if obligation.ladder:
            yield f"   {self._say('升级阶梯', 'Ladder')}:"
            yield from self._ladder(obligation.ladder)

    def _due(self, obligation: Obligation, edition: Edition) -> str:
        bounds = [self._bound(bound, edition) for bound in obligation.bounds]
        if len(bounds) == 1:
            return bounds[0]
        if obligation.combine == "earliest_of":
            return self._say(f"{'；'.join(bounds)}（取最早）", f"the earliest of: {'; '.join(bounds)}")
        return self._say(f"{'；'.join(bounds)}（取最晚）", f"the latest of: {'; '.join(bounds)}")

    def _bound(self, bound: Bound, edition: Edition) -> str:
        anchor, span = self._anchor(bound.anchor, edition), self._span(bound.span)
        text = (
            self._say(f"{anchor}后 {span}内", f"within {span} of {anchor}") + f" [{format_span(bound.span)}]"
        )
        if bound.unless_past_at:
            reached = self._anchor(bound.unless_past_at, edition)
            text += self._say(f"（{reached}时已过的不计）", f" (left out if already past at {reached})")
        return text

    def _anchor(self, name: str, edition: Edition) -> str:
        if name.startswith(SUBMITTED):
            waited_for = edition.obligation(name.removeprefix(SUBMITTED))
            if waited_for:
                return self._say(f"{waited_for.title_zh}报出", f"the submission of “{waited_for.title_en}”")
        return self._pick(_ANCHORS[name]) if name in _ANCHORS else name

    def _span(self, span: Span) -> str:
        years, months = divmod(span.months, 12)
        minutes, seconds = divmod(span.exact / timedelta(seconds=1), 60)
        hours, minutes = divmod(int(minutes), 60)
        counts = (years, months, span.days, hours, minutes, seconds)
        parts = []
        for count, (zh, en) in zip(counts, _UNITS, strict=True):
            if count:
                parts.append(self._say(f"{count:g} {zh}", f"{count:g} {en}{'' if count == 1 else 's'}"))
        return " ".join(parts)

    def _guard(self, guard: Guard) -> str:
        any_of = []
        for condition in guard.any_of:
            all_of = [
                self._say("/", " or ").join(self._fact(name, value) for value in values)
                for name, values in condition.all_of
            ]
            any_of.append(self._say(" 且 ", " and ").join(all_of))
        return self._say("；或 ", "; or ").join(any_of)

    def _fact(self, name: str, value: str | bool) -> str:
        if isinstance(value, bool):
            return self._say("敏感" if value else "非敏感", "sensitive" if value else "not sensitive")
        return label(Grade(value) if name == "grade" else Category(value), self._language)

    def _ladder(self, ladder: tuple[Step, ...]) -> Iterator[str]:
        width = max(len(format_offset(step.offset)) for step in ladder)
        for step in ladder:
            mark, reason = "▲", NoticeReason.ESCALATION
            if step.offset < timedelta(0):
                mark, reason = "○", NoticeReason.REMINDER
            elif not step.offset:
                mark, reason = "●", NoticeReason.BREACH
            recipients = self._say("、", ", ").join(map(self._recipient, step.recipients))
            named = _padded(label(reason, self._language), 15)
            text = f"   {format_offset(step.offset):>{width + 2}} {mark} {named} {recipients}"
            if step.every is not None:
                every = self._span(Span(exact=step.every))
                text += self._say(
                    f"（每 {every}一次，签收为止，共至多 {step.at_most} 次）",
                    f" (every {every} until acknowledged, at most {step.at_most} in all)",
                )
            yield text

    def _recipient(self, role: str) -> str:
        place, _, duty = role.partition(".")
        return self._pick(_TREE[place]) + self._say("", " ") + label(DutyRole(duty), self._language).lower()

    def _case(self, case: Case, edition: Edition) -> Iterator[str]:
        says = self._say(case.says_zh or case.says_en, case.says_en or case.says_zh)
        yield f"   · [{case.obligation_id}] {says}"
        zone = ZoneInfo(edition.zone)
        known = [f"{self._anchor(name, edition)} {_shown(at, zone)}" for name, at in case.anchors]
        due = self._say("不适用", "does not apply")
        if case.due_at is not None:
            due = f"{self._say('到期', 'due')} {_shown(case.due_at, zone)}"
        yield f"     {self._say('，', ', ').join(known)} → {due}"


def _shown(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ")


def _padded(text: str, width: int) -> str:
    columns = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
    return text + " " * (width - columns)
