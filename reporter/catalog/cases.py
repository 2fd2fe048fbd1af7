"""The worked examples of a schedule file: read, and refused where the rule beside them says otherwise."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from reporter.catalog.tables import Table
from reporter.core.clocks import due_at, with_provisional
from reporter.core.schedule import GUARD_FIELDS, SUBMITTED, Case, Edition, Obligation


def read_cases(
    table: Table, editions: Sequence[Edition], listed: Mapping[str, Sequence[str]]
) -> tuple[Case, ...]:
    """All cases of a file; refuses a failing one, and an obligation of an edition that has none.

    `editions` hold the obligations that could be read, `listed` the ids of all obligations of each edition.
    """
    cases = []
    covered = set()
    for inner in table.tables("case"):
        case = _read(inner)
        if case is None:
            continue
        covered.add((case.edition_id, case.obligation_id))
        edition = next((each for each in editions if each.id == case.edition_id), None)
        if edition is None:
            inner.refuse("edition", f"no edition is in force from {case.edition_id}")
        elif case.obligation_id not in listed[edition.id]:
            inner.refuse("obligation", f"{case.obligation_id!r} is none of {', '.join(listed[edition.id])}")
        elif inner.is_sound:
            _try(inner, edition, case)
        cases.append(case)
    for edition_id, obligation_ids in listed.items():
        for obligation_id in obligation_ids:
            if obligation_id and (edition_id, obligation_id) not in covered:
                table.refuse("case", f"none for obligation {obligation_id!r} of edition {edition_id}")
    return tuple(cases)


def computed(edition: Edition, obligation: Obligation, case: Case) -> datetime | None:
    """What the rule says where the case says `due_at`; None if the obligation does not exist or start."""
    if not obligation.guard.holds(dict(case.facts)):
        return None
    return due_at(obligation, with_provisional(edition, dict(case.anchors)), edition.zone)


def _read(table: Table) -> Case | None:
    """None without the names of an edition and an obligation."""
    says_zh, says_en = _sentence(table)
    edition_on = table.value("edition", date)
    obligation_id = table.text("obligation")
    anchors = _anchors(table)
    facts = _facts(table) if table.has("facts") else ()
    is_required = table.value("required", bool, default=True)
    due = table.instant("due") if is_required or table.has("due") else None
    if due is not None and not is_required:
        table.refuse("due", "contradicts `required = false`: what does not exist is never due")
    table.close()
    if edition_on is None or not obligation_id:
        return None
    return Case(says_zh, says_en, edition_on.isoformat(), obligation_id, anchors, facts, due)


def _try(table: Table, edition: Edition, case: Case) -> None:
    obligation = edition.obligation(case.obligation_id)
    named = _counted_from(edition, obligation) if obligation else None
    if obligation is None or named is None:
        return  # it, or one that it waits for, was itself refused: the case is tried once that is mended
    if case.facts and not obligation.guard.any_of:
        table.refuse("facts", f"change nothing: {obligation.id!r} has no `when`")
    if obligation.guard.any_of and not case.facts:
        table.refuse("facts", f"missing: {obligation.id!r} has a `when`")
    for name, _ in case.anchors:
        if name not in named:
            counted = ", ".join(sorted(named))
            table.refuse("anchors", f"{name!r} changes nothing: {obligation.id!r} is counted from {counted}")
    due = computed(edition, obligation, case)
    if due != case.due_at:
        table.refuse("due", f"the rule says {_shown(due, edition)}, the case {_shown(case.due_at, edition)}")


def _counted_from(edition: Edition, obligation: Obligation) -> set[str] | None:
    """The anchors the obligation needs, also through those it waits for; None if one of them is missing."""
    names = {bound.anchor for bound in obligation.bounds}
    names |= {bound.unless_past_at for bound in obligation.bounds if bound.unless_past_at}
    for name in tuple(names):
        if name.startswith(SUBMITTED):
            waited_for = edition.obligation(name.removeprefix(SUBMITTED))
            further = _counted_from(edition, waited_for) if waited_for else None
            if further is None:
                return None
            names |= further
    return names


def _sentence(table: Table) -> tuple[str, str]:
    inner = table.table("says")
    if inner is None:
        return "", ""
    says_zh, says_en = (inner.text(language) if inner.has(language) else "" for language in ("zh", "en"))
    inner.close()
    if inner.is_sound and not (says_zh or says_en):
        inner.refuse("", "needs a sentence as `zh`, `en` or both")
    return says_zh, says_en


def _anchors(table: Table) -> tuple[tuple[str, datetime], ...]:
    inner = table.table("anchors")
    if inner is None:
        return ()
    return tuple((name, at) for name in inner.names() if (at := inner.instant(name)) is not None)


def _facts(table: Table) -> tuple[tuple[str, str | bool], ...]:
    inner = table.table("facts")
    facts: list[tuple[str, str | bool]] = []
    if inner is None:
        return ()
    for name in inner.names():
        allowed = GUARD_FIELDS.get(name)
        if allowed is None:
            inner.refuse(name, f"is nothing a guard can look at; it can at {', '.join(GUARD_FIELDS)}")
            continue
        value = inner.value(name, bool) if isinstance(allowed[0], bool) else inner.value(name, str)
        if value is not None and value not in allowed:
            inner.refuse(name, f"{value!r} is not one of {', '.join(map(str, allowed))}")
        elif value is not None:
            facts.append((name, value))
    if not facts and inner.is_sound:
        inner.refuse("", "must not be empty")
    return tuple(facts)


def _shown(at: datetime | None, edition: Edition) -> str:
    return "not due" if at is None else at.astimezone(ZoneInfo(edition.zone)).isoformat()
