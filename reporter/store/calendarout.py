"""Writing a roster as an iCalendar file, in the form that `calendarfile` reads: one event for each person and span."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256

from icalendar import Calendar, Event, vCalAddress, vText

from reporter.core.instants import rfc3339
from reporter.core.roster import Duty, UnitNode
from reporter.core.standin import Slot
from reporter.core.terms import DutyRole, label

PRODUCT = "-//Reporter//roster//ZH"
REFRESH = timedelta(hours=1)


def write_calendar(
    lines: Mapping[tuple[str, DutyRole], Iterable[Slot]],
    units: Mapping[str, UnitNode],
    now: datetime,
    name: str,
    *,
    with_channels: bool = False,
) -> bytes:
    """The calendar of these rosters, swaps and deputies applied. Without `with_channels` no address is told: a feed
    goes to phones, and an address may hold a secret.
    """
    calendar = Calendar()
    calendar.add("PRODID", PRODUCT)
    calendar.add("VERSION", "2.0")
    calendar.add("METHOD", "PUBLISH")
    calendar.add("X-WR-CALNAME", name)
    calendar.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    for (unit, role), slots in lines.items():
        for starts_at, ends_at, duty in stretches(slots):
            calendar.add_component(_event(units[unit], role, starts_at, ends_at, duty, now, with_channels))
    return bytes(calendar.to_ical())


def stretches(slots: Iterable[Slot]) -> list[tuple[datetime, datetime, Duty]]:
    """Each person's spans, joined where only the others change."""
    found: list[tuple[datetime, datetime, Duty]] = []
    running: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for slot in slots:
        still: dict[tuple[str, str, tuple[str, ...]], int] = {}
        for duty in slot.duties:
            if duty.is_absent:
                continue
            key = duty.person, duty.phone, duty.channels
            index = running.get(key)
            if index is not None and found[index][2].note == duty.note:
                found[index] = (found[index][0], slot.ends_at, duty)
            else:
                index = len(found)
                found.append((slot.starts_at, slot.ends_at, duty))
            still[key] = index
        running = still
    return found


def _event(
    unit: UnitNode,
    role: DutyRole,
    starts_at: datetime,
    ends_at: datetime,
    duty: Duty,
    now: datetime,
    with_channels: bool,
) -> Event:
    identity = f"{unit.code}/{role}/{duty.person}/{rfc3339(starts_at)}"
    said = {"unit": unit.code, "role": role.value, "person": duty.person, "phone": duty.phone}
    if with_channels:
        said["channels"] = "|".join(duty.channels)
    described = [f"{key}: {value}" for key, value in said.items() if value]
    if duty.note:
        described.append(f"({duty.note})")
    event = Event()
    event.add("UID", f"{sha256(identity.encode()).hexdigest()[:32]}@reporter")
    event.add("DTSTAMP", now)
    event.add("DTSTART", starts_at)
    event.add("DTEND", ends_at)
    event.add("SUMMARY", f"{label(role)} {duty.person}")
    event.add("LOCATION", unit.name)
    event.add("DESCRIPTION", "\n".join(described))
    if duty.phone:
        attendee = vCalAddress(f"tel:{duty.phone}")
        attendee.params["CN"] = vText(duty.person)
        event.add("ATTENDEE", attendee)
    return event
