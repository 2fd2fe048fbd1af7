"""What notices speak of, read just before they leave, or by the commit that decided on them: nothing is older."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.notice import IncidentWords, Taken, Words
from reporter.core.schedule import Edition
from reporter.core.terms import NoticeReason
from reporter.core.tracked import Tracked
from reporter.sending.wording import whose_place
from reporter.store.editions import Editions, EditionUnreadable
from reporter.store.people import unit_contacts
from reporter.store.sending import incident_words, obligation_dues

log = logging.getLogger(__name__)


async def words_of(connection: AsyncConnection, editions: Editions, notices: Sequence[Taken]) -> Words:
    """All that these notices speak of."""
    ids = {notice.incident_id for notice in notices if notice.incident_id is not None}
    incidents = await incident_words(connection, ids)
    obligations = {notice.obligation for notice in notices if notice.obligation is not None}
    dues, met = await obligation_dues(connection, ids, obligations)
    known: dict[str, Edition] = {}
    for digest in {incident.edition_digest for incident in incidents.values()}:
        try:
            known[digest] = await editions.of(connection, digest)
        except EditionUnreadable:
            # People are told even when the edition's text cannot be read: then obligations go by their ids.
            log.exception("edition %s cannot be read", digest)
    return await with_units(connection, Words(incidents, dues, {}, known, met), notices)


async def with_units(connection: AsyncConnection, words: Words, notices: Sequence[Taken]) -> Words:
    """The same, with the units that these notices speak of."""
    codes = {notice.unit for notice in notices} | {incident.unit for incident in words.incidents.values()}
    codes |= {unit for notice in notices if (unit := whose_place(notice.note))}
    return replace(words, units=await unit_contacts(connection, codes))


def words_at_hand(incidents: Iterable[Tracked]) -> Words:
    """What notices speak of that were just decided in these incidents, without the units."""
    found = list(incidents)
    return Words(
        {
            each.id: IncidentWords(
                each.id, each.code, each.title, each.unit, each.edition.schedule_id, each.edition.digest
            )
            for each in found
        },
        {(each.id, clock.obligation.id): clock.due_at for each in found for clock in each.clocks},
        {},
        {each.edition.digest: each.edition for each in found},
        frozenset(
            (each.id, clock.obligation.id)
            for each in found
            for clock in each.clocks
            if clock.met_at is not None
        ),
    )


def is_moot(notice: Taken, words: Words) -> bool:
    """Whether nobody needs it any more: a reminder that was never tried, of a report that has come meanwhile."""
    if notice.reason != NoticeReason.REMINDER or notice.attempts > 1:
        return False
    return (notice.incident_id or "", notice.obligation or "") in words.met
