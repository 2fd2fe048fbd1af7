"""What the roster's pages share: their tabs, and reading the instants that people type."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request

from reporter.desk.auth import Action, Caller, Right


@dataclass(frozen=True, slots=True)
class RosterTab:
    """One of the roster's pages, as a link."""

    href: str
    title: tuple[str, str]
    is_current: bool


_TABS: Final[tuple[tuple[str, tuple[str, str], Right], ...]] = (
    ("/roster", ("在岗", "On duty"), Action.READ),
    ("/roster/week", ("一周", "Week"), Action.READ),
    ("/roster/changes", ("换班请假", "Changes"), Action.READ),
    ("/roster/roll-calls", ("点名抽查", "Roll-calls"), Action.READ),
    ("/roster/settings", ("导入与设置", "Import and settings"), Action.ROSTER),
    ("/roster/units", ("单位", "Units"), Action.ACCOUNTS),
)


def tabs(caller: Caller, request: Request, unit: str) -> tuple[RosterTab, ...]:
    """The pages that the caller may see, for the same unit."""
    return tuple(
        RosterTab(f"{href}?unit={unit}", title, request.url.path == href)
        for href, title, right in _TABS
        if caller.may(right)
    )


def instant_typed(text: str, zone: ZoneInfo) -> datetime | None:
    """The instant of a date-and-time field, which is in the service's zone; None for what is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1971 <= at.year <= 2198:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def typed_instant(at: datetime, zone: ZoneInfo) -> str:
    """What a date-and-time field holds for an instant."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
