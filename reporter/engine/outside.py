"""The sending process as the service sees it: started, fed, watched, started anew when it has ended.

What talks to the world outside has a process of its own (`reporter.sending`): rendering and sending ten thousand
notices takes as long as judging ten thousand breaches, and neither has to wait for the other. A channel that hangs,
leaks or crashes takes nothing else with it.
"""

import asyncio
import logging
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Final, NamedTuple

from reporter.core.notice import Taken, Words
from reporter.engine.again import Trouble
from reporter.resources import PACKAGE
from reporter.sending import frames
from reporter.sending.frames import READY, STOP, Orders
from reporter.sending.lane import HELD_S_MAX, Load
from reporter.sending.sender import Back, later
from reporter.timesource import sleep

log = logging.getLogger(__name__)

ENDING_S: Final = 3.0
"""How long the process may take to end once its socket is closed, before it is killed."""
SENDING: Final = "reporter.sending"
"""The module that is run."""
ENDED: Final = "the sending process ended"
STARTING_S: Final = 60.0
DOWN_S_MAX: Final = 10.0
"""To start one takes a second or two."""
WATCH_S: Final = 2.0


class _Out(NamedTuple):
    """A notice that the process has, since `since_s` by the monotonic clock."""

    notice: Taken
    words: Words
    since_s: float


class SendingProcess:
    """Takes the place of a `Sender`, which runs in a process of its own, while `run` runs.

    `is_up` is false while there is no process to send anything; `came_up` is called when there is one again. What was
    out when a process ended comes back as an attempt that failed: nobody knows whether it was sent.
    """

    def __init__(self, orders: Orders, came_up: Callable[[], None]) -> None:
        self._orders = orders
        self._came_up = came_up
        self._writer: asyncio.StreamWriter | None = None
        self._down_s = monotonic()
        """Since when there is none, while there is none."""
        self._process: Process | None = None
        self._backs: asyncio.Queue[list[Back]] = asyncio.Queue()
        self._out: dict[str, _Out] = {}
        self._patience_s = orders.send_timeout_s + HELD_S_MAX + WATCH_S

    @property
    def is_up(self) -> bool:
        """Whether there is a process that sends."""
        return self._writer is not None

    @property
    def is_missed(self) -> bool:
        """Whether there has been none for so long that people should know."""
        return not self.is_up and monotonic() - self._down_s > DOWN_S_MAX

    async def send(self, load: Load) -> None:
        """Hands notices over: each will come back."""
        since_s = monotonic()
        self._out.update((notice.id, _Out(notice, load.words, since_s)) for notice in load.notices)
        if self._writer is None:
            self._give_up()
        else:
            await self._write(self._writer, load)

    async def back(self) -> list[Back]:
        """Waits until something has come back, and gives all that came together."""
        return await self._backs.get()

    async def stop(self) -> None:
        """Has nothing more started: what waits comes back at once, what is under way as it ends."""
        if self._writer is not None:
            await self._write(self._writer, STOP)

    async def run(self) -> None:
        """Keeps a process running until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            await self._keep()

    async def _keep(self) -> None:
        trouble = Trouble(log, "the sending process")
        while True:
            try:
                async with self._started() as (reader, writer):
                    await self._write(writer, self._orders)
                    async with asyncio.timeout(STARTING_S):
                        is_ready = await frames.read(reader) == READY
                    if is_ready:
                        trouble.over()
                        await self._follow(reader, writer)
                raise ConnectionError(ENDED)
            except OSError as error:  # and TimeoutError, which is one
                self._give_up()
                await trouble.failed(error)

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes what comes back, until the process is gone."""
        self._writer = writer
        self._came_up()
        try:
            while (backs := await frames.read(reader)) is not None:
                for back in backs:
                    self._out.pop(back.id, None)
                self._backs.put_nowait(backs)
        finally:
            self._writer, self._down_s = None, monotonic()

    async def _watch(self) -> None:
        """Ends a process that does not answer any more, while what is out is still on lease; another follows it.

        It is looked at twice: it may be we who stood still, and then its answers are about to be read.
        """
        suspected = None
        while True:
            await sleep(WATCH_S)
            first = next(iter(self._out.values()), None)
            if first is None or monotonic() - first.since_s <= self._patience_s:
                suspected = None
            elif first is not suspected:
                suspected = first
            elif self._process is not None and self._process.returncode is None:
                log.error("the sending process does not answer; it is ended")
                self._process.kill()

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A process, and the socket to it. Errors: OSError where it cannot be started."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # From where the package lies, which makes it found and nothing else that lies about.
                self._process = process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", SENDING, str(theirs.fileno()),
                    stdin=DEVNULL, stdout=DEVNULL, pass_fds=[theirs.fileno()], cwd=PACKAGE.parent,
                )  # fmt: skip
            except BaseException:
                ours.close()
                raise
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                yield reader, writer
            finally:
                writer.close()
        finally:
            await _ended(process)

    async def _write(self, writer: asyncio.StreamWriter, value: object) -> None:
        with suppress(OSError):  # it has just ended: whoever reads learns of it, and gives up what is out
            await frames.write(writer, value)

    def _give_up(self) -> None:
        """Gives back what is out: tried again later, in measure, since it may be what ended the process."""
        given_up, self._out = self._out, {}
        if given_up:
            self._backs.put_nowait([self._given_up(each) for each in given_up.values()])

    def _given_up(self, out: _Out) -> Back:
        came = later(out.notice, out.words, self._orders.time, ENDED)
        return Back(out.notice.channel, out.notice.id, came._replace(tells_of_channel=False))


async def _ended(process: Process) -> None:
    """Waits until the process has ended, which it does when its socket is closed; kills it when it does not."""
    try:
        async with asyncio.timeout(ENDING_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
    if process.returncode not in (0, -signal.SIGKILL):
        log.error("the sending process ended with status %s", process.returncode)
