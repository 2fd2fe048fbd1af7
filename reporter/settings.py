"""The settings: flags over environment over `reporter.toml` over defaults, read once into one frozen object.

Each field of `Settings` is a setting, and its metadata is all there is to know about it: the flag
`--data-dir`, the variable `REPORTER_DATA_DIR` and the key `data_dir` follow from its name, and the README's
table is made from `described()`. A plain dataclass rather than a settings library, because every verb of the
CLI waits for this module.

The file is the one named by `REPORTER_CONFIG`; else `reporter.toml` in the data folder; else
`./reporter.toml`. Relative paths in it start at the file's own folder, others at the working directory.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ENV_PREFIX = "REPORTER_"
FILE_NAME = "reporter.toml"
CONFIG = ENV_PREFIX + "CONFIG"
ROLES = ("desk", "engine")
MASK = "***"

Reader = Callable[[object], object]


class SettingsError(Exception):
    """Settings that cannot be used; `problems` names each setting, its source and what is expected."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Unfit(ValueError):
    """What was expected instead of the value given."""


def _text(raw: object) -> str:
    if isinstance(raw, str) and raw.strip():
        return raw.strip()
    expected = "a non-empty text"
    raise _Unfit(expected)


def _path(raw: object) -> Path:
    return Path(_text(str(raw) if isinstance(raw, Path) else raw)).expanduser()


def _number(raw: object, expected: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise _Unfit(expected)
    try:
        return float(raw)
    except ValueError:
        raise _Unfit(expected) from None


def _port(raw: object) -> int:
    expected = "a port number, 0 to 65535"
    number = _number(raw, expected)
    if not (number.is_integer() and 0 <= number <= 65535):
        raise _Unfit(expected)
    return int(number)


def _seconds(raw: object) -> float:
    expected = "a number of seconds above 0, at most 3600"
    number = _number(raw, expected)
    if not 0 < number <= 3600:
        raise _Unfit(expected)
    return number


def _address(raw: object) -> str:
    expected = "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
    text = _text(raw)
    found = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+):([0-9]{1,5})", text)
    if not found or int(found[1]) > 65535:
        raise _Unfit(expected)
    return text


def _networks(raw: object) -> str:
    """IP addresses and networks with commas between, in one form."""
    try:
        return ",".join(str(ip_network(part.strip())) for part in _text(raw).split(","))
    except ValueError:
        expected = "IP addresses or networks with commas between, such as 127.0.0.1,10.1.0.0/16"
        raise _Unfit(expected) from None


def _url(*schemes: str) -> Callable[[object], str]:
    expected = " or ".join(f"{scheme}://…" for scheme in schemes)

    def read(raw: object) -> str:
        text = _text(raw)
        try:
            parts = urlsplit(text)
        except ValueError:
            raise _Unfit(expected) from None
        if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
            raise _Unfit(expected)
        return text

    return read


def _brokers(raw: object) -> str:
    """One broker's URL, or those of several of one cluster with commas between."""
    read = _url("nats", "tls", "ws", "wss")
    return ",".join(read(part) for part in _text(raw).split(","))


def _one_of(*words: str) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if raw in words:
            return str(raw)
        expected = "one of " + ", ".join(words)
        raise _Unfit(expected)

    return read


def _roles(raw: object) -> frozenset[str]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if isinstance(parts, list | tuple | set | frozenset):
        names = {part.strip() if isinstance(part, str) else part for part in parts}
        if names and names <= set(ROLES):
            return frozenset(str(name) for name in names)
    expected = "one or more of " + ", ".join(ROLES) + ", with commas between"
    raise _Unfit(expected)


def _zone(raw: object) -> str:
    text = _text(raw)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "an IANA time zone, such as Asia/Shanghai"
        raise _Unfit(expected) from None
    return text


