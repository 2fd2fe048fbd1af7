"""The console: one line on the service's stderr, for demonstrations and a duty room with a terminal open."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

from reporter.channels.contract import ChannelError, Message, Receipt
from reporter.core.roster import CONSOLE
from reporter.core.terms import NoticeState
from reporter.settings import Settings


class Console:
    """Prints to `stream`; without one, to whatever stderr is at the time.

    A terminal that has been stopped, or a full pipe, blocks whoever writes to it: hence a thread, and one of
    its own, so that nobody else waits and lines stay in order.
    """

    name = CONSOLE

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._thread = ThreadPoolExecutor(1, "console")

    async def send(self, message: Message) -> Receipt:
        line = " ".join(f"{message.subject} → {message.person or message.to}".split())
        printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._print, printable)
        except (OSError, ValueError) as error:  # ValueError: the stream has been closed
            msg = f"stderr cannot be written to: {error}"
            raise ChannelError(msg, permanent=False) from error
        return Receipt(NoticeState.DELIVERED)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _print(self, line: str) -> None:
        stream = self._stream or sys.stderr
        encoding = stream.encoding or "utf-8"
        stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()


def make(_settings: Settings) -> Console:
    return Console()


CHANNEL = make
