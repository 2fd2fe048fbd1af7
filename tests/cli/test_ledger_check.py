"""A whole ledger is called whole, and whatever is done to one is found and named."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from reporter.catalog import load
from reporter.core.canonical import canonical
from reporter.core.schedule import Edition
from reporter.core.terms import FactKind
from reporter.resources import schedules_dir
from reporter.store import models as m
from reporter.store.database import Database
from reporter.store.ledger_check import find_incident, verify
from tests.cli.ledgers import chain, fresh_database, keep

ONE, TWO = "11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222"
FACTS: list[tuple[FactKind, dict[str, object]]] = [
    (FactKind.OPENED, {"data": {"title": "爆燃"}}),
    (FactKind.REMINDED, {"obligation": "initial"}),
    (FactKind.REPORTED, {"report": "r1"}),
]


@pytest.fixture(scope="module")
def edition() -> Edition:
    return load([schedules_dir()]).default.editions[-1]


@pytest.fixture
async def database(tmp_path: Path, edition: Edition) -> AsyncIterator[Database]:
    """Two incidents with three lines each."""
    database = await fresh_database(tmp_path)
    for incident, code in ((ONE, "1123-0001"), (TWO, "1123-0002")):
        await keep(database, chain(incident, FACTS), edition, code=code)
    yield database
    await database.close()


async def change(database: Database, version: int, **values: object) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            update(m.Line).where(m.Line.incident_id == ONE, m.Line.version == version).values(**values)
        )


async def problems(database: Database) -> list[tuple[int | None, str]]:
    """The defects of ONE; the other incident must have none."""
    checked = await verify(database)
    assert {each.incident for each in checked.defects} <= {ONE}
    return [(each.version, each.en) for each in checked.defects]


async def test_a_whole_ledger_has_no_defect(database: Database) -> None:
    seen: list[tuple[int, int]] = []

    checked = await verify(database, progress=lambda done, total: seen.append((done, total)))

    assert (checked.incidents, checked.lines, checked.defects) == (2, 6, ())
    assert seen[-1] == (6, 6)
    assert (await verify(database, TWO)).lines == 3


async def test_a_changed_text_is_found(database: Database) -> None:
    text = chain(ONE, FACTS)[1].text.replace("initial", "verified")

    await change(database, 2, text=text)

    assert [(version, "changed" in en) for version, en in await problems(database)] == [(2, True)]


async def test_a_changed_text_with_a_fitting_hash_breaks_the_chain_after_it(database: Database) -> None:
    text = chain(ONE, FACTS)[1].text.replace("initial", "verified")

    await change(database, 2, text=text, hash=sha256(text.encode()).hexdigest())

    assert [(version, "prev" in en) for version, en in await problems(database)] == [(3, True)]


async def test_a_last_line_written_anew_is_not_the_head(database: Database) -> None:
    text = chain(ONE, FACTS)[2].text.replace("r1", "r2")

    await change(database, 3, text=text, hash=sha256(text.encode()).hexdigest())

    assert [(version, "head" in en) for version, en in await problems(database)] == [(None, True)]


@pytest.mark.parametrize(("gone", "expected"), [(1, [2]), (2, [3]), (3, [None])])
async def test_a_missing_line_is_found(database: Database, gone: int, expected: list[int | None]) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(m.Line).where(m.Line.incident_id == ONE, m.Line.version == gone))

    assert [version for version, _ in await problems(database)] == expected


async def test_a_line_in_another_order_of_keys_is_not_canonical(database: Database) -> None:
    text = '{"zz":1}'

    await change(database, 2, text=text, hash=sha256(text.encode()).hexdigest())

    assert [version for version, _ in await problems(database)] == [2, 3]


async def test_text_that_is_not_canonical_is_found_though_its_hash_fits(database: Database) -> None:
    text = chain(ONE, FACTS)[2].text.replace('":', '": ', 1)

    await change(database, 3, text=text, hash=sha256(text.encode()).hexdigest())

    assert "canonical" in str(await problems(database))


async def test_a_line_of_another_incident_is_found(database: Database) -> None:
    stranger = chain(TWO, FACTS)[0]

    await change(database, 1, text=stranger.text, hash=stranger.hash)

    found = await problems(database)
    assert found[0][0] == 1
    assert TWO in found[0][1]


async def test_noise_is_a_defect_and_no_crash(database: Database) -> None:
    await change(database, 2, text="\x00 no json")
    await change(database, 3, text=canonical([1]).decode())

    assert {version for version, _ in await problems(database)} == {2, 3}


async def test_a_removed_incident_leaves_its_lines_behind(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(m.Incident).where(m.Incident.id == ONE))

    assert [version for version, _ in await problems(database)] == [None]


async def test_an_incident_without_lines_is_found(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(delete(m.Line).where(m.Line.incident_id == ONE))

    assert [version for version, _ in await problems(database)] == [None]


async def test_an_incident_is_found_by_id_or_code(database: Database) -> None:
    async with database.snapshot() as connection:
        assert await find_incident(connection, ONE.upper()) == ONE
        assert await find_incident(connection, "1123-0002") == TWO
        assert await find_incident(connection, "1123-0003") is None
