"""What the doctor says of reaching people: who on the roster has no address that leads to them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reporter.channels import judging
from reporter.cli.doctor import Finding, Health
from reporter.settings import Settings, SettingsError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from reporter.store.unreachable import Unreachable

AHEAD = timedelta(days=7)
SHOWN_MAX = 20


async def lost_people(
    connection: "AsyncConnection", settings: Settings, now: datetime
) -> "list[Unreachable]":
    """Those on duty now or in the days ahead, those who stand in too, who have no address that can work here."""
    from reporter.store.unreachable import unreachable

    try:
        async with judging(settings) as flaw_of:
            return await unreachable(connection, flaw_of, now, now + AHEAD)
    except SettingsError:
        return []  # the accounts are a finding of their own


def findings_of(lost: "list[Unreachable]") -> Iterator[Finding]:
    """One warning with their names and what is wrong with their addresses, or nothing."""
    if lost:
        zh, en = (
            "; ".join(f"{each.person} ({_why(each) or none})" for each in lost[:SHOWN_MAX])
            + ("; …" if len(lost) > SHOWN_MAX else "")
            for none in ("没有地址", "none at all")
        )
        yield Finding(
            "reach",
            Health.WARNING,
            f"没有可用的地址，离开值班台便通知不到：{zh}。在值班表、换班记录或渠道账户中改正",
            f"no address that works, away from the desk nothing reaches them: {en}. "
            "Correct the roster, what was agreed over it, or the channel's accounts",
        )


def _why(lost: "Unreachable") -> str:
    return ", ".join(f"{address}: {flaw}" for address, flaw in lost.flaws)
