"""The sending process: `python -m reporter.sending <descriptor of a socket>`, started by the service, for itself.

It ends when the other end of its socket does, however the service ends: nothing is sent that nobody would record.
"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

from reporter import collector
from reporter.channels.folder import close_channels, load_channels
from reporter.logs import configure
from reporter.render import Renderer
from reporter.sending import frames
from reporter.sending.frames import READY, STOP, Orders
from reporter.sending.lane import Load
from reporter.sending.sender import Sender

CLOSING_S = 1.0
GIVES_WAY_S = 0.0005
"""How long the loop keeps the interpreter while the threads that speak HTTP have something to say to it."""


async def main(descriptor: int) -> None:
    """Sends until the other side is gone."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    orders = await frames.read(reader)
    if not isinstance(orders, Orders):
        return
    if orders.folder is not None:
        with suppress(OSError):
            os.chdir(orders.folder)
    settings = orders.settings
    configure(settings.log_level, settings.log_format)
    channels = load_channels(settings)
    renderer = Renderer(settings.zone, settings.language)
    sender = Sender(
        channels,
        renderer,
        orders.time,
        send_timeout_s=orders.send_timeout_s,
        public_url=settings.public_url,
    )
    _warm(renderer)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sender.run()), group.create_task(_give_back(sender, writer))]
        while (told := await frames.read(reader)) is not None:
            if isinstance(told, Load):
                await sender.send(told)
            elif told == STOP:
                await sender.stop()
        for task in tasks:
            task.cancel()
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            await close_channels(channels.values())


async def _give_back(sender: Sender, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # then the reader sees that the other side is gone
        await frames.write(writer, READY)
        while True:
            await frames.write(writer, await sender.back())


def _warm(renderer: Renderer) -> None:
    """Loads now what the first notice of all would have to wait for."""
    import wreq  # noqa: F401

    renderer.prepare("notices/")
    collector.spare()
    sys.setswitchinterval(GIVES_WAY_S)


if __name__ == "__main__":
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # the service hears them too, and ends this in its own time
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(main(int(sys.argv[1])))
