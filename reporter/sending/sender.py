"""Sends notices through channels, and gives each back with what came of it. Knows no database.

One who hangs delays nobody else: each channel has its own bound of sendings under way, so has each address, and those
that hang have few places together (`lane.py`).
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, NamedTuple

from reporter.channels.contract import Channel, ChannelError, Message
from reporter.core.notice import NoticeResult, Taken, Words, is_acknowledgeable, result
from reporter.core.terms import NoticeState
from reporter.sending import links
from reporter.sending.lane import HANGS_S, Lane, Load, Ready
from reporter.sending.patience import PAUSE_S_MAX, is_spent, next_step_at, retry_after_s
from reporter.sending.texts import Renders, Texts
from reporter.sending.wording import message
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""How often those that wait too long are looked for."""
GATHER_S: Final = 0.05
GATHER_MAX: Final = 500
"""How long, and how many, may gather before they are given back, while all goes well: each giving back costs the other
side a look."""


class Back(NamedTuple):
    """A notice that came back, after `took_s` seconds of sending; without a `result` it could not be started."""

    channel: str
    id: str
    result: NoticeResult | None
    took_s: float = 0.0

    @property
    def hangs(self) -> bool:
        """Whether it failed, and took long to: there may be nobody who answers."""
        return self.result is not None and self.result.is_trouble and self.took_s >= HANGS_S


