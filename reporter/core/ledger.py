"""The ledger's form: one line per fact, each holding the hash of the one before it."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from reporter.core.canonical import canonical, canonical_plain
from reporter.core.instants import rfc3339
from reporter.core.terms import FactKind

GENESIS = "0" * 64
"""The `prev` of an incident's first line."""


class Line(NamedTuple):
    """One line. `text` is its RFC 8785 canonical JSON without `hash`; `hash` the SHA-256 of that text, in hex."""

    incident: str
    version: int
    kind: FactKind
    text: str
    hash: str


def write_line(
    incident: str,
    version: int,
    kind: FactKind,
    at: datetime,
    recorded_at: datetime,
    actor: str,
    body: Mapping[str, object],
    prev: str,
    *,
    is_plain: bool = False,
) -> Line:
    """Makes the next line. `at` is the instant that the rule names, `recorded_at` when it was written down.

    `is_plain`: the caller knows that the body holds text and whole numbers only (see `canonical_plain`).
    """
    text = (canonical_plain if is_plain else canonical)(
        {
            "actor": actor,
            "at": rfc3339(at),
            "body": body,
            "incident": incident,
            "kind": str(kind),
            "prev": prev,
            "recorded_at": rfc3339(recorded_at),
            "version": version,
        }
    )
    return Line(incident, version, kind, text.decode(), sha256(text).hexdigest())


def with_hash(text: str, digest: str) -> str:
    """The line as it is published: its canonical text, unchanged, with `hash` added at the end."""
    return f'{text[:-1]},"hash":"{digest}"}}'
