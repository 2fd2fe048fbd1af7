"""What notices speak of, read from the tables just before they leave: nothing that they say is older than that."""

import logging
from collections.abc import Sequence

from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.catalog import CatalogError
from reporter.core.notice import Taken, Words
from reporter.core.schedule import Edition
from reporter.core.terms import NoticeReason
from reporter.sending.wording import whose_place
from reporter.store.editions import Editions
from reporter.store.people import unit_contacts
from reporter.store.sending import incident_words, obligation_dues

log = logging.getLogger(__name__)


async def words_of(connection: AsyncConnection, editions: Editions, notices: Sequence[Taken]) -> Words:
    """All that these notices speak of."""
    ids = {notice.incident_id for notice in notices if notice.incident_id is not None}
    incidents = await incident_words(connection, ids)
    obligations = {notice.obligation for notice in notices if notice.obligation is not None}
    dues, met = await obligation_dues(connection, ids, obligations)
    codes = {notice.unit for notice in notices} | {incident.unit for incident in incidents.values()}
    codes |= {unit for notice in notices if (unit := whose_place(notice.note))}
    known: dict[str, Edition] = {}
    for digest in {incident.edition_digest for incident in incidents.values()}:
        try:
            known[digest] = await editions.of(connection, digest)
        except (CatalogError, NoResultFound):
            # People are told even when the edition's text cannot be read: then obligations go by their ids.
            log.exception("edition %s cannot be read", digest)
    return Words(incidents, dues, await unit_contacts(connection, codes), known, met)


def is_moot(notice: Taken, words: Words) -> bool:
    """Whether nobody needs it any more: a reminder that was never tried, of a report that has come meanwhile."""
    if notice.reason != NoticeReason.REMINDER or notice.attempts > 1:
        return False
    return (notice.incident_id or "", notice.obligation or "") in words.met
