"""Reads an OASIS CAP 1.2 alert as the command it stands for.

CAP is a format of *warnings*: it has no casualties, no receipt time and no stages of reporting, and its
`sent` is when it was written, never when anything happened. So all it says is kept as sent, under `cap`, and
only what means the same here becomes a field of ours. In particular its severity is not our grade.

A CAP alert's references are compared as text: they are the sender's raw strings, never re-formatted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import ParseError  # only the exception: the parser is defusedxml's

from defusedxml import ElementTree, common

from reporter.core.command import Problem
from reporter.core.ijson import odd_character
from reporter.intake.unreadable import Unreadable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
BODY_BYTES_MAX = 262_144

_TAG = f"{{{NAMESPACE}}}"
_MODES = {"Actual": "actual", "Exercise": "exercise", "Test": "test", "System": "test"}
_TYPES = {
    "Alert": "reporter.incident.occurred",
    "Update": "reporter.incident.amended",
    "Cancel": "reporter.incident.withdrawn",
}
_CATEGORIES = {
    "Geo": "natural",
    "Met": "natural",
    "Safety": "accident",
    "Fire": "accident",
    "Transport": "accident",
    "Infra": "accident",
    "Env": "accident",
    "CBRNE": "accident",
    "Health": "health",
    "Security": "security",
}
_REASONS = {
    "Update": "预警信息更新，发布方未说明理由 / updated by its sender, who gave no reason",
    "Cancel": "预警信息取消，发布方未说明理由 / cancelled by its sender, who gave no reason",
}
# Elements that may occur more than once are always lists, so that a reader need not ask.
_REPEATED = frozenset({
    "category", "responseType", "eventCode", "parameter", "resource", "area", "polygon", "circle", "geocode",
})  # fmt: skip
_LEVELS_MAX = 3  # info/area/geocode/value: nothing of CAP lies deeper

_chinese_encoding = re.compile(
    rb"""\s*<\?xml[^>]*\bencoding\s*=\s*["'](?:gb2312|gbk|gb18030)["']""", re.IGNORECASE
).match
_region_code = re.compile(r"[1-8]\d{5}(?:\d{3}){0,2}").fullmatch  # GB/T 2260, perhaps down to the township
_circle = re.compile(r"\s*([-+]?\d{1,3}(?:\.\d{1,15})?),([-+]?\d{1,3}(?:\.\d{1,15})?)\s").match
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of the subtraction have lost their offset


@dataclass(frozen=True, slots=True)
class Alert:
    """The command an alert stands for: its identity, its `reporter.…` type and that type's `data`."""

    source: str
    id: str
    type: str
    data: dict[str, object]


class Reference(NamedTuple):
    """One triple of `references`, as sent."""

    sender: str
    identifier: str
    sent: str


def read(body: bytes) -> Alert:
    """The command that the CAP alert in `body` stands for. Errors: Unreadable, whatever the bytes are.

    Alert → occurred, Update → amended, Cancel → withdrawn, the latter two of the earliest alert referenced.
    """
    alert = _parse(body)
    head = _texts(alert)
    kind = head.get("msgType", "")
    errors = _head_errors(head)
    original = None
    if kind in _REASONS:
        original, flaws = _original(kind, head.get("references", ""))
        errors += flaws
    if errors:
        raise Unreadable(*errors)

    data = _data(head, alert.findall(_TAG + "info"), original)
    if kind == "Alert" and "title" not in data:
        raise Unreadable(Problem("info.headline", "缺少标题 / an Alert needs an info with headline or event"))
    return Alert("cap:" + head["sender"], head["identifier"], _TYPES[kind], data)


def _parse(body: bytes) -> "Element":
    if len(body) > BODY_BYTES_MAX:
        raise _not_cap(f"超过 {BODY_BYTES_MAX} 字节的上限 / larger than {BODY_BYTES_MAX} bytes")
    try:
        # expat knows no encoding of several bytes but Unicode's; Chinese senders use theirs.
        text = body.decode("gb18030") if _chinese_encoding(body) else body
        alert: Element = ElementTree.fromstring(text, forbid_dtd=True)
    except common.DefusedXmlException:
        raise _not_cap("XML 不得含 DOCTYPE 或实体声明 / XML with a DOCTYPE or entities is refused") from None
    except ParseError as error:
        raise _not_cap(
            f"应为 CAP 1.2 的 XML / not XML, where CAP 1.2 is expected: {str(error)[:200]}"
        ) from None
    except (ValueError, LookupError):
        raise _not_cap("XML 的编码无法识别 / XML in an encoding that cannot be read; send UTF-8") from None
    if alert.tag != _TAG + "alert":
        raise _not_cap(f"不是 CAP 1.2 / expected alert of {NAMESPACE}, found {alert.tag[:200]}")
    if odd := odd_character("".join(alert.itertext())):
        raise _not_cap(f"文本含有不允许的字符 {odd} / text holds {odd}, which no text may hold")
    return alert


def _not_cap(message: str) -> Unreadable:
    return Unreadable(Problem("body", message))


def _head_errors(head: dict[str, str]) -> list[Problem]:
    errors = [
        Problem(name, f"缺少 {name} / {name} is missing")
        for name in ("identifier", "sender", "status", "msgType")
        if not head.get(name)
    ]
    status, kind = head.get("status"), head.get("msgType")
    if status == "Draft":
        errors.append(Problem("status", "草稿不予受理 / a Draft is not acted on; send it when it is Actual"))
    elif status and status not in _MODES:
        errors.append(Problem("status", f"应为 {'、'.join(_MODES)} / must be one of {', '.join(_MODES)}"))
    if kind in {"Ack", "Error"}:
        errors.append(Problem("msgType", f"{kind} 不是事件 / {kind} is an answer, not an incident"))
    elif kind and kind not in _TYPES:
        errors.append(Problem("msgType", f"应为 {'、'.join(_TYPES)} / must be one of {', '.join(_TYPES)}"))
    return errors


