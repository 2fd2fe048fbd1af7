"""The board's events as bytes: made once for all boards that show the same.

`board`: what has changed of the page (cards by id, parts by name) and the order; `alarm`: something has fired;
`hb`: the stream lives, and what time it is; `bye`: ask for the page anew, which may lead to the form for signing
in. The `id` of every event is how far the alarms have been told: a board that comes back sends it as
`Last-Event-ID` and is told what it has missed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from reporter.core.instants import rfc3339
from reporter.core.terms import Mode, label
from reporter.desk.live.cards import Card
from reporter.desk.live.listing import Board, Call
from reporter.desk.live.troubles import Trouble
from reporter.render import Renderer
from reporter.timesource import TimeSource, from_micros, micros

PARTS: Final = ("counts", "calls", "pages", "duty", "service")
TEMPLATE: Final = "parts/board.html"
REPLAY_OVERLAP: Final = timedelta(seconds=2)
"""Commits of several processes are not seen in the order of their instants."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(slots=True)
class Shown:
    """What the boards of one view have been sent last."""

    order: list[str] = field(default_factory=list)
    sums: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    calls: list[dict[str, object]] = field(default_factory=list)


class Teller:
    """Renders boards for streams; a card is rendered once per language and right while it stays the same."""

    def __init__(self, renderer: Renderer, time: TimeSource) -> None:
        self._renderer = renderer
        self._time = time
        self._cards: dict[tuple[str, bool], dict[str, tuple[Card, str, str]]] = {}

    def event(
        self, kind: str, data: Mapping[str, object], cursor: datetime | None, retry_ms: int | None = None
    ) -> bytes:
        """One event of the stream."""
        lines = [f"event: {kind}"]
        if cursor is not None:
            lines.append(f"id: {micros(cursor)}")
        if retry_ms is not None:
            lines.append(f"retry: {retry_ms}")
        lines.append(f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}")
        return ("\n".join(lines) + "\n\n").encode()

    def clock(self) -> dict[str, object]:
        """The server's time, and how many of its seconds pass in one of the reader's."""
        now = self._time.now()
        real = self._time.to_real(now)
        rate = (self._time.from_real(real + _SECOND) - self._time.from_real(real)) / _SECOND
        return {"now": rfc3339(now), "rate": round(rate, 3)}

    def board(
        self, board: Board, troubles: Sequence[Trouble], now: datetime, before: Shown
    ) -> tuple[dict[str, object] | None, Shown]:
        """What is new to boards that have been sent `before`, or None; and what they have been sent then."""
        view = board.view
        texts = self._texts(board, now)
        parts = {
            name: self._renderer.macro(TEMPLATE, name, board, now, troubles, language=view.language).strip()
            for name in PARTS
        }
        after = Shown(
            order=[card.id for card in board.cards],
            sums={id_: sum_ for id_, (sum_, _) in texts.items()},
            parts=parts,
            calls=[self.call(call, view.language) for call in board.calls],
        )
        if (after.order, after.sums, after.parts, after.calls) == (
            before.order,
            before.sums,
            before.parts,
            before.calls,
        ):
            return None, after
        counts = board.counts
        data: dict[str, object] = {
            **self.clock(),
            "order": after.order,
            "sums": after.sums,
            "cards": {id_: html for id_, (sum_, html) in texts.items() if before.sums.get(id_) != sum_},
            "parts": {name: html for name, html in parts.items() if before.parts.get(name) != html},
            "density": board.density,
            "page": board.page,
            "pages": board.pages,
            "overdue": counts.overdue,
            "calls": after.calls,
        }
        return data, after

    def call(self, call: Call, language: str) -> dict[str, object]:
        """An alarm for a script: how loud, of what, and in words."""
        alarm = call.alarm
        drill = "" if call.mode == Mode.ACTUAL else f"【{label(call.mode, language)}】"
        clock = "" if call.clock is None else call.clock[0 if language == "zh" else 1]
        return {
            "id": alarm.id,
            "incident": alarm.incident_id,
            "level": alarm.level,
            "calling": alarm.is_calling,
            "text": " · ".join(
                part for part in (f"{drill}{call.title}", clock, label(alarm.reason, language)) if part
            ),
        }

    def forget(self, ids: Mapping[str, object]) -> None:
        """Drops the texts of what is not open any more."""
        for texts in self._cards.values():
            for id_ in texts.keys() - ids.keys():
                del texts[id_]

    def _texts(self, board: Board, now: datetime) -> dict[str, tuple[str, str]]:
        """Sum and text of each card by id."""
        view = board.view
        known = self._cards.setdefault((view.language, view.may_acknowledge), {})
        texts = {}
        for card in board.cards:
            found = known.get(card.id)
            if found is None or found[0] is not card:
                html = self._renderer.macro(
                    TEMPLATE, "card", card, now, view.may_acknowledge, language=view.language
                )
                known[card.id] = found = (card, sum_of(card), html)
            texts[card.id] = found[1], found[2]
        return texts


def sum_of(card: Card) -> str:
    """A short text that differs where cards differ; the same in every process."""
    return blake2b(repr(card).encode(errors="replace"), digest_size=6).hexdigest()


def cursor_of(text: str | None) -> datetime | None:
    """The instant that an event's id stands for; None for what is none."""
    if text is None or not text.isdecimal() or len(text) > 17:
        return None
    return from_micros(int(text))
