"""When a transaction of the service became visible to others, seen from outside.

`recorded_at` is stamped at the start of a transaction, so it says nothing of the commit. A thread of ours
asks the database every few milliseconds how far it is, a question whose cost does not grow with its content.
Afterwards every ledger line is given the first answer that includes it. An answer's instant is that of its
arrival, so a lateness is never too small, and at most a period too big.

SQLite: the highest rowid of the ledger, asked only when `data_version` says that somebody has written.
PostgreSQL: the transactions in progress (`pg_current_snapshot`), compared with the `xmin` of the lines.
"""

import json
import threading
from bisect import bisect_left
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from reporter.bench.plain import Plain
from reporter.bench.reference import now_us
from reporter.bench.results import BenchError
from reporter.core.instants import read_back
from reporter.timesource import micros

PERIOD_S: Final = 0.002
XIDS: Final = 2**32
"""`xmin` holds the lower half of a transaction's number."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One recorded breach; instants in microseconds since 1970 UTC."""

    incident: str
    obligation: str
    due_us: int
    committed_us: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at_us: int
    next_xid: int
    in_progress: frozenset[int]

    def sees(self, xid: int) -> bool:
        """Whether that transaction had ended."""
        return xid < self.next_xid and xid not in self.in_progress


class Watch:
    """Watches a database's commits inside a `with` block; then tells when each breach was committed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._tops: list[tuple[int, int]] = []
        """SQLite: highest rowid and when it was first seen, both ascending."""
        self._snapshots: list[_Snapshot] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        plain = Plain(self._url)
        try:
            last: object = None
            is_last = False
            while not is_last:  # the last look comes after the stop: whatever was committed by then is seen
                is_last = self._stop.wait(PERIOD_S)
                look = self._look_at_rowid if plain.is_sqlite else self._look_at_snapshot
                last = look(plain, last)
        finally:
            plain.close()

    def _look_at_rowid(self, plain: Plain, last: object) -> object:
        version = plain.rows("PRAGMA data_version")[0][0]
        if version != last:
            top = plain.rows("SELECT max(rowid) FROM ledger")[0][0] or 0
            if not self._tops or top > self._tops[-1][0]:
                self._tops.append((top, now_us()))
        return version

    def _look_at_snapshot(self, plain: Plain, last: object) -> object:
        text = plain.rows("SELECT pg_current_snapshot()::text")[0][0]
        if text != last:
            _, next_xid, in_progress = text.split(":")
            xids = frozenset(int(xid) for xid in in_progress.split(",") if xid)
            self._snapshots.append(_Snapshot(now_us(), int(next_xid), xids))
        return text

    def breaches(self) -> list[Breach]:
        """Every breach in the ledger, with the first instant at which it was seen to be committed."""
        found = []
        for text, seen_us in self.committed_us("breached").items():
            line = json.loads(text)
            due = micros(read_back(line["at"]))
            found.append(Breach(line["incident"], line["body"]["obligation"], due, seen_us))
        return found

    def committed_us(self, kind: str) -> dict[str, int]:
        """Each ledger line of that kind, its text, and the first instant at which it was seen to be committed."""
        plain = Plain(self._url)
        try:
            mark = "rowid" if plain.is_sqlite else "xmin::text::bigint"
            lines = plain.rows(f"SELECT {mark}, text FROM ledger WHERE kind = ?", kind)  # noqa: S608
        finally:
            plain.close()
        seen = {mark: self._seen_at(mark, is_rowid=plain.is_sqlite) for mark in {line[0] for line in lines}}
        return {text: seen[mark] for mark, text in lines}

    def _seen_at(self, mark: int, *, is_rowid: bool) -> int:
        if is_rowid:
            at = bisect_left(self._tops, (mark, 0))
            if at < len(self._tops):
                return self._tops[at][1]
        for snapshot in self._snapshots:
            epoch = snapshot.next_xid - snapshot.next_xid % XIDS
            if snapshot.sees(epoch + mark):
                return snapshot.at_us
        raise BenchError("a line is in the ledger whose commit was not seen: the watch had ended")
