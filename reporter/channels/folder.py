"""The registry of channels is the folder: a module here with `CHANNEL` is a channel."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from reporter import channels
from reporter.channels.contract import Bounded, Channel, Closing
from reporter.settings import Settings, SettingsError


def channel_names() -> list[str]:
    """The channels there are, whether or not these settings have an account for them."""
    modules = [module.name for module in iter_modules(channels.__path__)]
    return sorted(
        name for name in modules if hasattr(import_module(f"{channels.__name__}.{name}"), "CHANNEL")
    )


def load_channels(settings: Settings) -> dict[str, Channel]:
    """Every channel of the folder by name, made by its module's `CHANNEL(settings)`.

    One that is nothing without an account, and has none, answers None: it does not exist here, so that who
    has no other address is noticed on the desk.

    Errors: ValueError where two have one name; SettingsError with everything wrong with all their accounts.
    """
    found: dict[str, Channel] = {}
    names = channel_names()
    problems: list[str] = []
    for name in names:
        make = import_module(f"{channels.__name__}.{name}").CHANNEL
        try:
            channel: Channel | None = make(settings)
        except SettingsError as wrong:
            problems += wrong.problems
            continue
        if channel is None:
            continue
        if channel.name in found:
            msg = f"two channels are named {channel.name}"
            raise ValueError(msg)
        found[channel.name] = channel
    problems += [
        f"channels.{name}: there is no such channel; there are {', '.join(names)}"
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
