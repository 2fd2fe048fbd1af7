"""The registry of channels is the folder: a module here with `CHANNEL` is a channel."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from reporter import channels
from reporter.channels.contract import Bounded, Channel, Closing
from reporter.settings import Settings, SettingsError


def load_channels(settings: Settings) -> dict[str, Channel]:
    """Every channel of the folder by name, made by its module's `CHANNEL(settings)`.

    Errors: ValueError where two have one name; SettingsError with everything wrong with all their accounts.
    """
    found: dict[str, Channel] = {}
    names: set[str] = set()
    problems: list[str] = []
    for module in sorted(iter_modules(channels.__path__), key=lambda module: module.name):
        make = getattr(import_module(f"{channels.__name__}.{module.name}"), "CHANNEL", None)
        if make is None:
            continue
        names.add(module.name)
        try:
            channel: Channel = make(settings)
        except SettingsError as wrong:
            problems += wrong.problems
            continue
        if channel.name in found:
            msg = f"two channels are named {channel.name}"
            raise ValueError(msg)
        found[channel.name] = channel
    problems += [
        f"channels.{name}: there is no such channel; there are {', '.join(sorted(names))}"
        for name in settings.channels.document
        if name not in names
    ]
    if problems:
        raise SettingsError(problems)
    return found


def longest_s(loaded: Iterable[Channel]) -> float:
    """The longest that a sending may take in any of these channels, in seconds."""
    return max((channel.timeout_s for channel in loaded if isinstance(channel, Bounded)), default=0.0)


async def close_channels(loaded: Iterable[Channel]) -> None:
    """Closes those that hold something open."""
    for channel in loaded:
        if isinstance(channel, Closing):
            await channel.close()
