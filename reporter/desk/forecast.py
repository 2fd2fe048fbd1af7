"""The deadlines that an opening would bring about, by the very functions that will decide them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reporter.catalog import Catalog
from reporter.core import reading
from reporter.core.incident import Entry, View, derive
from reporter.core.schedule import Citation
from reporter.core.terms import CommandKind

Words = tuple[str, str]
"""The same in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline. `due_latest_at`: where the occurrence is an interval; `aware_due_at` counts from awareness."""

    title: Words
    due_at: datetime
    due_latest_at: datetime | None
    aware_due_at: datetime | None
    is_past: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would start. `is_provisional`: there is no credible occurrence, so it counts from the arrival."""

    schedule: Words
    edition_id: str
    citation: Citation
    is_in_force: bool
    is_provisional: bool
    occurred_at: datetime
    dues: tuple[Due, ...]


def forecast(catalog: Catalog, data: Mapping[str, object], received_at: datetime) -> Forecast:
    """What an opening with this data, received at that instant, would start; nothing is written."""
    facts, problems = reading.incident_facts(data)
    named = data.get("schedule")
    schedule = (catalog.get(named) if isinstance(named, str) else None) or catalog.default
    occurred = facts.get("occurred")
    at = occurred.earliest if isinstance(occurred, reading.Occurrence) else received_at
    edition, is_in_force = schedule.edition_in_force(at)
    opened = Entry(CommandKind.OCCURRED, "", "", received_at, data, said=(facts, problems))
    view = derive(edition, opened, ())
    return Forecast(
        schedule=(schedule.title_zh, schedule.title_en),
        edition_id=edition.id,
        citation=edition.citation,
        is_in_force=is_in_force,
        is_provisional=view.is_provisional,
        occurred_at=view.occurred.earliest,
        dues=_dues(view, received_at),
    )


def _dues(view: View, now: datetime) -> tuple[Due, ...]:
    return tuple(
        Due(
            title=(clock.obligation.title_zh, clock.obligation.title_en),
            due_at=clock.due_at,
            due_latest_at=clock.due_latest_at,
            aware_due_at=clock.aware_due_at,
            is_past=clock.final_due_at < now,
        )
        for clock in view.clocks
    )
