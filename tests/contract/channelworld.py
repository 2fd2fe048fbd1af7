"""What the suites of the channels share: a message, a channel made from settings, its failing, its world."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reporter.channels import Channel, ChannelError, Message, close_channels, load_channels
from reporter.core.terms import Mode, NoticeReason
from reporter.settings import Settings
from reporter.values import Tables

TIMEOUT_S = 0.5
"""Of who is to wait in vain; of all others `AMPLE_S`, since the machine may be busy."""
AMPLE_S = 20.0


def a_message(address: str = "", *, mode: Mode = Mode.ACTUAL, id_: str = "n-1") -> Message:
    return Message(
        id=id_,
        mode=mode,
        reason=NoticeReason.BREACH,
        subject="超时 东街道 初报 / Deadline passed, initial report",
        text="时限已过。\n\nThe deadline has passed.\n",
        to="unit.duty_officer",
        person="李东",
        address=address,
        payload={"notice": id_, "title": "爆燃", "due_at": None},
    )


@asynccontextmanager
async def opened(
    name: str, *, webhook_timeout_s: float = AMPLE_S, **accounts: object
) -> AsyncIterator[Channel]:
    """The channel with these accounts, closed in the end."""
    channels = load_channels(Settings(webhook_timeout_s=webhook_timeout_s, channels=Tables({name: accounts})))
    try:
        yield channels[name]
    finally:
        await close_channels(channels.values())


async def failing(channel: Channel, message: Message) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        await channel.send(message)
    return caught.value
