"""Reads one NATS message as the CloudEvent it carries, in either content mode, or says why it cannot.

Only the form is judged here: who the unit is, what the fields of `data` mean and whether they can be read is
decided later, with the incident at hand, because on the bus an odd field is no reason to lose an emergency.

Two rules for binary mode are in use, HTTP's (the type of the data is `Content-Type`) and that of the NATS
binding (it is `ce-datacontenttype`): both are accepted, and both have to name JSON where both are given.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote

from reporter.core import ijson
from reporter.core.canonical import canonical
from reporter.core.command import Problem
from reporter.core.roster import ROOT
from reporter.intake import cap
from reporter.intake.unreadable import Unreadable

__all__ = ["Event", "Kind", "Problem", "Unreadable", "read", "reply_subject"]

Kind = Literal["incident", "report", "ack", "cap"]

_PREFIX = "reporter.in."
_MEDIA = "application/cloudevents"
_TYPES: dict[str, tuple[str, ...]] = {
    "incident": tuple(
        f"reporter.incident.{fact}" for fact in ("occurred", "amended", "withdrawn", "closed", "reopened")
    ),
    "report": ("reporter.report.filed",),
    "ack": ("reporter.notice.acknowledged",),
}
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_REPLY_PREFIXES = ("_INBOX.", "reporter.reply.")
_CHARS_MAX = 1024
_FORBIDDEN = "含有控制字符 / holds a control or other forbidden character"
_UNREAD = object()  # in the place of data that could not be read, whose problem has been told

_control = re.compile("[\0-\x1f\x7f-\x9f]").search
_json_media = re.compile(r"[^/\s]+/(?:[^/\s]+\+)?json", re.IGNORECASE).fullmatch
_reply = re.compile(r"[^.*>]+(?:\.[^.*>]+)+").fullmatch


@dataclass(frozen=True, slots=True)
class Event:
    """One well-formed message. `(source, id)` is its identity, `digest` what that identity stands for.

    `subject` is the NATS subject; `unit_code` what follows its kind, any text; `data` is as sent; `digest` is
    the SHA-256, in hex, of the canonical JSON of `[subject, type, data]`: one value for both content modes.
    """

    source: str
    id: str
    type: str
    subject: str
    kind: Kind
    unit_code: str
    data: dict[str, object]
    digest: str


def read(subject: str, headers: Mapping[str, str] | None, body: bytes) -> Event:
    """The event in a message on `subject`. Errors: Unreadable, whatever the headers and bytes are."""
    kind, unit_code = _subject(subject)
    if kind == "cap":
        return _cap(subject, unit_code, body)
    fields = _lower(headers) if headers else {}
    media = _media(fields.get("content-type", ""))
    if media.startswith(_MEDIA) or not any(name.startswith("ce-") for name in fields):
        return _structured(subject, kind, unit_code, media, body)
    return _binary(subject, kind, unit_code, fields, body)


def reply_subject(headers: Mapping[str, str] | None) -> tuple[str | None, bool]:
    """Where the outcome is wanted, from `Reporter-Reply`; True when one was named that is not honoured.

    Only literal subjects below `_INBOX.` and `reporter.reply.` are: no publisher makes us write elsewhere.
    """
    asked = [value for name, value in (headers or {}).items() if name.lower() == "reporter-reply"]
    if not asked:
        return None, False
    wanted = asked[0].strip()
    honoured = (
        all(value.strip() == wanted for value in asked)
        and wanted.startswith(_REPLY_PREFIXES)
        and len(wanted) <= _CHARS_MAX
        and " " not in wanted
        and wanted.isprintable()
        and _reply(wanted) is not None
    )
    return (wanted, False) if honoured else (None, True)


# --- the modes ---------------------------------------------------------------------------------------------
# Problems are gathered as path → message: of two with one path only the first is worth telling.


def _structured(subject: str, kind: Kind, unit_code: str, media: str, body: bytes) -> Event:
    if media.startswith(_MEDIA + "-batch"):
        raise _unreadable("content-type", "不接受批量模式 / no batches: publish each event by itself")
    # The bare type names no format, and JSON is the one that every implementation must know.
    if media.startswith(_MEDIA) and media not in (_MEDIA, _MEDIA + "+json"):
        raise _unreadable("content-type", f"应为 {_MEDIA}+json / only +json can be read")
    document = _json(body, "")
    if not isinstance(document, dict):
        raise _unreadable("body", "应为 JSON 对象 / must be the JSON object of a CloudEvent")

    errors: dict[str, str] = {}
    data = document.get("data")
    encoded = document.get("data_base64")
    if encoded is not None:
        if data is not None:
            errors["data_base64"] = "与 data 只能有其一 / data and data_base64 exclude each other"
        else:
            data = _decoded(encoded, errors)
    _check_media(document.get("datacontenttype"), "datacontenttype", errors)
    return _event(subject, kind, unit_code, document, "", data, errors)


def _binary(subject: str, kind: Kind, unit_code: str, fields: dict[str, str], body: bytes) -> Event:
    errors: dict[str, str] = {}
    attributes: dict[str, object] = {}
    for name, value in fields.items():
        if name.startswith("ce-"):
            try:
                attributes[name[3:]] = _header_text(value)
            except UnicodeError:
                errors[name] = "百分号编码不是有效的 UTF-8 / percent-encoded, but not as UTF-8"
    for name in ("content-type", "ce-datacontenttype"):
        _check_media(fields.get(name), name, errors)
    data: object = _UNREAD
    try:
        data = _json(body, "data")
    except Unreadable as unreadable:
        errors |= {problem.path: problem.message for problem in unreadable.errors}
    return _event(subject, kind, unit_code, attributes, "ce-", data, errors)


def _cap(subject: str, unit_code: str, body: bytes) -> Event:
    alert = cap.read(body)
    errors: dict[str, str] = {}
    _check_attribute(alert.source, "sender", errors)
    _check_attribute(alert.id, "identifier", errors)
    if errors:
        raise _all(errors)
    digest = _digest(subject, alert.type, alert.data)
    return Event(alert.source, alert.id, alert.type, subject, "cap", unit_code, alert.data, digest)


def _event(
    subject: str,
    kind: Kind,
    unit_code: str,
    attributes: Mapping[str, object],
    prefix: str,
    data: object,
    errors: dict[str, str],
) -> Event:
    """The checks that both modes share; `prefix` is what the mode writes before the name of an attribute."""
    if attributes.get("specversion") != "1.0":
        message = '不是 CloudEvents 1.0 / not a CloudEvent: specversion must be "1.0"'
        errors.setdefault(prefix + "specversion", message)
    id_ = _check_attribute(attributes.get("id"), prefix + "id", errors)
    source = _check_attribute(attributes.get("source"), prefix + "source", errors)
    if source.startswith("/api/"):
        errors.setdefault(prefix + "source", "/api/ 保留给 HTTP / sources beginning /api/ belong to HTTP")
    type_ = _check_attribute(attributes.get("type"), prefix + "type", errors)
    if type_ not in _TYPES[kind]:
        message = f"与主题不符，应为 / on {_PREFIX}{kind}.> must be one of {', '.join(_TYPES[kind])}"
        errors.setdefault(prefix + "type", message)
    if not isinstance(data, dict):
        if data is not _UNREAD:
            errors.setdefault("data", "应为 JSON 对象 / must be a JSON object")
        raise _all(errors)
    unit = data.get("unit")
    if (
        unit != unit_code and isinstance(unit, str) and ROOT not in (unit, unit_code)
    ):  # an alias: the gate's to judge
        errors.setdefault("data.unit", "与主题中的单位不同 / differs from the unit in the subject")
    if errors:
        raise _all(errors)
    return Event(source, id_, type_, subject, kind, unit_code, data, _digest(subject, type_, data))


# --- parts -------------------------------------------------------------------------------------------------


def _subject(subject: str) -> tuple[Kind, str]:
    kind, dot, unit_code = subject.removeprefix(_PREFIX).partition(".")
    if not subject.startswith(_PREFIX) or kind not in _KINDS or not dot or not unit_code:
        raise _unreadable("subject", f"主题应为 / must be {_PREFIX}<{'|'.join(_KINDS)}>.<unit>")
    if _is_forbidden(unit_code):
        raise _unreadable("subject", _FORBIDDEN)
    return _KINDS[kind], unit_code


def _digest(subject: str, type_: str, data: dict[str, object]) -> str:
    return hashlib.sha256(canonical([subject, type_, data])).hexdigest()


def _json(body: bytes, path: str) -> object:
    """`body` as I-JSON, its problems named below `path`."""
    try:
        return ijson.loads(body)
    except ijson.NotIJson as error:
        if body.lstrip()[:1] == b"<":
            raise _unreadable("body", "CAP 请发往 / XML: send CAP to reporter.in.cap.<unit>") from None
        where = f"{path}.{error.path}" if path and error.path else error.path or path or "body"
        raise _unreadable(where, error.message) from None


def _decoded(encoded: object, errors: dict[str, str]) -> object:
    """What `data_base64` holds; _UNREAD, and the reason in `errors`, when it holds no JSON."""
    try:
        content = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except ValueError:
        content = None
    if content is None:
        errors["data_base64"] = "应为 base64 文本 / must be text in base64"
        return _UNREAD
    try:
        return _json(content, "data_base64")
    except Unreadable as unreadable:
        errors |= {problem.path: problem.message for problem in unreadable.errors}
        return _UNREAD


def _check_attribute(value: object, path: str, errors: dict[str, str]) -> str:
    """`value` as the text it has to be; when it is not, "" or what there is, and the reason in `errors`."""
    if not isinstance(value, str) or not value:
        errors.setdefault(path, "缺少或不是文本 / must be a non-empty text")
        return ""
    if len(value) > _CHARS_MAX:
        errors.setdefault(path, f"超过 {_CHARS_MAX} 个字符 / longer than {_CHARS_MAX} characters")
    elif _is_forbidden(value):
        errors.setdefault(path, _FORBIDDEN)
    return value


def _is_forbidden(text: str) -> bool:
    """True for control characters and what I-JSON forbids: CloudEvents allows neither in an attribute."""
    return not text.isprintable() and (_control(text) is not None or ijson.odd_character(text) is not None)


def _check_media(value: object, path: str, errors: dict[str, str]) -> None:
    """The type of the data has to be JSON where it is given at all."""
    if value is None or value == "application/json":
        return
    if not isinstance(value, str) or not _json_media(_media(value)):
        errors[path] = "数据应为 application/json / the data must be application/json"


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    """`headers` by lower-case name; refused where two spellings of a name that matters differ in value."""
    fields: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if fields.setdefault(lower, value) != value and (lower == "content-type" or lower.startswith("ce-")):
            raise _unreadable(lower, "同一标头有两个不同的值 / one header with two different values")
    return fields


def _header_text(value: str) -> str:
    """The text that a `ce-` header stands for: unquoted, then percent-decoded once, as HTTP's binding has it.

    Errors: UnicodeError. UTF-8 sent bare is against the rule but clear; depending on the way it was read the
    client library hands it over decoded or with its bytes as surrogates, and both must give one identity.
    """
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode()
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    return unquote(value, errors="strict") if "%" in value else value


def _unreadable(path: str, message: str) -> Unreadable:
    return Unreadable(Problem(path, message))


def _all(errors: Mapping[str, str]) -> Unreadable:
    return Unreadable(*(Problem(path, message) for path, message in errors.items()))
