"""Reads I-JSON (RFC 7493) and refuses everything a plain JSON reader lets through.

`json.loads` takes NaN, 1e400, 30-digit integers, lone surrogates and duplicate names; the ledger's canonical
form and PostgreSQL do not, and two readers of one ambiguous message may understand two things. This is on the
arming path, so there are two ways through: a quick one over the standard library's C scanner, which stops at
the first thing that looks odd, and a thorough one, which alone says what is wrong and where.
"""

import json
import re
from typing import NoReturn

BODY_BYTES_MAX = 262_144
DEPTH_MAX = 32
INTEGER_MAX = 2**53 - 1

_BOM = b"\xef\xbb\xbf"
_NAME_CHARS_MAX = 64

# An escape that may be U+0000, half of a surrogate pair, or a noncharacter.
_odd_escape = re.compile(r"\\u(?:0000|[dD][89a-fA-F]|[fF][dD][dDeE]|[fF]{3}[eEfF])").search
_odd_character = re.compile(
    "[\0\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
).search


class NotIJson(ValueError):
    """`message` says what is wrong, zh / en; `path` where: `casualties.dead`, "" for the whole."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def loads(body: bytes, *, limit: int = BODY_BYTES_MAX, depth: int = DEPTH_MAX) -> object:
    """The value that `body` holds: at most `limit` bytes, objects and arrays at most `depth` deep.

    The outermost object or array is depth 1. Errors: NotIJson, whatever the bytes are.
    """
    if len(body) > limit:
        raise NotIJson(f"超过 {limit} 字节的上限（{len(body)}） / larger than {limit} bytes ({len(body)})")
    if not body:
        raise NotIJson("空消息 / empty")
    if body.startswith(_BOM):
        raise NotIJson("以字节顺序标记 BOM 开头，请去掉 / begins with a byte order mark: send it without")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        at = error.start + 1
        raise NotIJson(f"第 {at} 字节不是有效的 UTF-8 / not valid UTF-8 at byte {at}") from None
    if not _may_be_odd(body, text, depth):
        try:
            return _quick(text)
        except (ValueError, RecursionError):
            pass
    return _thorough(text, depth)


def odd_character(text: str) -> str | None:
    """The first lone surrogate, noncharacter or U+0000 in `text`, as `U+FFFF`; None if there is none."""
    found = _odd_character(text)
    return found and f"U+{ord(found[0]):04X}"


def _may_be_odd(body: bytes, text: str, depth: int) -> bool:
    """True when only the thorough way can tell; a false alarm costs time, never the answer."""
    return (
        text.count("{") + text.count("[") > depth
        # The ends of every noncharacter in UTF-8 (and of some innocent characters).
        or b"\xbf\xbe" in body
        or b"\xbf\xbf" in body
        or b"\xef\xb7" in body
        or ("\\u" in text and _odd_escape(text) is not None)
    )


# --- the quick way -----------------------------------------------------------------------------------------


def _stop(_: str) -> NoReturn:
    raise ValueError


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _integer(digits: str) -> int:
    if len(digits) < 16:  # certainly within the bound, and short enough for int() to be quick
        return int(digits)
    if len(digits) > 17 or abs(number := int(digits)) > INTEGER_MAX:
        raise ValueError
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if abs(number) > INTEGER_MAX:  # a whole number then, written out as one in canonical form: the same bound
        raise ValueError
    return number


_quick = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_stop
).decode


# --- the thorough way --------------------------------------------------------------------------------------


class _Flaw:
    """Stands in the parsed value where something must not be, so that the walk can say where."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


def _unique_or_flaw(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                members[name] = _Flaw("同一名称出现两次 / the same name occurs twice in one object")
            seen.add(name)
    return members


def _integer_or_flaw(digits: str) -> int | _Flaw:
    try:
        return _integer(digits)
    except ValueError:
        return _Flaw(f"整数超出 ±{INTEGER_MAX} / an integer beyond ±{INTEGER_MAX}; send it as a string")


def _finite_or_flaw(digits: str) -> float | _Flaw:
    try:
        return _finite(digits)
    except ValueError:
        return _Flaw(f"数值超出 ±{INTEGER_MAX} / a number beyond ±{INTEGER_MAX}; send it as a string")


def _constant_flaw(name: str) -> _Flaw:
    return _Flaw(f"{name} 不是 JSON 数值 / {name} is not a number of JSON")


_with_flaws = json.JSONDecoder(
    object_pairs_hook=_unique_or_flaw,
    parse_int=_integer_or_flaw,
    parse_float=_finite_or_flaw,
    parse_constant=_constant_flaw,
).decode


def _thorough(text: str, depth: int) -> object:
    try:
        value: object = _with_flaws(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        what = error.msg.rstrip(": ").removesuffix(" starting at")
        raise NotIJson(f"不是 JSON（{where}） / not JSON: {what} ({where})") from None
    except RecursionError:
        raise _too_deep("", depth) from None
    _walk(value, "", depth, depth)
    return value


def _walk(value: object, path: str, room: int, depth: int) -> None:
    """Raises at the first flaw in reading order. Recursion is bounded by `depth`."""
    match value:
        case _Flaw():
            raise NotIJson(value.message, path)
        case str():
            _check_text(value, path)
        case dict() | list() if room == 0:
            raise _too_deep(path, depth)
        case dict():
            for name, member in value.items():
                _check_text(name, path)
                _walk(member, join(path, name), room - 1, depth)
        case list():
            for index, member in enumerate(value):
                _walk(member, join(path, str(index)), room - 1, depth)


def join(path: str, name: str) -> str:
    """`path` one step further in; a name too long to be read is cut."""
    if len(name) > _NAME_CHARS_MAX:
        name = name[:_NAME_CHARS_MAX] + "…"
    return f"{path}.{name}" if path else name


def _check_text(text: str, path: str) -> None:
    if odd := odd_character(text):
        raise NotIJson(f"文本含有不允许的字符 {odd} / text holds {odd}, which I-JSON forbids", path)


def _too_deep(path: str, depth: int) -> NotIJson:
    return NotIJson(f"嵌套超过 {depth} 层 / objects and arrays more than {depth} deep", path)
