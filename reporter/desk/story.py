"""A ledger told in plain sentences, Chinese and English: one sentence a line, each with the number of its line.

The one place for the words of ledger lines: the incident's page, its card and whoever shows evidence all ask here.
A sentence says what the line says and nothing that the line does not hold.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final  # Any: bodies of ledger lines are JSON
from zoneinfo import ZoneInfo

from reporter.core.instants import parse, read_back
from reporter.core.plain import Words, channel_words, recipient_words
from reporter.core.schedule import Edition, parse_offset
from reporter.core.terms import (
    LABELS,
    Category,
    FactKind,
    Form,
    Grade,
    Mode,
    NoticeReason,
    NoticeState,
    Verdict,
    label,
)
from reporter.render import countdown

Body = Mapping[str, Any]

ENGINE: Final = "engine"
_LIFTED: Final[Mapping[str, Words]] = {
    "amended": ("因事实更正", "because facts were corrected"),
    "withdrawn": ("因事件在时限前撤回", "because the incident was withdrawn before it was due"),
    "arrived_in_time": ("因报告其实按时到达", "because the report had in fact arrived in time"),
}
FACT_NAMES: Final[Mapping[str, Words]] = {
    "title": ("名称", "Title"),
    "occurred": ("发生", "Occurred"),
    "aware": ("知悉", "Aware"),
    "category": ("类别", "Category"),
    "grade": ("等级", "Grade"),
    "sensitive": ("敏感", "Sensitive"),
    "mode": ("性质", "Mode"),
    "place": ("地点", "Place"),
    "casualties": ("伤亡", "Casualties"),
    "summary": ("概况", "Summary"),
    "channel": ("来源", "Source"),
}
"""The facts of an incident, in the order in which they are shown."""
CASUALTY_NAMES: Final[Mapping[str, Words]] = {
    "dead": ("亡", "dead"),
    "missing": ("失联", "missing"),
    "trapped": ("被困", "trapped"),
    "serious": ("重伤", "seriously hurt"),
    "light": ("轻伤", "slightly hurt"),
    "injured": ("伤", "hurt"),
    "evacuated": ("转移", "evacuated"),
}
_TERMS: Final[Mapping[str, type[Category] | type[Grade] | type[Mode]]] = {
    "category": Category, "grade": Grade, "mode": Mode,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """One line as a sentence. `tone` is a class of the style sheet, empty where nothing is at stake.

    `detail` is what people wrote (a reason, the text of a report), to be shown as they wrote it.
    """

    version: int
    kind: FactKind
    at: datetime
    recorded_at: datetime
    actor: Words
    text: Words
    detail: str
    tone: str
    hash: str


@dataclass(frozen=True, slots=True)
class Change:
    """One value that a fact has had: since which line, by whom, why. `value` is None where it was cleared."""

    version: int
    at: datetime
    actor: Words
    reason: str
    value: Words | None


class Teller:
    """Tells the lines of incidents under one edition, for readers in one zone; `units` are names by code."""

    def __init__(self, edition: Edition, zone: str, units: Mapping[str, str] | None = None) -> None:
        self._titles = {each.id: (each.title_zh, each.title_en) for each in edition.obligations}
        self._zone = ZoneInfo(zone)
        self._units = units or {}
        self._told_of: dict[str, Mapping[str, Any]] = {}

    def tell(self, lines: Iterable[tuple[str, str]]) -> tuple[Told, ...]:
        """Every line, oldest first, from its canonical text and its hash."""
        return tuple(self._told(json.loads(text), digest) for text, digest in lines)

    def histories(self, lines: Sequence[tuple[str, str]]) -> dict[str, tuple[Change, ...]]:
        """What each fact has been, oldest first, by the fact's name; facts nobody stated are not there.

        The commands are taken as they stand in the ledger; the one that arrived last holds (contract 3.14).
        """
        found: dict[str, list[tuple[datetime, Change]]] = {}
        for text, _ in lines:
            line = json.loads(text)
            body = line["body"]
            if line["kind"] not in (FactKind.OPENED, FactKind.AMENDED) or "data" not in body:
                continue
            for name in FACT_NAMES:
                if name not in body["data"]:
                    continue
                value = body["data"][name]
                said = None if value is None else self.value(name, value)
                change = Change(
                    line["version"],
                    read_back(line["at"]),
                    actor_words(line["actor"]),
                    _text(body["data"].get("reason")),
                    said,
                )
                found.setdefault(name, []).append((read_back(body["received_at"]), change))
        return {
            name: tuple(change for _, change in sorted(changes, key=lambda each: each[0]))
            for name, changes in found.items()
        }

    def value(self, name: str, value: object) -> Words:
        """A fact's value in words; what cannot be read is shown as it was sent."""
        if name in ("occurred", "aware"):
            return self._when(value)
        if isinstance(value, Mapping):
            if name == "casualties":
                return casualty_words(value)
            return _same("，".join(str(part) for part in value.values() if part not in (None, "")))
        if isinstance(value, bool):
            return ("是", "yes") if value else ("否", "no")
        known = next((each for each in _TERMS.get(name, ()) if each.value == value), None)
        if known is not None:
            return label(known, "zh"), label(known, "en")
        return _same(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def _told(self, line: Mapping[str, Any], digest: str) -> Told:
        kind, body = FactKind(line["kind"]), line["body"]
        text, tone = _ARMS[kind](self, body)
        return Told(
            version=line["version"],
            kind=kind,
            at=read_back(line["at"]),
            recorded_at=read_back(line["recorded_at"]),
            actor=actor_words(line["actor"]),
            text=text,
            detail=_detail(kind, body),
            tone=tone,
            hash=digest,
        )

    # --- one arm a kind -------------------------------------------------------------------------------------

    def _opened(self, body: Body) -> tuple[Words, str]:
        unit = self._unit(body)
        dues = [(self._title(each), self._at(each["due_at"])) for each in body.get("clocks", ())]
        zh = "，".join(f"{title[0]} {at}" for title, at in dues)
        en = ", ".join(f"{title[1]} {at}" for title, at in dues)
        start = f"为{unit}登记事件，开始计时", f"The incident of {unit} was logged and its clocks started"
        return (f"{start[0]}：{zh}" if zh else start[0], f"{start[1]}: {en}" if en else start[1]), ""

    def _amended(self, body: Body) -> tuple[Words, str]:
        if "left" in body:
            count = len(body["left"])
            return (f"{count} 份报告不再计入本事件", f"{count} reports no longer count for this incident"), ""
        data = body.get("data", {})
        said = [(FACT_NAMES[name], self.value(name, data[name])) for name in FACT_NAMES if name in data]
        zh = "，".join(f"{name[0]}改为“{value[0]}”" for name, value in said)
        en = ", ".join(f"{name[1].lower()} became “{value[1]}”" for name, value in said)
        moved = [(self._title(each), self._at(each["due_at"])) for each in body.get("clocks", ())]
        if moved:
            zh += "；时限改为：" + "，".join(f"{title[0]} {at}" for title, at in moved)
            en += "; due times became: " + ", ".join(f"{title[1]} {at}" for title, at in moved)
        return (f"更正事实：{zh}", f"Facts corrected: {en}"), ""

    def _reminded(self, body: Body) -> tuple[Words, str]:
        title, (zh, en) = self._title(body), self._notices(body)
        left = _span(body.get("step"))
        before = (f"（还剩 {left}）", f" ({left} left)") if left else ("", "")
        return (f"{title[0]}催报{before[0]}：{zh}", f"Reminder of the {_low(title)}{before[1]}: {en}"), "soon"

    def _breached(self, body: Body) -> tuple[Words, str]:
        title = self._title(body)
        sure = (
            ("", "")
            if body.get("certain")
            else ("（事发时间未定，待判）", " (occurrence uncertain, not yet judged)")
        )
        zh = f"{title[0]}超时：{self._at(body['due_at'])} 前没有合格报告{sure[0]}"
        en = f"The {_low(title)} is overdue: no report by {self._at(body['due_at'])}{sure[1]}"
        if body.get("notices"):
            told = self._notices(body)
            zh, en = f"{zh}；{told[0]}", f"{en}; {told[1]}"
        return (zh, en), "overdue"

    def _breach_lifted(self, body: Body) -> tuple[Words, str]:
        title, why = self._title(body), _LIFTED.get(str(body.get("reason")), _same(str(body.get("reason"))))
        due = self._at(body["due_at"])
        return (
            f"撤销{title[0]} {due} 的超时记录（{why[0]}）",
            f"The breach of the {_low(title)} at {due} was lifted {why[1]}",
        ), ""

    def _escalated(self, body: Body) -> tuple[Words, str]:
        title, (zh, en) = self._title(body), self._notices(body)
        repeat = body.get("repeat", 1)
        over = _span(body.get("step"))
        times = (f"，第 {repeat} 次", f", time {repeat}") if repeat > 1 else ("", "")
        after = (f"超时 {over} 后", f", {over} over") if over else ("", "")
        return (
            f"{title[0]}{after[0]}升级督办{times[0]}：{zh}",
            f"Escalation of the {_low(title)}{after[1]}{times[1]}: {en}",
        ), "overdue"

    def _notified(self, body: Body) -> tuple[Words, str]:
        if "reason" not in body:
            return self._receipts(body), ""
        zh, en = self._notices(body)
        reason = _term(NoticeReason, body["reason"])
        return (f"{reason[0]}：{zh}", f"{reason[1]}: {en}"), ""

    def _acknowledged(self, body: Body) -> tuple[Words, str]:
        count = len(body.get("notices", ()))
        by = body.get("by")
        return (f"{by or ''}签收 {count} 条通知", f"{by or 'Somebody'} acknowledged notices: {count}"), ""

    def _reported(self, body: Body) -> tuple[Words, str]:
        form = _term(Form, body.get("form") or body.get("data", {}).get("form"))
        covers = [self._titles.get(each, _same(each)) for each in body.get("covers", ())]
        of = (
            "、".join(each[0] for each in covers) or "未指明",
            ", ".join(_low(each) for each in covers) or "nothing named",
        )
        author = _text(body.get("data", {}).get("author"))
        who = f"{self._unit(body)}{f'（{author}）' if author else ''}"
        who_en = f"{self._unit(body)}{f' ({author})' if author else ''}"
        joined = ("（由重复事件并入）", " (joined from a duplicate)") if body.get("joined_from") else ("", "")
        at = self._at(body["received_at"])
        return (
            f"收到{who}{form[0]}报告：{of[0]}，接报 {at}{joined[0]}",
            f"{form[1]} report of {who_en} received at {at}: {of[1]}{joined[1]}",
        ), "on_time"

    def _judged(self, body: Body) -> tuple[Words, str]:
        title, verdict = self._title(body), body.get("verdict")
        if verdict is None:
            return (f"{title[0]}的判定撤销", f"The {_low(title)} is no longer judged"), ""
        said = _term(Verdict, verdict)
        zh, en = f"判定{title[0]}：{said[0]}", f"The {_low(title)} is judged: {said[1].lower()}"
        if (late_s := body.get("late_by_s")) is not None:
            late = countdown(timedelta(seconds=late_s))
            zh, en = f"{zh} {late}", f"{en} by {late}"
        if undeclared := body.get("undeclared"):
            zh, en = (
                f"{zh}，要素不全（缺 {len(undeclared)} 项）",
                f"{en}, incomplete ({len(undeclared)} missing)",
            )
        return (zh, en), str(verdict)

    def _explained(self, body: Body) -> tuple[Words, str]:
        return (f"{self._unit(body)}作出说明", f"{self._unit(body)} explained"), ""

    def _found(self, body: Body) -> tuple[Words, str]:
        data = body.get("data", {})
        finding, by = _text(data.get("finding")), _text(data.get("by"))
        return (f"{by}认定：{finding}", f"Found by {by}: {finding}"), "late"

    def _withdrawn(self, body: Body) -> tuple[Words, str]:
        if survivor := body.get("data", {}).get("duplicate_of"):
            return (
                f"作为重复事件撤回，并入 {survivor}",
                f"Withdrawn as a duplicate of {survivor}",
            ), "stopped"
        return ("撤回事件，计时中止", "The incident was withdrawn and its clocks stopped"), "stopped"

    def _reopened(self, _: Body) -> tuple[Words, str]:
        return ("恢复事件，按原时限继续", "The incident was reopened; its clocks go on with their times"), ""

    def _closed(self, _: Body) -> tuple[Words, str]:
        return ("结束事件", "The incident was closed"), ""

    # --- words ----------------------------------------------------------------------------------------------

    def _notices(self, body: Body) -> Words:
        zh, en = [], []
        for each in body.get("notices", ()):
            self._told_of[str(each.get("id"))] = each
            person, role = each.get("person"), recipient_words(each.get("to") or "")
            channel = channel_words(str(each.get("channel")))
            zh.append(f"{person or '无人值班'}（{role[0]}，{channel[0]}）")
            en.append(f"{person or 'nobody on duty'} ({role[1]}, {channel[1]})")
        return f"通知 {'、'.join(zh)}" if zh else "无通知", f"told {', '.join(en)}" if en else "nobody told"

    def _receipts(self, body: Body) -> Words:
        """What became of notices; to whom each was is in the line that sent it."""
        zh, en = [], []
        for each in body.get("notices", ()):
            state, channel = _term(NoticeState, each.get("state")), channel_words(str(each.get("channel")))
            person = self._told_of.get(str(each.get("id")), {}).get("person")
            whom = (f"{person}，", f"{person}, ") if person else _same("")
            tries = each.get("attempts", 1)
            again = (f"，第 {tries} 次", f", attempt {tries}") if tries > 1 else _same("")
            zh.append(f"{state[0]}（{whom[0]}{channel[0]}{again[0]}）")
            en.append(f"{state[1].lower()} ({whom[1]}{channel[1]}{again[1]})")
        return f"通知{'、'.join(zh)}", f"Notice {', '.join(en)}"

    def _title(self, body: Body) -> Words:
        name = str(body.get("obligation"))
        return self._titles.get(name, _same(name))

    def _unit(self, body: Body) -> str:
        code = str(body.get("unit", ""))
        return self._units.get(code, code)

    def _at(self, text: str) -> str:
        return read_back(text).astimezone(self._zone).strftime("%m-%d %H:%M:%S")

    def _when(self, value: object) -> Words:
        if isinstance(value, Mapping):
            ends = self._sent(value.get("earliest")), self._sent(value.get("latest"))
            return f"{ends[0]} 至 {ends[1]} 之间", f"between {ends[0]} and {ends[1]}"
        return _same(self._sent(value))

    def _sent(self, value: object) -> str:
        try:
            return parse(value).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        except ValueError:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_ARMS: Final[Mapping[FactKind, Callable[[Teller, Body], tuple[Words, str]]]] = {
    kind: getattr(Teller, f"_{kind.value}") for kind in FactKind
}


def actor_words(actor: str) -> Words:
    """Who did it: `account:<login>` and `token:<name>` are people and programs at the desk, `nats:<unit>` the bus."""
    kind, _, name = actor.partition(":")
    if actor == ENGINE:
        return "系统", "the system"
    if kind == "nats":
        return f"{name}（总线）", f"{name} (bus)"
    return _same(name or actor)


def casualty_words(counts: Mapping[str, object]) -> Words:
    """`亡3 伤11`; kinds that are nought or not said are left out, and of none at all it is said."""
    said = [
        (CASUALTY_NAMES.get(name, _same(name)), count)
        for name, count in counts.items()
        if isinstance(count, int) and not isinstance(count, bool) and count > 0
    ]
    if not said:
        return "无伤亡", "no casualties"
    return " ".join(f"{n[0]}{c}" for n, c in said), ", ".join(f"{c} {n[1]}" for n, c in said)


def _detail(kind: FactKind, body: Body) -> str:
    data = body.get("data") or {}
    return _text(data.get("text" if kind is FactKind.REPORTED else "reason"))


def _term(kind: type[Form] | type[Verdict] | type[NoticeReason] | type[NoticeState], value: object) -> Words:
    known = next((each for each in LABELS[kind] if each == value), None)
    return _same(str(value)) if known is None else LABELS[kind][known]


def _span(step: object) -> str:
    """The length of a step's offset; empty for none and for zero."""
    span = abs(parse_offset(step)) if isinstance(step, str) else timedelta(0)
    return countdown(span) if span else ""


def _low(title: Words) -> str:
    return title[1][:1].lower() + title[1][1:]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _same(text: str) -> Words:
    return text, text
