"""A publisher that gives up on nothing: a steady stream of incidents and reports, sent again until stored.

It remembers what it sent and what the broker acknowledged. What the broker really stored, and when, is read from the
stream afterwards: that is the only truth the reckoning knows.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

from .events import Event
from .moments import eventually, now, text
from .natsclient import Nats, NatsError, Subscription

SCHEDULE = "town-fire"
SPAN = timedelta(seconds=2)
STEP = timedelta(seconds=1)
RULES = """
id = "town-fire"
title = { zh = "两秒演示时限", en = "A limit of two seconds, for tests" }
jurisdiction = "test"
zone = "Asia/Shanghai"

[[edition]]
in_force = 2020-01-01
citation = { title = "测试用", article = "1", href = "", checked = 2026-11-23 }

[[edition.obligation]]
id = "initial"
title = { zh = "初报", en = "Initial report" }
starts_on = "occurred"
span = "PT2S"
forms = ["phone", "written"]
covers_earlier = true
ladder = [
  { at = "-PT1S", to = ["unit.duty_officer"] },
  { at = "PT0S", to = ["unit.duty_officer", "unit.leader"] },
  { at = "PT1S", to = ["superior.leader"] },
]

[[case]]
says = { zh = "两秒到期。", en = "Due after two seconds." }
edition = 2020-01-01
obligation = "initial"
anchors = { occurred = 2021-03-01T14:00:00+08:00 }
due = 2021-03-01T14:00:02+08:00
"""
TICK_S = 0.02
AGAIN_S = 1.0
"""How long an acknowledgement is waited for before the event is sent again."""
# How long after the occurrence the report is sent: in time, about the deadline, late, never.
REPORTED_AFTER_S = ((0.2, 1.5), (1.9, 2.1), (2.3, 3.5), None)


@dataclass(order=True)
class _Later:
    at: float
    event: Event = field(compare=False)


class Traffic:
    """Publishes `rate` incidents a second, from a thread of its own, until `finish`."""

    def __init__(
        self, urls: list[str], rate: float, units: tuple[str, ...] = ("east", "west", "north")
    ) -> None:
        self._urls = itertools.cycle(urls)
        self._rate = rate
        self._units = units
        self._random = random.Random(4711)
        self._source = f"urn:fire:{time.monotonic_ns()}"
        self._nats: Nats | None = None
        self._answers: Subscription | None = None
        self._unacknowledged: dict[str, tuple[Event, float]] = {}
        self._later: list[_Later] = []
        self._is_opening = True
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._error: BaseException | None = None
        self.opened = 0
        self.acknowledged: set[str] = set()
        """Ids of the events that the broker said it stored."""
        self.reconnects = 0

    def start(self) -> Traffic:
        self._thread.start()
        return self

    def until(self, opened: int, within: float = 30.0) -> None:
        """Waits until so many incidents have been opened: a fault comes in the middle, not at an hour."""
        eventually(
            lambda: self.opened >= opened or self._error, within=within, why=f"{opened} incidents opened"
        )
        assert self._error is None, self._error

    def finish(self, within: float = 30.0) -> None:
        """Opens no more, sends what is still to be reported, and returns when the broker has stored it all."""
        self._is_opening = False
        self._thread.join(within)
        assert self._error is None, self._error
        assert not self._thread.is_alive(), f"{len(self._unacknowledged)} events were never acknowledged"

    def _run(self) -> None:
        started, behind = time.monotonic(), 0
        try:
            while self._is_opening or self._later or self._unacknowledged:
                time.sleep(TICK_S)
                if self._is_opening:
                    behind = int((time.monotonic() - started) * self._rate) - self.opened
                    for _ in range(min(behind, 200)):
                        self._open()
                self._send_what_is_due()
        except BaseException as error:  # shown by whoever waits for this thread
            self._error = error
        finally:
            if self._nats is not None:
                self._nats.close()

    def _open(self) -> None:
        number, at = self.opened, now()
        unit = self._units[number % len(self._units)]
        data = {"title": f"火线 {number}", "category": "accident", "schedule": SCHEDULE, "occurred": text(at)}
        event = Event("occurred", unit, data, self._source, f"o{number}")
        self._put(event)
        after = REPORTED_AFTER_S[number // len(self._units) % len(REPORTED_AFTER_S)]
        if after is not None:
            told = {"incident": event.incident, "covers": ["initial"], "form": "phone"}
            report = Event("filed", unit, told, self._source, f"r{number}")
            heapq.heappush(self._later, _Later(time.monotonic() + self._random.uniform(*after), report))
        self.opened += 1

    def _send_what_is_due(self) -> None:
        moment = time.monotonic()
        while self._later and self._later[0].at <= moment:
            self._put(heapq.heappop(self._later).event)
        self._take_answers()
        for id_, (event, sent_at) in list(self._unacknowledged.items()):
            if moment - sent_at > AGAIN_S:
                self._send(id_, event)

    def _put(self, event: Event) -> None:
        self._send(event.id, event)

    def _send(self, id_: str, event: Event) -> None:
        """Sends it, now or, when there is no broker to be had, a little later."""
        self._unacknowledged[id_] = (event, time.monotonic())
        headers, body = event.structured()
        try:
            if self._nats is None:
                self._connect()
            assert self._nats is not None
            self._nats.publish(event.subject, body, headers, f"{self._inbox}.{id_}")
        except (NatsError, OSError):
            self._drop()

    def _connect(self) -> None:
        self._nats = Nats(next(self._urls), timeout=1)
        self._inbox = self._nats.inbox()
        self._answers = self._nats.subscribe(f"{self._inbox}.*")
        self.reconnects += 1

    def _drop(self) -> None:
        if self._nats is not None:
            self._nats.close()
        self._nats = self._answers = None

    def _take_answers(self) -> None:
        if self._answers is None:
            return
        for answer in self._answers.waiting():
            id_ = answer.subject.rpartition(".")[2]
            if answer.header or "error" in (said := json.loads(answer.data)) or not said.get("seq"):
                continue  # no stream just now: it is sent again
            self.acknowledged.add(id_)
            self._unacknowledged.pop(id_, None)
        if self._nats is not None and self._nats.ended:
            self._drop()
