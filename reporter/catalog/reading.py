"""From the tables of a schedule file to `core.schedule` values; the format: `schedules/README.md`."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, Literal
from zoneinfo import ZoneInfo

from reporter.catalog.cases import read_cases
from reporter.catalog.documents import sealed
from reporter.catalog.tables import Problem, Table
from reporter.core.schedule import (
    GUARD_FIELDS,
    RECIPIENTS,
    SUBMITTED,
    Bound,
    Citation,
    Condition,
    Edition,
    Element,
    Guard,
    Obligation,
    Schedule,
    Span,
    Step,
    parse_offset,
    parse_span,
)
from reporter.core.terms import Form

_SCHEDULE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ANCHOR = re.compile(r"[a-z_]{1,64}")
_REPEATS_MAX: Final = 100
_BREACH: Final = timedelta(0)


def read_schedule(table: Table) -> Schedule | None:
    """The schedule of a file's top table; None if anything in it was refused."""
    schedule_id = table.text("id")
    if schedule_id and not _SCHEDULE_ID.fullmatch(schedule_id):
        table.refuse("id", "must be lower-case letters, digits and hyphens")
    title_zh, title_en = _pair(table, "title")
    jurisdiction = table.text("jurisdiction")
    zone = _zone(table)
    read = [_edition(inner, schedule_id, zone) for inner in table.tables("edition", named_by="in_force")]
    editions = sorted((edition for edition, _ in read if edition), key=lambda edition: edition.in_force)
    for earlier, later in pairwise(editions):
        if earlier.id == later.id:
            table.refuse("edition", f"two editions are in force from {later.id}")
    listed = {edition.id: ids for edition, ids in read if edition}
    cases = read_cases(table, editions, listed)
    table.close()
    if not table.is_sound:
        return None
    return Schedule(schedule_id, title_zh, title_en, jurisdiction, zone, tuple(map(sealed, editions)), cases)


def edition_from_values(document: Mapping[str, object], problems: list[Problem]) -> Edition | None:
    """The edition of a stored document: the file's `[[edition]]` table, with dates as text."""
    values = {**document, "in_force": _day(document.get("in_force"))}
    citation = document.get("citation")
    if isinstance(citation, dict):
        values["citation"] = {**citation, "checked": _day(citation.get("checked"))}
    table = Table(values, "edition document", "", problems)
    edition, _ = _edition(table, table.text("schedule"), _zone(table))
    return sealed(edition) if edition and table.is_sound else None


def _day(text: object) -> object:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _edition(table: Table, schedule_id: str, zone: str) -> tuple[Edition | None, list[str]]:
    """The edition, with the obligations that could be read, and the ids of all it lists."""
    in_force = table.value("in_force", date)
    citation = _citation(table)
    ids: list[str] = []
    obligations = []
    for inner in table.tables("obligation", named_by="id"):
        obligation = _obligation(inner, ids)
        if inner.is_sound:
            obligations.append(obligation)
        ids.append(obligation.id)
    table.close()
    if in_force is None:
        return None, ids
    return Edition(schedule_id, in_force.isoformat(), in_force, zone, tuple(obligations), citation), ids


def _citation(table: Table) -> Citation:
    inner = table.table("citation")
    if inner is None:
        return Citation("", "", "", date.min)
    href = inner.value(
        "href", str
    )  # required, though it may be empty: "no link known" is said, not forgotten
    if href and not href.startswith(("https://", "http://")):
        inner.refuse("href", 'must be a web address, or "" where none is known')
    citation = Citation(
        inner.text("title"), inner.text("article"), href or "", inner.value("checked", date) or date.min
    )
    inner.close()
    return citation


def _obligation(table: Table, earlier: list[str]) -> Obligation:
    obligation_id = _id(table, earlier)
    title_zh, title_en = _pair(table, "title")
    authority_zh, authority_en = _pair(table, "authority") if table.has("authority") else ("", "")
    soft = table.value("soft", bool, default=False)
    combine, bounds = _bounds(table, earlier)
    obligation = Obligation(
        id=obligation_id,
        title_zh=title_zh,
        title_en=title_en,
        authority_zh=authority_zh,
        authority_en=authority_en,
        bounds=bounds,
        combine=combine,
        forms=table.words("forms", [form.value for form in Form]),
        elements=_elements(table),
        covers_earlier=table.value("covers_earlier", bool, default=True),
        guard=_guard(table),
        soft=soft,
        ladder=_ladder(table, soft=soft),
    )
    table.close()
    return obligation


def _bounds(
    table: Table, earlier: list[str]
) -> tuple[Literal["earliest_of", "latest_of"], tuple[Bound, ...]]:
    if not table.has("bounds"):
        if table.has("combine"):
            table.refuse("combine", "combines `bounds`; there are none")
        return "earliest_of", (Bound(_anchor(table, "starts_on", earlier), _span(table)),)
    for key in ("starts_on", "span"):
        if table.has(key):
            table.refuse(key, "stands inside `bounds` where there are several")
    bounds = []
    for inner in table.tables("bounds"):
        unless = _anchor(inner, "unless_past_at", earlier) if inner.has("unless_past_at") else None
        bounds.append(Bound(_anchor(inner, "starts_on", earlier), _span(inner), unless))
        inner.close()
    if len(bounds) == 1:
        table.refuse("bounds", "has only one; write its `starts_on` and `span` in the obligation itself")
    if bounds and all(bound.unless_past_at for bound in bounds):
        table.refuse(
            "bounds", "one of them must stand without `unless_past_at`, or nothing might be due at all"
        )
    combine = table.value("combine", str)
    if combine == "latest_of":
        return "latest_of", tuple(bounds)
    if combine not in (None, "earliest_of"):
        table.refuse("combine", f"{combine!r} is not one of earliest_of, latest_of")
    return "earliest_of", tuple(bounds)