def _about(doc: str, read: Reader, *, secret: bool = False) -> dict[str, object]:
    return {"doc": doc, "read": read, "secret": secret}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Every setting of a service or a client, checked."""

    data_dir: Path = field(
        default=Path("reporter-data"),
        metadata=_about("folder of the SQLite file and the embedded broker's store", _path),
    )
    http: str = field(
        default="127.0.0.1:8080",
        metadata=_about("address the desk and the HTTP API listen on; port 0: any free", _address),
    )
    nats: str | None = field(
        default=None, metadata=_about("broker to use; absent: start the embedded one", _brokers, secret=True)
    )
    nats_port: int = field(default=4222, metadata=_about("the embedded broker's port; 0: any free", _port))
    database: str | None = field(
        default=None,
        metadata=_about(
            "postgresql://…; absent: SQLite in the data folder", _url("postgresql", "postgres"), secret=True
        ),
    )
    roles: frozenset[str] = field(
        default=frozenset(ROLES), metadata=_about("what this process does: desk, engine", _roles)
    )
    schedules: Path | None = field(
        default=None, metadata=_about("folder of your own schedules, searched first", _path)
    )
    default_schedule: str = field(
        default="cn-zaozhuang-hitech-2021-9",
        metadata=_about("schedule of an incident that names none", _text),
    )
    trusted_proxies: str = field(
        default="127.0.0.1",
        metadata=_about(
            "proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas between", _networks
        ),
    )
    zone: str = field(default="Asia/Shanghai", metadata=_about("zone in which people read times", _zone))
    language: str = field(
        default="zh", metadata=_about("language of pages and notices: zh, en", _one_of("zh", "en"))
    )
    webhook_timeout_s: float = field(
        default=10.0, metadata=_about("longest wait for a webhook's answer, in seconds", _seconds)
    )
    log_level: str = field(
        default="info",
        metadata=_about(
            "least level that is logged: debug, info, warning, error",
            _one_of("debug", "info", "warning", "error"),
        ),
    )
    log_format: str = field(
        default="auto",
        metadata=_about("json, console, or auto: console on a terminal", _one_of("auto", "json", "console")),
    )
    url: str = field(
        default="http://127.0.0.1:8080",
        metadata=_about("running service that the client verbs speak to", _url("http", "https")),
    )
    token: str | None = field(
        default=None, metadata=_about("bearer token of the client verbs", _text, secret=True)
    )

    @property
    def http_host(self) -> str:
        """The host of `http`, without the brackets of an IPv6 address."""
        return self.http.rpartition(":")[0].strip("[]")

    @property
    def http_port(self) -> int:
        """The port of `http`; 0 means any free one."""
        return int(self.http.rpartition(":")[2])

    @property
    def database_kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return "postgresql" if self.database else "sqlite"

    def __repr__(self) -> str:
        """All settings with passwords and tokens masked, fit for a log."""
        shown = (f"{each.name}={_shown(each, getattr(self, each.name))}" for each in fields(self))
        return f"Settings({', '.join(shown)})"


class Described(NamedTuple):
    """One line of the README's table of settings."""

    name: str
    flag: str
    variable: str
    default: str
    doc: str


def described() -> tuple[Described, ...]:
    """What there is to set, in the order of the fields; the file's key is the name."""
    return tuple(
        Described(each.name, flag(each.name), variable(each.name), _default(each), each.metadata["doc"])
        for each in fields(Settings)
    )


def flag(name: str) -> str:
    """`data_dir` → `--data-dir`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """`data_dir` → `REPORTER_DATA_DIR`."""
    return ENV_PREFIX + name.upper()


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from all their sources.

    `flags` maps field names to what the command line said; None means not given, as does an empty variable.
    Raises SettingsError with every problem found, not the first.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, tuple[object, str]] = {}
    for each in fields(Settings):
        if from_env := environ.get(variable(each.name)):
            given[each.name] = (from_env, variable(each.name))
        if flags and flags.get(each.name) is not None:
            given[each.name] = (flags[each.name], flag(each.name))

    problems: list[str] = []
    file = _file(given, environ)
    if file is not None:
        for name, sourced in _from_file(file, problems).items():
            given.setdefault(name, sourced)

    values: dict[str, Any] = {}  # Any: each field's own reader makes the value fit the field
    for each in fields(Settings):
        if each.name in given:
            raw, source = given[each.name]
            try:
                values[each.name] = each.metadata["read"](raw)
            except _Unfit as expected:
                problems.append(f"{each.name} ({source}): {_shown(each, raw)} is not {expected}")
    if problems:
        raise SettingsError(problems)
    for name in ("data_dir", "schedules"):
        if file is not None and name in values and given[name][1] == str(file):
            values[name] = file.parent / values[name]
    return Settings(**values)


def _file(given: Mapping[str, tuple[object, str]], environ: Mapping[str, str]) -> Path | None:
    if environ.get(CONFIG):
        return Path(environ[CONFIG]).expanduser()
    data_dir = Path(str(given["data_dir"][0])) if "data_dir" in given else Path("reporter-data")
    return next((path for path in (data_dir / FILE_NAME, Path(FILE_NAME)) if path.is_file()), None)


def _from_file(file: Path, problems: list[str]) -> dict[str, tuple[object, str]]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as reason:
        problems.append(f"{file}: cannot be read: {reason}")
        return {}
    valid = [each.name for each in fields(Settings)]
    problems += [
        f"{file}: unknown key {key}; valid keys: {', '.join(valid)}" for key in document if key not in valid
    ]
    return {key: (raw, str(file)) for key, raw in document.items() if key in valid}


def _default(each: Field[Any]) -> str:
    if isinstance(each.default, frozenset):
        return ",".join(sorted(each.default))
    return "" if each.default is None else str(each.default)


def _shown(each: Field[Any], value: object) -> str:
    """`value` as it may be printed: of a secret only its kind and, for a URL, where it points."""
    if not each.metadata["secret"] or value is None:
        return repr(sorted(value) if isinstance(value, frozenset) else value)
    if isinstance(value, str) and "://" in value:
        return repr(",".join(_masked_url(part) for part in value.split(",")))
    return MASK


def _masked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    _, at, host = parts.netloc.rpartition("@")
    # A password may stand in the query too (`?password=…`), so none of it is shown.
    query = MASK if parts.query else ""
    return urlunsplit((parts.scheme, f"{MASK}@{host}" if at else host, parts.path, query, ""))
