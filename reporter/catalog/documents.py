"""An edition as JSON: what is stored beside the incidents opened under it, and what its digest is taken of.

The document has the shape of the file's `[[edition]]` table with every span in its one spelling. A key is
left out where it has its default: so a construct added to the format later changes no digest of an old one.
"""

from dataclasses import replace
from hashlib import sha256

from reporter.core.canonical import canonical
from reporter.core.schedule import (
    Bound,
    Edition,
    Obligation,
    Step,
    format_offset,
    format_span,
)

Document = dict[str, object]


def edition_document(edition: Edition) -> Document:
    """The edition as plain JSON values, without its digest."""
    citation = edition.citation
    return {
        "schedule": edition.schedule_id,
        "zone": edition.zone,
        "in_force": edition.in_force.isoformat(),
        "citation": {
            "title": citation.title,
            "article": citation.article,
            "href": citation.href,
            "checked": citation.checked.isoformat(),
        },
        "obligation": [_obligation(obligation) for obligation in edition.obligations],
    }


def sealed(edition: Edition) -> Edition:
    """The edition with its digest: SHA-256, in hex, of the canonical JSON of its document."""
    return replace(edition, digest=sha256(canonical(edition_document(edition))).hexdigest())


def _obligation(obligation: Obligation) -> Document:
    document: Document = {
        "id": obligation.id,
        "title": {"zh": obligation.title_zh, "en": obligation.title_en},
        "forms": list(obligation.forms),
    }
    if len(obligation.bounds) == 1:
        document |= _bound(obligation.bounds[0])
    else:
        document["combine"] = obligation.combine
        document["bounds"] = [_bound(bound) for bound in obligation.bounds]
    if obligation.authority_zh or obligation.authority_en:
        document["authority"] = {"zh": obligation.authority_zh, "en": obligation.authority_en}
    if obligation.elements:
        document["elements"] = [{"id": each.id, "zh": each.zh, "en": each.en} for each in obligation.elements]
    if not obligation.covers_earlier:
        document["covers_earlier"] = False
    if obligation.soft:
        document["soft"] = True
    if obligation.guard.any_of:
        document["when"] = [
            {name: list(values) for name, values in condition.all_of} for condition in obligation.guard.any_of
        ]
    if obligation.ladder:
        document["ladder"] = [_step(step) for step in obligation.ladder]
    return document


def _bound(bound: Bound) -> Document:
    document: Document = {"starts_on": bound.anchor, "span": format_span(bound.span)}
    if bound.unless_past_at is not None:
        document["unless_past_at"] = bound.unless_past_at
    return document


def _step(step: Step) -> Document:
    document: Document = {"at": format_offset(step.offset), "to": list(step.recipients)}
    if step.every is not None:
        document |= {"every": format_offset(step.every), "at_most": step.at_most}
    return document
