"""What the doctor says of reaching people: who on the roster has no address that leads to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reporter.channels import close_channels, load_channels
from reporter.cli.doctor import Finding, Health
from reporter.settings import Settings, SettingsError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

AHEAD = timedelta(days=7)
SHOWN_MAX = 20


async def lost_people(connection: "AsyncConnection", settings: Settings, now: datetime) -> list[str]:
    """Those on duty now or in the days ahead who have no address that works here."""
    from reporter.store.unreachable import unreachable

    try:
        channels = load_channels(settings)
    except SettingsError:
        return []  # the accounts are a finding of their own
    await close_channels(channels.values())
    return await unreachable(connection, channels.keys(), now, now + AHEAD)


def findings_of(lost: list[str]) -> Iterator[Finding]:
    """One warning with their names, or nothing."""
    if lost:
        names = ", ".join(lost[:SHOWN_MAX]) + (", …" if len(lost) > SHOWN_MAX else "")
        yield Finding(
            "reach",
            Health.WARNING,
            f"没有可用的地址，离开值班台便通知不到：{names}。在值班表中补入",
            f"no address that works, away from the desk nothing reaches them: {names}. "
            "Give them one in the roster",
        )
