"""The values a setting may have: a reader takes what was written and gives what is meant, or says what is expected."""

import re
import tomllib
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ROLES = ("desk", "engine")
SHARED_SECRET_CHARS_MIN = 16

Reader = Callable[[object], object]


class Unfit(ValueError):
    """What was expected instead of the value given."""


def text(raw: object) -> str:
    if isinstance(raw, str) and raw.strip():
        return raw.strip()
    expected = "a non-empty text"
    raise Unfit(expected)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables `[<channel>.<account>]` as written; `folder` is where relative paths in them start."""

    document: Mapping[str, object] = field(default_factory=dict)
    folder: Path = Path()


def tables(raw: object) -> Tables:
    """Tables of the file itself, or those of a TOML file of their own."""
    if isinstance(raw, Tables):
        return raw
    if isinstance(raw, Mapping):
        return Tables(raw)
    file = path(raw)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as reason:
        # The reason may quote the file, and the file holds secrets.
        expected = f"a TOML file that can be read ({type(reason).__name__})"
        raise Unfit(expected) from None
    found = document.get("channels", document)
    return Tables(found if isinstance(found, Mapping) else {"channels": found}, file.parent)


def path(raw: object) -> Path:
    return Path(text(str(raw) if isinstance(raw, Path) else raw)).expanduser()


def _number(raw: object, expected: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise Unfit(expected)
    try:
        return float(raw)
    except ValueError:
        raise Unfit(expected) from None


def port(raw: object) -> int:
    expected = "a port number, 0 to 65535"
    number = _number(raw, expected)
    if not (number.is_integer() and 0 <= number <= 65535):
        raise Unfit(expected)
    return int(number)


def copies(raw: object) -> int:
    expected = "1, 3 or 5"
    number = _number(raw, expected)
    if number not in (1, 3, 5):
        raise Unfit(expected)
    return int(number)


def bytes_count(raw: object) -> int:
    expected = "a whole number of bytes, 1024 to 1073741824"
    number = _number(raw, expected)
    if not (number.is_integer() and 1024 <= number <= 1 << 30):
        raise Unfit(expected)
    return int(number)


def seconds(raw: object) -> float:
    expected = "a number of seconds above 0, at most 3600"
    number = _number(raw, expected)
    if not 0 < number <= 3600:
        raise Unfit(expected)
    return number


def address(raw: object) -> str:
    expected = "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
    said = text(raw)
    found = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+):([0-9]{1,5})", said)
    if not found or int(found[1]) > 65535:
        raise Unfit(expected)
    return said


def networks(raw: object) -> str:
    """IP addresses and networks with commas between, in one form."""
    try:
        return ",".join(str(ip_network(part.strip())) for part in text(raw).split(","))
    except ValueError:
        expected = "IP addresses or networks with commas between, such as 127.0.0.1,10.1.0.0/16"
        raise Unfit(expected) from None


def url(*schemes: str) -> Callable[[object], str]:
    expected = " or ".join(f"{scheme}://…" for scheme in schemes)

    def read(raw: object) -> str:
        said = text(raw)
        try:
            parts = urlsplit(said)
        except ValueError:
            raise Unfit(expected) from None
        if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
            raise Unfit(expected)
        return said

    return read


def brokers(raw: object) -> str:
    """One broker's URL, or those of several of one cluster with commas between."""
    read = url("nats", "tls", "ws", "wss")
    return ",".join(read(part) for part in text(raw).split(","))


def one_of(*words: str) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if raw in words:
            return str(raw)
        expected = "one of " + ", ".join(words)
        raise Unfit(expected)

    return read


def roles(raw: object) -> frozenset[str]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if isinstance(parts, list | tuple | set | frozenset):
        names = {part.strip() if isinstance(part, str) else part for part in parts}
        if names and names <= set(ROLES):
            return frozenset(str(name) for name in names)
    expected = "one or more of " + ", ".join(ROLES) + ", with commas between"
    raise Unfit(expected)


def zone(raw: object) -> str:
    said = text(raw)
    try:
        ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "an IANA time zone, such as Asia/Shanghai"
        raise Unfit(expected) from None
    return said


def secrets_by_channel(raw: object) -> tuple[tuple[str, str], ...]:
    """`channel=secret`, separated by commas or blanks; a channel may have several. `whsec_` ones are base64."""
    expected = "channel=secret,channel=secret; 16 characters at least, or whsec_ and 24 to 64 bytes in base64"
    listed = raw if isinstance(raw, list) else text(raw).replace(",", " ").split()
    found = []
    for each in listed:
        name, equals, secret = str(each).partition("=")
        if not (equals and re.fullmatch(r"[a-z][a-z0-9_-]*", name) and _is_receipt_secret(secret)):
            raise Unfit(expected)
        found.append((name, secret))
    return tuple(found)


def _is_receipt_secret(secret: str) -> bool:
    if not secret.startswith("whsec_"):
        return len(secret) >= SHARED_SECRET_CHARS_MIN
    try:
        return 24 <= len(b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    except ValueError:
        return False


def day_of_month(raw: object) -> int:
    """1 to 28, so that every month has it."""
    number = _number(raw, "a day of the month, 1 to 28")
    if number not in range(1, 29):
        raise Unfit("a day of the month, 1 to 28")
    return int(number)
