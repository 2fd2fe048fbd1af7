"""The registry of channels is the folder: a module here with `CHANNEL` is a channel."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from reporter import channels
from reporter.channels.contract import Channel, Closing
from reporter.settings import Settings


def load_channels(settings: Settings) -> dict[str, Channel]:
    """Every channel of the folder by name, made by its module's `CHANNEL(settings)`.

    Errors: ValueError where two have one name.
    """
    found: dict[str, Channel] = {}
    for module in sorted(iter_modules(channels.__path__), key=lambda module: module.name):
        make = getattr(import_module(f"{channels.__name__}.{module.name}"), "CHANNEL", None)
        if make is None:
            continue
        channel: Channel = make(settings)
        if channel.name in found:
            msg = f"two channels are named {channel.name}"
            raise ValueError(msg)
        found[channel.name] = channel
    return found


async def close_channels(loaded: Iterable[Channel]) -> None:
    """Closes those that hold something open."""
    for channel in loaded:
        if isinstance(channel, Closing):
            await channel.close()