class Sender:
    """Sends what it is handed, while `run` runs.

    `send_timeout_s` bounds one sending, above the channel's own limit. `public_url` is where links lead.
    """

    is_up = True
    """Whether it takes anything: as long as it is there."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        renderer: Renders,
        time: TimeSource,
        *,
        send_timeout_s: float,
        public_url: str | None = None,
    ) -> None:
        self._lanes = {name: Lane(channel) for name, channel in channels.items()}
        self._texts = Texts(renderer)
        self._time = time
        self._send_timeout_s = send_timeout_s
        self._public_url = public_url
        self._loads: asyncio.Queue[Load] = asyncio.Queue()
        self._backs: list[Back] = []
        self._has_come_back = asyncio.Event()
        self._is_pressing = asyncio.Event()
        """Whether what has come back should be given back now."""
        self._is_stopping = False

    async def send(self, load: Load) -> None:
        """Takes charge of these notices: each will come back."""
        self._loads.put_nowait(load)

    async def back(self) -> list[Back]:
        """Waits until something has come back, and gives all that has."""
        await self._has_come_back.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_S):
                await self._is_pressing.wait()
        given, self._backs = self._backs, []
        self._has_come_back.clear()
        self._is_pressing.clear()
        return given

    async def stop(self) -> None:
        """Starts nothing more: what waits comes back at once, what is under way as it ends."""
        self._is_stopping = True
        while not self._loads.empty():
            load = self._loads.get_nowait()
            self._lanes[load.channel].add(load)
        self._give_back_overdue()

    async def run(self) -> None:
        """Runs until cancelled; what is under way then does not come back."""
        async with asyncio.TaskGroup() as group:
            while True:
                load = await self._next_load()
                if load is not None:
                    lane = self._lanes[load.channel]
                    lane.add(load)
                    if not self._is_stopping:
                        self._start(group, lane)
                self._give_back_overdue()

    async def _next_load(self) -> Load | None:
        """What was handed over, or None when it is time to look at what waits."""
        if not any(lane.is_waited_for for lane in self._lanes.values()):
            return await self._loads.get()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                return await self._loads.get()
        return None

    def _give_back_overdue(self) -> None:
        for lane in self._lanes.values():
            for notice in lane.overdue(0.0) if self._is_stopping else lane.overdue():
                self._comes_back(Back(notice.channel, notice.id, None))

    def _comes_back(self, back: Back) -> None:
        self._backs.append(back)
        self._has_come_back.set()
        is_trouble = back.result is None or back.result.is_trouble
        if is_trouble or len(self._backs) >= GATHER_MAX or self._is_idle(back.channel):
            self._is_pressing.set()

    def _is_idle(self, last: str) -> bool:
        """Whether there is nothing more to do, asked first of the channel that was at work `last`."""
        if self._lanes[last].is_busy or not self._loads.empty():
            return False
        return not any(lane.is_busy for lane in self._lanes.values())

    def _start(self, group: asyncio.TaskGroup, lane: Lane) -> None:
        for ready in lane.start():
            group.create_task(self._send_on(group, lane, ready))

    async def _send_on(self, group: asyncio.TaskGroup, lane: Lane, ready: Ready) -> None:
        """Sends one, and then what its end makes room for, as long as there is any."""
        following: Ready | None = ready
        while following is not None:
            back = await self._send(lane, following)
            lane.ended(following.notice.address, hangs=back.hangs)
            self._comes_back(back)
            following = None if self._is_stopping else next(lane.start(), None)
        if not self._is_stopping:
            self._start(group, lane)

    async def _send(self, lane: Lane, ready: Ready) -> Back:
        """One attempt; whatever happens, there is a result."""
        started_s, notice = monotonic(), ready.notice
        if (rest_s := lane.paused_s(notice.address)) > 0:
            return Back(notice.channel, notice.id, left_alone(notice, self._time, rest_s))
        try:
            came = await self._attempt(lane, notice, self._text(ready), ready.load.words)
        except Exception as error:
            log.exception("notice %s of incident %s was not sent", notice.id, notice.incident_id)
            came = later(notice, ready.load.words, self._time, f"internal error: {type(error).__name__}")
        return Back(notice.channel, notice.id, came, monotonic() - started_s)

    def _text(self, ready: Ready) -> Message:
        notice, now, ack_url = ready.notice, self._time.now(), None
        if (
            self._public_url is not None
            and ready.load.link_key is not None
            and notice.person is not None
            and is_acknowledgeable(notice.incident_id, notice.reason)
        ):
            ack_url = links.url(self._public_url, ready.load.link_key, notice.id, now)
        return message(
            notice, ready.load.words, self._texts, now, public_url=self._public_url, ack_url=ack_url
        )

    async def _attempt(self, lane: Lane, notice: Taken, text: Message, words: Words) -> NoticeResult:
        try:
            if (
                lane.timeout_s <= self._send_timeout_s
            ):  # it keeps the time itself, and to do so twice has its price
                receipt = await lane.channel.send(text)
            else:
                async with asyncio.timeout(self._send_timeout_s):
                    receipt = await lane.channel.send(text)
        except ChannelError as error:
            if error.permanent:
                return result(notice, NoticeState.FAILED, str(error))
            if error.retry_after_s:
                lane.pause(notice.address, min(error.retry_after_s, PAUSE_S_MAX))
            return later(notice, words, self._time, str(error), error.retry_after_s)
        except TimeoutError:
            return later(notice, words, self._time, f"no answer within {self._send_timeout_s:g} s")
        details = [part for part in (receipt.detail, receipt.provider_id) if part]
        return result(notice, receipt.state, " ".join(details), provider_id=receipt.provider_id)


def later(
    notice: Taken, words: Words, time: TimeSource, detail: str, not_before_s: float = 0.0
) -> NoticeResult:
    """Another attempt later, unless this was the last; not before the other side asked for it."""
    now = time.now()
    if is_spent(notice, words, now, time.to_real(now) - time.to_real(notice.recorded_at)):
        return result(notice, NoticeState.FAILED, f"given up after {notice.attempts} attempts: {detail}")
    speaks_at, left_s = next_step_at(notice, words, now), None
    if speaks_at is not None:
        left_s = (time.to_real(speaks_at) - time.to_real(now)).total_seconds()
    wait_s = retry_after_s(notice, left_s, not_before_s)
    return result(notice, NoticeState.QUEUED, detail, time_in(time, wait_s))


def left_alone(notice: Taken, time: TimeSource, rest_s: float) -> NoticeResult:
    """No attempt, but one later: whoever it goes to asked to be left alone, on account of another notice."""
    came = result(
        notice, NoticeState.QUEUED, f"left alone for {rest_s:.0f} s, as asked", time_in(time, rest_s)
    )
    return came._replace(was_sent=False, tells_of_channel=False)


def time_in(time: TimeSource, seconds: float) -> datetime:
    """The product's instant after `seconds` of the machine's time: other machines know no demo."""
    return time.from_real(time.to_real(time.now()) + timedelta(seconds=seconds))
