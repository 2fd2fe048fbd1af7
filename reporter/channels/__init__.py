"""The ways to send a notice: one module each, found by walking this folder. README.md says how to add one."""

from reporter.channels.contract import Channel, ChannelError, Message, Receipt
from reporter.channels.folder import close_channels, judge, judging, load_channels

__all__ = [
    "Channel",
    "ChannelError",
    "Message",
    "Receipt",
    "close_channels",
    "judge",
    "judging",
    "load_channels",
]