def _anchor(table: Table, key: str, earlier: list[str]) -> str:
    name = table.text(key)
    if name.startswith(SUBMITTED):
        wanted = name.removeprefix(SUBMITTED)
        if wanted not in earlier:
            known = ", ".join(earlier) or "none"
            # Only earlier ones: so no obligation can wait for itself, however far round.
            table.refuse(key, f"{wanted!r} is not an obligation listed before this one (those are: {known})")
    elif name and not _ANCHOR.fullmatch(name):
        table.refuse(key, f"{name!r} is no anchor: occurred, aware, …, or submitted:<obligation id>")
    return name


def _span(table: Table) -> Span:
    text = table.text("span")
    if not text:
        return Span()
    try:
        span = parse_span(text)
    except ValueError as error:
        table.refuse("span", str(error))
        return Span()
    if span == Span():
        table.refuse("span", "must be longer than nothing")
    return span


def _elements(table: Table) -> tuple[Element, ...]:
    elements: list[Element] = []
    for inner in table.tables("elements", named_by="id", required=False):
        element_id = _id(inner, [element.id for element in elements])
        elements.append(Element(element_id, inner.text("zh"), inner.text("en")))
        inner.close()
    return tuple(elements)


def _guard(table: Table) -> Guard:
    if not table.has("when"):
        return Guard()
    conditions = []
    for inner in table.tables("when"):
        tests = []
        for name in sorted(inner.names()):  # all of them hold or none: their order means nothing
            allowed = GUARD_FIELDS.get(name)
            if allowed is None:
                inner.refuse(name, f"is nothing a guard can look at; it can at {', '.join(GUARD_FIELDS)}")
                continue
            values = tuple(inner.value(name, list) or ())
            if not values or any(
                type(value) is not type(allowed[0]) or value not in allowed for value in values
            ):
                inner.refuse(name, f"must list at least one of {_listed(allowed)}, and nothing else")
            tests.append((name, values))
        if not tests and inner.is_sound:
            inner.refuse("", "an empty condition always holds: leave `when` out instead")
        conditions.append(Condition(tuple(tests)))
    return Guard(tuple(conditions))


def _ladder(table: Table, *, soft: bool) -> tuple[Step, ...]:
    steps = []
    offsets: list[timedelta] = []
    for inner in table.tables("ladder", required=not soft):
        offset = _offset(inner, "at")
        recipients = inner.words("to", RECIPIENTS)
        every, at_most = _repetition(inner)
        inner.close()
        if offset in offsets:
            inner.refuse("at", "another step has the same offset")
        if soft and offset is not None and offset >= _BREACH:
            inner.refuse("at", "a soft obligation is never breached: all its steps come before the due time")
        if offset is not None:
            offsets.append(offset)
            steps.append(Step(offset, recipients, every, at_most))
    if not soft and offsets and _BREACH not in offsets:
        table.refuse("ladder", "needs one step at PT0S, the breach")
    return tuple(sorted(steps, key=lambda step: step.offset))


def _repetition(table: Table) -> tuple[timedelta | None, int]:
    if not table.has("every") and not table.has("at_most"):
        return None, 1
    every = _offset(table, "every")
    at_most = table.value("at_most", int)
    if every is not None and every <= timedelta(0):
        table.refuse("every", "must be longer than nothing")
    if at_most is not None and not 1 < at_most <= _REPEATS_MAX:
        table.refuse("at_most", f"counts the first too and must be 2 to {_REPEATS_MAX}")
    return every, at_most or 1


def _offset(table: Table, key: str) -> timedelta | None:
    text = table.text(key)
    try:
        return parse_offset(text) if text else None
    except ValueError as error:
        table.refuse(key, str(error))
        return None


def _zone(table: Table) -> str:
    name = table.text("zone")
    try:
        ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError):  # no such key, a path, a directory of the zone data
        table.refuse("zone", f"{name!r} is no IANA time zone such as Asia/Shanghai")
        return "UTC"
    return name or "UTC"


def _id(table: Table, taken: list[str]) -> str:
    name = table.text("id")
    if name and not _ID.fullmatch(name):
        table.refuse("id", "must be lower-case letters, digits and underscores, a letter first")
    if name and name in taken:
        table.refuse("id", f"{name!r} stands there twice")
    return name


def _pair(table: Table, key: str) -> tuple[str, str]:
    inner = table.table(key)
    if inner is None:
        return "", ""
    pair = inner.text("zh"), inner.text("en")
    inner.close()
    return pair


def _listed(values: tuple[str | bool, ...]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else value for value in values)
