"""Editions that incidents are bound to, kept for life: read once, then from memory."""

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.catalog import edition_document, edition_from_document
from reporter.core.schedule import Edition
from reporter.store import models as m

_TABLE = m.table(m.Edition)
_STORED = select(_TABLE.c.digest).where(_TABLE.c.digest == bindparam("digest"))


class Editions:
    """The editions met so far, by digest."""

    def __init__(self) -> None:
        self._known: dict[str, Edition] = {}
        self._stored: set[str] = set()

    async def of(self, connection: AsyncConnection, digest: str) -> Edition:
        """The edition with that digest, as it was when the first incident was bound to it."""
        if (known := self._known.get(digest)) is not None:
            return known
        document = (
            await connection.execute(select(_TABLE.c.document).where(_TABLE.c.digest == digest))
        ).scalar_one()
        edition = edition_from_document(document)
        self._known[digest] = edition
        return edition

    async def keep(self, connection: AsyncConnection, edition: Edition) -> None:
        """Makes sure that the edition is stored. To be asked once in a transaction: what is found there is another's,
        committed, and remembered; what this one inserts may yet fail, and is not.
        """
        if edition.digest in self._stored:
            return
        if (await connection.execute(_STORED, {"digest": edition.digest})).scalar_one_or_none() is not None:
            self._stored.add(edition.digest)
            return
        await connection.execute(
            insert(_TABLE).values(
                digest=edition.digest,
                schedule=edition.schedule_id,
                edition=edition.id,
                document=edition_document(edition),
            )
        )
