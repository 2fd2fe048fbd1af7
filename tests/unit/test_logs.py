"""The log while the database is away: one line in ten seconds from each part, and no traceback."""

import logging

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from reporter.logs import Sparing


def said(error: Exception, times: int = 1, name: str = "reporter.engine.doorbell") -> list[logging.LogRecord]:
    """What passes of so many records about that error."""
    sparing = Sparing()
    records = [
        logging.LogRecord(name, logging.ERROR, "", 0, "again in %.1f s", (0.5,), (type(error), error, None))
        for _ in range(times)
    ]
    return [record for record in records if sparing.filter(record)]


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_outage_of_the_database_is_said_once_and_in_one_line(wrapped: bool) -> None:
    error: Exception = OperationalError("BEGIN IMMEDIATE", None, Exception("database is locked"))
    if wrapped:
        error = ExceptionGroup("of a task group", [error])

    [record] = said(error, times=100)

    assert record.exc_info is None
    assert record.getMessage().startswith("again in 0.5 s: ")


def test_other_errors_are_said_in_full_each_time() -> None:
    records = said(IntegrityError("INSERT", None, Exception("UNIQUE")), times=3)

    assert len(records) == 3
    assert all(record.exc_info for record in records)
