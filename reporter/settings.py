"""The settings: flags over environment over `reporter.toml` over defaults, read once into one frozen object.

Each field of `Settings` is a setting, and its metadata is all there is to know about it: the flag
`--data-dir`, the variable `REPORTER_DATA_DIR` and the key `data_dir` follow from its name, and the README's
table is made from `described()`. A plain dataclass rather than a settings library, because every verb of the
CLI waits for this module.

The file is the one named by `REPORTER_CONFIG`; else `reporter.toml` in the data folder; else
`./reporter.toml`. Relative paths in it start at the file's own folder, others at the working directory.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from reporter import values
from reporter.values import ROLES, Tables

ENV_PREFIX = "REPORTER_"
FILE_NAME = "reporter.toml"
CONFIG = ENV_PREFIX + "CONFIG"
MASK = "***"


class SettingsError(Exception):
    """Settings that cannot be used; `problems` names each setting, its source and what is expected."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _about(doc: str, read: values.Reader, *, secret: bool = False) -> dict[str, object]:
    return {"doc": doc, "read": read, "secret": secret}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Every setting of a service or a client, checked."""

    data_dir: Path = field(
        default=Path("reporter-data"),
        metadata=_about("folder of the SQLite file and the embedded broker's store", values.path),
    )
    http: str = field(
        default="127.0.0.1:8080",
        metadata=_about("address the desk and the HTTP API listen on; port 0: any free", values.address),
    )
    nats: str | None = field(
        default=None,
        metadata=_about("broker to use; absent: start the embedded one", values.brokers, secret=True),
    )
    nats_port: int = field(
        default=4222, metadata=_about("the embedded broker's port; 0: any free", values.port)
    )
    nats_replicas: int = field(
        default=1,
        metadata=_about(
            "copies of a stream that the service creates; 3 on a cluster of brokers", values.copies
        ),
    )
    database: str | None = field(
        default=None,
        metadata=_about(
            "postgresql://…; absent: SQLite in the data folder",
            values.url("postgresql", "postgres"),
            secret=True,
        ),
    )
    roles: frozenset[str] = field(
        default=frozenset(ROLES), metadata=_about("what this process does: desk, engine", values.roles)
    )
    schedules: Path | None = field(
        default=None, metadata=_about("folder of your own schedules, searched first", values.path)
    )
    default_schedule: str = field(
        default="cn-zaozhuang-hitech-2021-9",
        metadata=_about("schedule of an incident that names none", values.text),
    )
    zone: str = field(
        default="Asia/Shanghai", metadata=_about("zone in which people read times", values.zone)
    )
    trusted_proxies: str = field(
        default="127.0.0.1",
        metadata=_about(
            "proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas between",
            values.networks,
        ),
    )
    language: str = field(
        default="zh", metadata=_about("language of pages and notices: zh, en", values.one_of("zh", "en"))
    )
    webhook_timeout_s: float = field(
        default=10.0, metadata=_about("longest wait for a webhook's answer, in seconds", values.seconds)
    )
    clock_margin_s: float = field(
        default=1.0,
        metadata=_about(
            "difference between the broker's clock and ours, in seconds, from which it is an alarm and is "
            "written beside verdicts",
            values.seconds,
        ),
    )
    dead_man_url: str | None = field(
        default=None,
        metadata=_about(
            "address of somebody else's that is called while all is well, so that they notice when it stops",
            values.url("http", "https"),
            secret=True,
        ),
    )
    dead_man_every_s: float = field(
        default=60.0, metadata=_about("seconds between those calls", values.seconds)
    )
    public_url: str | None = field(
        default=None,
        metadata=_about(
            "address at which people reach the desk; notices then carry links", values.url("http", "https")
        ),
    )
    receipt_secrets: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata=_about(
            "who may report deliveries: channel=secret, separated by commas; `whsec_…` signs as Standard "
            "Webhooks, another is shown as it is",
            values.secrets_by_channel,
            secret=True,
        ),
    )
    ack_stale_after_s: float = field(
        default=900.0,
        metadata=_about(
            "seconds after an acknowledgement in which the report is awaited; then the ladder goes on and says so",
            values.seconds,
        ),
    )
    rehearsal_day: int | None = field(
        default=None,
        metadata=_about(
            "day of the month, 1 to 28, on which everybody on duty is sent a test, at ten o'clock (late: by 17:00, "
            "or on the next day); absent: none",
            values.day_of_month,
        ),
    )
    channels: Tables = field(
        default=Tables(),
        metadata=_about(
            "accounts of the channels: tables [channels.<channel>.<account>] of reporter.toml, or a TOML "
            "file of them",
            values.tables,
            secret=True,
        ),
    )
    attachment_bytes_max: int = field(
        default=20 * 1024 * 1024,
        metadata=_about("largest file that may be handed in with a report, in bytes", values.bytes_count),
    )
    nats_seed_file: Path | None = field(
        default=None, metadata=_about("file with the nkey seed the service shows the broker", values.path)
    )
    nats_credentials: Path | None = field(
        default=None,
        metadata=_about("credentials file (JWT and seed) the service shows the broker", values.path),
    )
    nats_tls_ca: Path | None = field(
        default=None, metadata=_about("certificates the broker's own is checked against (PEM)", values.path)
    )
    nats_tls_cert: Path | None = field(
        default=None, metadata=_about("certificate the service shows the broker (PEM)", values.path)
    )
    nats_tls_key: Path | None = field(
        default=None, metadata=_about("key of that certificate (PEM)", values.path)
    )
    log_level: str = field(
        default="info",
        metadata=_about(
            "least level that is logged: debug, info, warning, error",
            values.one_of("debug", "info", "warning", "error"),
        ),
    )
    log_format: str = field(
        default="auto",
        metadata=_about(
            "json, console, or auto: console on a terminal", values.one_of("auto", "json", "console")
        ),
    )
    url: str = field(
        default="http://127.0.0.1:8080",
        metadata=_about("running service that the client verbs speak to", values.url("http", "https")),
    )
    token: str | None = field(
        default=None, metadata=_about("bearer token of the client verbs", values.text, secret=True)
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

    found: dict[str, Any] = {}  # Any: each field's own reader makes the value fit the field
    for each in fields(Settings):
        if each.name in given:
            raw, source = given[each.name]
            try:
                found[each.name] = each.metadata["read"](raw)
            except values.Unfit as expected:
                problems.append(f"{each.name} ({source}): {_shown(each, raw)} is not {expected}")
    if problems:
        raise SettingsError(problems)
    return Settings(**found)


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
    readers = {each.name: each.metadata["read"] for each in fields(Settings)}
    return {
        key: (_placed(raw, readers[key], file.parent), str(file))
        for key, raw in document.items()
        if key in valid
    }


def _placed(raw: object, read: values.Reader, folder: Path) -> object:
    """What the file says, paths in it starting at the file's own folder."""
    if read in (values.path, values.tables) and isinstance(raw, str) and raw.strip():
        return str(folder / Path(raw).expanduser())
    return Tables(raw, folder) if read is values.tables and isinstance(raw, Mapping) else raw


def _default(each: Field[Any]) -> str:
    if isinstance(each.default, frozenset):
        return ",".join(sorted(each.default))
    return "" if each.default is None or isinstance(each.default, Tables) else str(each.default)


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
