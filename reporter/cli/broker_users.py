"""The users of a broker of one's own: an nkey each, and what each may say and hear. Text and files, no network.

A unit may publish under its own code and hear answers on its own inboxes, and nothing else: the subject is
the authority for who speaks. The service may not publish into the intake, so whoever has its seed still cannot
report for a unit. Names of ours begin with an underscore, which no unit's code can.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nkeys

from reporter.bus import DURABLE, HEARTBEAT, STREAM_IN, STREAM_OUT, SUBJECTS_OUT
from reporter.busclient import SERVICE_INBOX
from reporter.core.roster import ROOT

SERVICE: Final = "_service"
ADMIN: Final = "_admin"
READER: Final = "_reader-"
SEEDS: Final = "seeds"
CONFIG: Final = "nats-server.conf"


@dataclass(frozen=True, slots=True)
class User:
    """One user. Without lists everything is allowed. `about` is a comment in the file."""

    name: str
    about: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate and key; with `client_ca`, clients must show one of its certificates."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: names of users whose seed is new, and of seeds that nobody uses any more."""

    config: Path
    users: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]


def users(units: Sequence[str], root: str, readers: Iterable[str]) -> list[User]:
    """The service, an administrator, the readers, and the units by code; the root may also say `root`."""
    found = [_service(), User(ADMIN, "administration: everything")]
    found += [_reader(name) for name in readers]
    for unit in units:
        codes = (unit, ROOT) if unit == root and unit != ROOT else (unit,)
        found.append(
            User(
                unit,
                f"unit {unit}",
                publish=tuple(f"reporter.in.*.{code}" for code in codes),
                subscribe=(f"_INBOX.{unit}.>", f"reporter.reply.{unit}.>"),
            )
        )
    return found


def _service() -> User:
    api = "$JS.API"
    streams = [
        f"{api}.STREAM.{verb}.{stream}"
        for stream in (STREAM_IN, STREAM_OUT)
        for verb in ("INFO", "CREATE", "UPDATE")
    ]
    return User(
        SERVICE,
        "the service",
        publish=(
            SUBJECTS_OUT,
            HEARTBEAT,
            "_INBOX.>",  # outcomes, to whoever asked
            "reporter.reply.>",
            *streams,
            f"{api}.STREAM.MSG.GET.{STREAM_IN}",
            f"{api}.CONSUMER.INFO.{STREAM_IN}.{DURABLE}",
            f"{api}.CONSUMER.CREATE.{STREAM_IN}.{DURABLE}.>",
            f"{api}.CONSUMER.DURABLE.CREATE.{STREAM_IN}.{DURABLE}",
            f"{api}.CONSUMER.MSG.NEXT.{STREAM_IN}.{DURABLE}",
            f"$JS.ACK.{STREAM_IN}.{DURABLE}.>",
        ),
        subscribe=(f"{SERVICE_INBOX}.>",),
    )


def _reader(name: str) -> User:
    """May listen, read what is stored, and use a durable of its own name once an administrator has made it.

    It may make none: a durable can deliver to any subject, also to one of the intake.
    """
    api = "$JS.API"
    return User(
        READER + name,
        f"reader {name}: facts as they go out",
        publish=(
            f"{api}.STREAM.INFO.{STREAM_OUT}",
            f"{api}.STREAM.MSG.GET.{STREAM_OUT}",
            f"{api}.CONSUMER.INFO.{STREAM_OUT}.{name}",
            f"{api}.CONSUMER.MSG.NEXT.{STREAM_OUT}.{name}",
            f"$JS.ACK.{STREAM_OUT}.{name}.>",
        ),
        subscribe=(SUBJECTS_OUT, HEARTBEAT, f"_INBOX.{READER}{name}.>"),
    )


def write(
    folder: Path,
    found: Sequence[User],
    *,
    listen: str,
    store: Path,
    tls: Tls | None,
    renew: Iterable[str] = (),
) -> Written:
    """Writes the configuration and the seeds that are missing or to be renewed. Errors: OSError.

    A seed that is there stays, so that a new unit costs the others nothing. Seeds are files of mode 0600 in a
    folder of mode 0700; the configuration holds public keys alone.
    """
    seeds = folder / SEEDS
    seeds.mkdir(parents=True, exist_ok=True)
    seeds.chmod(0o700)
    renewed = set(renew)
    keys: dict[str, str] = {}
    new: list[str] = []
    for user in found:
        file = seeds / f"{user.name}.nk"
        if user.name in renewed or not file.is_file():
            _write_private(file, nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER) + b"\n")
            new.append(user.name)
        file.chmod(0o600)
        keys[user.name] = nkeys.from_seed(bytearray(file.read_bytes().strip())).public_key.decode()
    config = folder / CONFIG
    text = configuration([(user, keys[user.name]) for user in found], listen=listen, store=store, tls=tls)
    beside = folder / f"{CONFIG}.new"
    beside.write_text(text, encoding="utf-8")
    beside.replace(config)
    unused = sorted({file.stem for file in seeds.glob("*.nk")} - keys.keys())
    return Written(config, tuple(keys), tuple(new), tuple(unused))


def configuration(found: Sequence[tuple[User, str]], *, listen: str, store: Path, tls: Tls | None) -> str:
    """The server's configuration: users come with their public keys."""
    lines = [
        "# Written by `reporter nats config`, and written anew by it: change its arguments, not this file.",
        'server_name: "reporter"',
        f"listen: {_quoted(listen)}",
        "jetstream {",
        f"  store_dir: {_quoted(str(store))}",
        "  sync_interval: always  # what was acknowledged survives a power cut",
        "}",
    ]
    if tls is not None:
        lines += ["tls {", f"  cert_file: {_quoted(str(tls.cert))}", f"  key_file: {_quoted(str(tls.key))}"]
        if tls.client_ca is not None:
            lines += [f"  ca_file: {_quoted(str(tls.client_ca))}", "  verify: true"]
        lines += ["  timeout: 3", "}"]
    lines += ["authorization {", "  users: ["]
    for user, key in found:
        lines += [f"    # {user.about}", f"    {{ nkey: {key}{_permissions(user)} }}"]
    return "\n".join([*lines, "  ]", "}"]) + "\n"


def _permissions(user: User) -> str:
    if user.publish is None or user.subscribe is None:
        return ""
    publish, subscribe = (", ".join(map(_quoted, each)) for each in (user.publish, user.subscribe))
    return f", permissions: {{\n      publish: [{publish}]\n      subscribe: [{subscribe}]\n    }}"


def _quoted(text: str) -> str:
    # The server reads JSON's escapes of a quoted string, and a `$` within quotes names no variable.
    return json.dumps(text, ensure_ascii=False)


def _write_private(file: Path, content: bytes) -> None:
    """Writes a file that nobody else can read at any moment."""
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(file)