# --- references --------------------------------------------------------------------------------------------


def _original(kind: str, text: str) -> tuple[Reference | None, list[Problem]]:
    """The earliest by `sent`: an Update of an Update lists both, and the incident was opened by the first.

    Of equals, and where no time can be read, the one listed first.
    """
    triples = text.split()
    if not triples:
        return None, [Problem("references", f"{kind} 未引用任何警报 / {kind} refers to no earlier alert")]
    references: list[Reference] = []
    for index, triple in enumerate(triples):
        match triple.split(",", 2):
            case [str(sender), str(identifier), str(sent)] if sender and identifier and sent:
                references.append(Reference(sender, identifier, sent))
            case _:  # one is enough: a list separated by the wrong sign is wrong throughout
                message = "应为 sender,identifier,sent / must be sender,identifier,sent"
                return None, [Problem(f"references.{index}", message)]
    return min(references, key=lambda reference: _instant(reference.sent)), []


def _instant(sent: str) -> timedelta:
    """Since 1970 in UTC; a text that names no instant sorts last. As a span, because year 1 has no UTC."""
    try:
        at = datetime.fromisoformat(sent)
    except ValueError:
        return timedelta.max
    offset = at.utcoffset()
    return timedelta.max if offset is None else at.replace(tzinfo=None) - _EPOCH - offset


# --- data --------------------------------------------------------------------------------------------------


def _data(head: dict[str, str], infos: list["Element"], original: Reference | None) -> dict[str, object]:
    kind = head["msgType"]
    data: dict[str, object] = {"mode": _MODES[head["status"]]}
    if original is None:
        data |= {"category": "other", "grade": None, "channel": "cap"}
    else:
        data["event"] = {"source": "cap:" + original.sender, "id": original.identifier}
        data["reason"] = head.get("note") or _REASONS[kind]
    if kind != "Cancel":
        data |= _facts(infos)
    data["cap"] = {
        **head,
        "references": head.get("references", "").split(),
        "infos": [_keep(info, _LEVELS_MAX) for info in infos],
    }
    return data


def _facts(infos: list["Element"]) -> dict[str, object]:
    """The fields of ours that the infos fill, Chinese ones first; nothing is invented."""
    infos = sorted(infos, key=lambda info: not _text(info, "language").lower().startswith("zh"))
    facts: dict[str, object] = {
        "title": _first(infos, "headline", "event"),
        "summary": _first(infos, "description"),
        # CAP must write "-00:00" where we write "Z". Anything odd goes on as sent: the gate names it.
        "occurred": re.sub(r"-00:00$", "Z", _first(infos, "onset")),
        "category": _category(infos),
        "place": next(filter(None, map(_place, infos)), None),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _category(infos: list["Element"]) -> str | None:
    """One of ours if all categories agree on it, `other` if they don't, None if there is none."""
    given = {
        _CATEGORIES.get((category.text or "").strip(), "other")
        for info in infos
        for category in info.findall(_TAG + "category")
    }
    return given.pop() if len(given) == 1 else ("other" if given else None)


def _place(info: "Element") -> dict[str, object] | None:
    areas = info.findall(_TAG + "area")
    place: dict[str, object] = {}
    if names := [name for area in areas if (name := _text(area, "areaDesc"))]:
        place["text"] = "；".join(names)
    codes = (_text(geocode, "value") for area in areas for geocode in area.findall(_TAG + "geocode"))
    if code := next(filter(_region_code, codes), None):
        place["code"] = code
    circles = (circle.text or "" for area in areas for circle in area.findall(_TAG + "circle"))
    if centre := next(filter(None, map(_centre, circles)), None):
        place["lat"], place["lon"] = centre
    return place or None


def _centre(circle: str) -> tuple[float, float] | None:
    """Latitude and longitude of `lat,lon radius`; None for what names no point on Earth."""
    found = _circle(circle)
    if found is None:
        return None
    lat, lon = float(found[1]), float(found[2])
    return (lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else None


# --- XML ---------------------------------------------------------------------------------------------------


def _children(element: "Element") -> Iterator[tuple[str, "Element"]]:
    """CAP's own children and their names; signatures and extensions of other namespaces are passed over."""
    return ((child.tag.removeprefix(_TAG), child) for child in element if child.tag.startswith(_TAG))


def _texts(element: "Element") -> dict[str, str]:
    """The non-blank texts directly inside `element`; repeated ones joined by spaces, as CAP's lists are."""
    texts: dict[str, str] = {}
    for name, child in _children(element):
        if name != "info" and (text := (child.text or "").strip()):
            texts[name] = f"{texts[name]} {text}" if name in texts else text
    return texts


def _text(element: "Element", name: str) -> str:
    return (element.findtext(_TAG + name) or "").strip()


def _first(infos: list["Element"], *names: str) -> str:
    """The first non-blank text: every name of the preferred info before any of the next."""
    return next((text for info in infos for name in names if (text := _text(info, name))), "")


def _keep(element: "Element", levels: int) -> object:
    """`element` as JSON, as sent: text, or an object of its children."""
    if levels < 0 or len(element) == 0:
        return (element.text or "").strip()
    kept: dict[str, object] = {}
    for name, child in _children(element):
        value = _keep(child, levels - 1)
        before = kept.get(name)
        if isinstance(before, list):
            before.append(value)
        elif name in _REPEATED or name in kept:
            kept[name] = [value] if name not in kept else [before, value]
        else:
            kept[name] = value
    return kept
