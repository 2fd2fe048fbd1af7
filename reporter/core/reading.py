"""Reading the `data` of a command, field by field: what can be read is a fact, what cannot is named.

There is one reader for every door. The bus is lenient (a problem becomes the anomaly `field_invalid:<path>` and
the field counts as absent), HTTP is strict (a problem is an error); both see the same problems.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from re import compile as pattern
from unicodedata import category

from reporter.core.command import Problem, incident_id
from reporter.core.instants import EXPECTED_ZH, parse
from reporter.core.terms import Category, CommandKind, Form, Grade, Mode

INCIDENT_ID = pattern(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CASUALTY_COUNTS = ("dead", "missing", "serious", "light", "injured", "trapped", "evacuated")
"""`injured`: hurt, how badly is not known yet."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """When it happened: an instant (both ends equal) or an interval, ends inclusive; not yet judged for sense."""

    earliest: datetime
    latest: datetime


_TEXT = "应为文本 / must be text"
_FILLED = "应为非空文本 / must be text that is not blank"
Reader = Callable[[object, str], object]
"""Reads the value found at a path, or raises `_Unreadable`."""


class _Unreadable(Exception):
    """A value that cannot be read, or members of it; `readable` is what is left without them, if that is anything."""

    def __init__(self, *problems: Problem, readable: object = None) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
        self.readable = readable


def _unreadable(path: str, message: str) -> _Unreadable:
    return _Unreadable(Problem(path, message))


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _unreadable(path, _TEXT)
    return value


def _filled(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _unreadable(path, _FILLED)
    return value.strip()


def _instant(value: object, path: str) -> datetime:
    try:
        return parse(value)
    except ValueError as error:
        raise _unreadable(path, f"{EXPECTED_ZH} / {error}") from None


def _occurrence(value: object, path: str) -> Occurrence:
    if not isinstance(value, Mapping):
        at = _instant(value, path)
        return Occurrence(at, at)
    ends: list[datetime] = []
    problems: list[Problem] = []
    for end in ("earliest", "latest"):
        try:
            ends.append(_instant(value.get(end), f"{path}.{end}"))
        except _Unreadable as unreadable:
            problems += unreadable.problems
    if problems:
        raise _Unreadable(*problems)
    return Occurrence(*ends)


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise _unreadable(path, "应为 true 或 false / must be true or false")
    return value


def _word(words: type[Category] | type[Grade] | type[Mode] | type[Form]) -> Callable[[object, str], str]:
    valid = {word.value for word in words}
    listing = ", ".join(word.value for word in words)

    def read(value: object, path: str) -> str:
        if not isinstance(value, str) or value not in valid:
            raise _unreadable(path, f"取值 / must be one of {listing}")
        return value

    return read


def _degrees(limit: int) -> Reader:
    def read(value: object, path: str) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise _unreadable(path, "应为度数 / must be a number of degrees")
        if abs(value) > limit:
            raise _unreadable(path, f"应在 ±{limit} 度以内 / must be between -{limit} and {limit} degrees")
        return value

    return read


def _count(value: object, path: str) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _unreadable(path, "应为非负整数 / must be a whole number, 0 or more")
    return value


def _members(readers: Mapping[str, Reader]) -> Reader:
    """Reads an object member by member: what cannot be read is left out and named, unknown members are kept."""

    def read(value: object, path: str) -> object:
        if not isinstance(value, Mapping):
            raise _unreadable(path, f"应为对象，含 / must be an object with {', '.join(readers)}")
        readable: dict[str, object] = dict(value)
        problems: list[Problem] = []
        for name, read_member in readers.items():
            if value.get(name) is None:
                continue
            try:
                read_member(value[name], f"{path}.{name}")
            except _Unreadable as unreadable:
                problems += unreadable.problems
                del readable[name]
        if problems:
            raise _Unreadable(*problems, readable=readable)
        return readable

    return read


_place = _members({"text": _text, "code": _text, "lat": _degrees(90), "lon": _degrees(180)})
_casualties = _members(dict.fromkeys(CASUALTY_COUNTS, _count))

_INCIDENT_READERS: Mapping[str, Reader] = {
    "title": _filled,
    "occurred": _occurrence,
    "aware": _instant,
    "category": _word(Category),
    "grade": _word(Grade),
    "sensitive": _flag,
    "mode": _word(Mode),
    "place": _place,
    "casualties": _casualties,
    "summary": _text,
    "channel": _text,
}
_KEPT_WHEN_NULL = frozenset({"title", "occurred", "sensitive", "mode"})
"""Null leaves these as they were; for the other fields of an amendment null clears the fact."""


def incident_facts(data: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """The readable facts among the fields of an occurred or amended command, and what could not be read.

    Null and absent both mean "not said" for title, occurrence, sensitivity and mode; null for another field is
    kept as None (an amendment clears it). Both come in the order of the readers: that of the keys is lost once the
    data is in the ledger.
    """
    facts: dict[str, object] = {}
    problems: list[Problem] = []
    for name, read in _INCIDENT_READERS.items():
        if name not in data:
            continue
        value = data[name]
        if value is None:
            if name not in _KEPT_WHEN_NULL:
                facts[name] = None
            continue
        try:
            facts[name] = read(value, name)
        except _Unreadable as unreadable:
            problems += unreadable.problems
            if unreadable.readable:
                facts[name] = unreadable.readable
    return facts, problems


def extra_fields(kind: CommandKind, data: Mapping[str, object]) -> dict[str, object]:
    """The fields of an occurred, amended or filed command that no rule reads: kept and shown."""
    return {name: data[name] for name in sorted(data.keys() - _KNOWN[kind])}


_ADDRESSED = ("unit", "incident", "event", "reason")
_KNOWN: dict[CommandKind, frozenset[str]] = {
    CommandKind.OCCURRED: frozenset((*_INCIDENT_READERS, "schedule", "unit")),
    CommandKind.AMENDED: frozenset((*_INCIDENT_READERS, *_ADDRESSED)),
    CommandKind.FILED: frozenset(
        ("covers", "form", "text", "author", "elements", "call", "attachments", *_ADDRESSED)
    ),
}


@dataclass(frozen=True, slots=True)
class Report:
    """The readable parts of a filed report. `covers` is None when the report names no obligation."""

    covers: tuple[str, ...] | None
    form: Form
    author: str | None
    elements: Mapping[str, object]


def _listed(read_item: Reader) -> Reader:
    """Reads a list item by item."""

    def read(value: object, path: str) -> object:
        if not isinstance(value, list):
            raise _unreadable(path, "应为列表 / must be a list")
        problems: list[Problem] = []
        for index, item in enumerate(value):
            try:
                read_item(item, f"{path}.{index}")
            except _Unreadable as unreadable:
                problems += unreadable.problems
        if problems:
            raise _Unreadable(*problems)
        return value

    return read


_SHOWN_READERS: Mapping[str, Reader] = {
    "text": _text,
    "call": _members(dict.fromkeys(("caller", "answered_by", "phone"), _text)),
    "attachments": _listed(_members(dict.fromkeys(("name", "sha256", "object"), _text))),
}
"""The parts of a report that no rule depends on: kept and shown as sent, whatever they are."""


def report(data: Mapping[str, object]) -> tuple[Report, list[Problem]]:
    """Reads a filed report. A form that is absent or unreadable counts as written: the message itself is text."""
    problems: list[Problem] = []
    covers: tuple[str, ...] | None = None
    named = data.get("covers")
    if named is not None:
        if isinstance(named, list) and all(isinstance(name, str) for name in named):
            covers = tuple(dict.fromkeys(named)) or None
        else:
            problems.append(Problem("covers", "应为报送义务名称的列表 / must be a list of obligation names"))
    form = Form.WRITTEN
    if (said := data.get("form")) is not None:
        if isinstance(said, str) and said in ("phone", "written"):
            form = Form(said)
        else:
            problems.append(Problem("form", "取值 / must be one of phone, written"))
    author = data.get("author")
    if author is not None and not isinstance(author, str):
        problems.append(Problem("author", _TEXT))
        author = None
    elements = data.get("elements")
    if elements is not None and not isinstance(elements, Mapping):
        problems.append(
            Problem("elements", "应为对象，每要素一项 / must be an object, one member per element")
        )
        elements = None
    for name, read in _SHOWN_READERS.items():
        if data.get(name) is not None:
            try:
                read(data[name], name)
            except _Unreadable as unreadable:
                problems += unreadable.problems
    return Report(covers, form, author, elements or {}), problems


def is_declared(element: object) -> bool:
    """Whether a required element is declared: non-blank text, `{"pending": "why"}` or `{"none": true}`."""
    if isinstance(element, str):
        return bool(element.strip())
    if isinstance(element, Mapping) and len(element) == 1:
        why = element.get("pending")
        return element.get("none") is True or (isinstance(why, str) and bool(why.strip()))
    return False


def target(kind: CommandKind, data: Mapping[str, object]) -> str | Problem:
    """The incident a command acts on: `incident`, or the one its `event` opened. A Problem if it names none."""
    named = data.get("incident")
    event = data.get("event")
    if named is None and isinstance(event, Mapping):
        source, id_ = event.get("source"), event.get("id")
        if isinstance(source, str) and source and isinstance(id_, str) and id_:
            return incident_id(source, id_)
        return Problem(
            "event", "须写明登记消息的 source 与 id / must name the source and the id of the occurred event"
        )
    if not isinstance(named, str) or not INCIDENT_ID.fullmatch(named.lower()):
        return Problem(
            "incident",
            f"须写明事件的编号，或登记消息的 source 与 id / {kind.value} must name its incident by id, or its "
            "occurred event by source and id",
        )
    return named.lower()


def problems(kind: CommandKind, data: Mapping[str, object]) -> list[Problem]:
    """Everything in `data` that cannot be read, for the strict door."""
    if kind is CommandKind.FILED:
        says = ("covers", "form", "text", "elements", "call", "attachments")
        problems = report(data)[1]
        if not problems and not any(data.get(name) for name in says):
            problems = [Problem("", "内容为空 / the report says nothing")]
        return problems
    if kind is CommandKind.ACKNOWLEDGED:
        return _texts(data, optional=("notice", "by"))
    found = incident_facts(data)[1] if kind in (CommandKind.OCCURRED, CommandKind.AMENDED) else []
    title = data.get("title")
    if isinstance(title, str) and title.strip() and not _visible(title).strip():
        found.append(Problem("title", _FILLED))  # on the bus not even this is a reason to lose an emergency
    if kind is CommandKind.OCCURRED:
        if data.get("title") is None:
            found.append(Problem("title", "事件名称必填 / a title is required"))
        return found + _texts(data, optional=("schedule", "unit"))
    if kind is CommandKind.WITHDRAWN and isinstance(data.get("duplicate_of"), str):
        return _texts(data, optional=("reason",))  # that it is a duplicate says why
    found += _texts(data, required=("reason",))
    if kind is CommandKind.AMENDED and not incident_facts(data)[0] and not found:
        found.append(Problem("", "未更正任何事实 / an amendment must correct at least one fact"))
    if kind is CommandKind.WITHDRAWN:
        found += _texts(data, optional=("duplicate_of",))
    if kind is CommandKind.FOUND:
        found += _texts(data, required=("finding", "by"))
    return found


def _visible(text: str) -> str:
    """The text without characters that only say how to show others, such as the zero-width space."""
    return "".join(character for character in text if category(character) != "Cf")


def _texts(
    data: Mapping[str, object], required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> list[Problem]:
    found = [
        Problem(name, _FILLED)
        for name in required
        if not isinstance(value := data.get(name), str) or not value.strip()
    ]
    found += [
        Problem(name, _TEXT)
        for name in optional
        if data.get(name) is not None and not isinstance(data[name], str)
    ]
    return found
