"""The registry of channels is the folder: a module here with `CHANNEL` is a channel."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from reporter import channels
from reporter.channels.contract import NO_CHANNEL, Bounded, Channel, Closing, Discerning
from reporter.core.roster import FlawOf, channel_of
from reporter.settings import Settings, SettingsError

log = logging.getLogger(__name__)

JUDGED_KEPT: Final = 4096


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


def judge(loaded: Mapping[str, Channel]) -> FlawOf:
    """Says of an address as rosters have it why it can never work with these channels, or that it may (None).

    It remembers, since every step of a ladder asks of the same few addresses.
    """
    discerning = {name: channel for name, channel in loaded.items() if isinstance(channel, Discerning)}

    @lru_cache(maxsize=JUDGED_KEPT)
    def flaw_of(address: str) -> str | None:
        name, target = channel_of(address)
        if name not in loaded:
            return NO_CHANNEL
        try:
            return discerning[name].flaw_of(target) if name in discerning else None
        except Exception:  # a bug in one channel: no reason to judge no deadline, nor to give an address up
            log.exception("the channel %s cannot tell whether an address works; it is taken to", name)
            return None

    return flaw_of


async def close_channels(loaded: Iterable[Channel]) -> None:
    """Closes those that hold something open."""
    for channel in loaded:
        if isinstance(channel, Closing):
            await channel.close()


@asynccontextmanager
async def judging(settings: Settings) -> AsyncIterator[FlawOf]:
    """The judge of what these settings name, for who sends nothing. Errors: as of `load_channels`."""
    loaded = load_channels(settings)
    try:
        yield judge(loaded)
    finally:
        await close_channels(loaded.values())
