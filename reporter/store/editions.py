"""Editions that incidents are bound to, kept for life: read once, then from memory."""

from collections.abc import Iterable

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.catalog import CatalogError, edition_document, edition_from_document
from reporter.core.schedule import Edition
from reporter.store import models as m
from reporter.store.bulk import Writing
from reporter.store.onevisit import Row
from reporter.store.types import document

_TABLE = m.table(m.Edition)
_COLUMNS = ("digest", "schedule", "edition", "document")
_DOCUMENT = select(_TABLE.c.document).where(_TABLE.c.digest == bindparam("digest"))


class EditionUnreadable(LookupError):
    """An edition that is not stored, or not in a form that this version reads; the message says which."""


class Editions:
    """The editions met so far, by digest."""

    def __init__(self) -> None:
        self._known: dict[str, Edition] = {}
        self._rows: dict[str, Row] = {}

    async def of(self, connection: AsyncConnection, digest: str) -> Edition:
        """The edition with that digest, as it was when the first incident was bound to it.

        Errors: EditionUnreadable.
        """
        if (known := self._known.get(digest)) is not None:
            return known
        stored = (await connection.execute(_DOCUMENT, {"digest": digest})).scalar_one_or_none()
        if stored is None:
            raise EditionUnreadable(f"the edition {digest} is not stored")
        try:
            edition = self._known[digest] = edition_from_document(stored)
        except CatalogError as error:
            raise EditionUnreadable(f"the edition {digest} cannot be read: {error}") from error
        return edition

    def keep(self, writing: Writing, editions: Iterable[Edition]) -> None:
        """Stores those that are not stored. Nothing is remembered of it: a database may be put back to yesterday."""
        rows = {edition.digest: self._row(edition) for edition in editions}
        writing.insert(_TABLE, _COLUMNS, list(rows.values()), unless_there=True)

    def _row(self, edition: Edition) -> Row:
        if (row := self._rows.get(edition.digest)) is None:
            text = document(edition_document(edition))
            row = self._rows[edition.digest] = (edition.digest, edition.schedule_id, edition.id, text)
        return row
