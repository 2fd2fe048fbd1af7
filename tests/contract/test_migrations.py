"""The schema, on SQLite and PostgreSQL: made at once, migrated up and down, empty and in use; or refused."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any  # stand-ins, and what a way into the schema answers

import pytest
from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from reporter.cli import app
from reporter.health import Health
from reporter.store import database as databases
from reporter.store import migrations, schema
from reporter.store import models as m
from reporter.store.database import SQLITE_FILE, Database
from reporter.store.ledger_check import verify
from reporter.timesource import SystemTime
from tests.contract.gateworld import World, world_on
from tests.contract.shape import rows, shape
from tests.unit.factories import CATALOG, at

ROOT = Path(__file__).resolve().parents[2]
MADE_LATER = """
    from alembic import op
    import sqlalchemy as sa

    revision = "{revision}"
    down_revision = "{before}"

    def upgrade() -> None:
        op.add_column("incidents", sa.Column("added_{revision}", sa.Text(), nullable=True))
        op.create_index("ix_added_{revision}", "incidents", ["added_{revision}"])
        {then}

    def downgrade() -> None:
        op.drop_index("ix_added_{revision}", "incidents")
        op.drop_column("incidents", "added_{revision}")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / SQLITE_FILE}"
    found: str = request.getfixturevalue("postgres")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """The empty database."""
    found = Database(url)
    yield found
    await found.close()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Adds a migration after the newest, as a version to come would; returns its revision."""
    folder = tmp_path / "versions %"
    folder.mkdir()
    monkeypatch.setattr(migrations, "VERSIONS", [*migrations.VERSIONS, folder])

    def add(then: str = "") -> str:
        before = migrations.revisions()[0]
        revision = f"{int(before) + 1:04}"
        words = dedent(MADE_LATER).format(revision=revision, before=before, then=then)
        (folder / f"{revision}_later.py").write_text(words, encoding="utf-8")
        monkeypatch.setattr(schema, "REVISION", revision)
        return revision

    return add


async def down(database: Database, target: str = "-1") -> None:
    """Takes migrations back: one, or those after `target`."""
    async with database.transaction() as connection:
        await connection.run_sync(lambda sync: command.downgrade(migrations.config(sync), target))


@asynccontextmanager
async def in_use(url: str) -> AsyncIterator[World]:
    """A world with incidents in every state, on a schema that is there already or made now."""
    async with world_on(url, CATALOG, at(0)) as world:
        opened = [await world.open(f"e{number}") for number in range(4)]
        await world.tell("filed", opened[0], 5, covers=["initial"])
        await world.tell("closed", opened[1], 6)
        await world.tell("withdrawn", opened[2], 7)
        await world.tick_until(70)
        yield world


# --- one schema, whichever way it was made ------------------------------------------------------------------


async def test_what_the_service_makes_is_what_the_migrations_make(database: Database) -> None:
    await schema.check(database)
    at_once = await shape(database)
    await down(database, "base")
    nothing = await shape(database)
    await schema.upgrade(database)

    assert await shape(database) == at_once
    assert at_once.keys() >= {"ledger", "index ix_incidents_open"} | (
        {"options clocks", "trigger ledger_no_update", "autoincrement outbox"}
        if database.kind == "sqlite"
        else {"function ledger_refuse", "trigger ledger_not_emptied", "sequence outbox_seq_seq"}
    )
    assert "WHERE" in at_once["index ix_clocks_remind_at"]
    assert all("alembic_version" in name for name in nothing)


async def test_the_migrations_lead_to_the_models(database: Database) -> None:
    await schema.upgrade(database)

    def missing(connection: Connection) -> str:
        options = {
            "target_metadata": m.Base.metadata,
            "compare_server_default": True,
            # What SQLite's own index of words is kept in: made and dropped with `search_entries`.
            "include_name": lambda name, kind, _: not (kind == "table" and name.startswith("search_index")),
            # PostgreSQL's is an index of its own: Alembic does not ask which database an index is for.
            "include_object": lambda _item, name, *_: (
                not (name == "ix_search_entries_grams" and connection.dialect.name == "sqlite")
            ),
        }
        context = MigrationContext.configure(connection, opts=options)
        operations = produce_migrations(context, m.Base.metadata).upgrade_ops
        return "" if operations is None or operations.is_empty() else render_python_code(operations)

    async with database.snapshot() as connection:
        operations = await connection.run_sync(missing)
    assert operations == "", f"put this into a migration, with types of plain SQL:\n{operations}"


def test_the_revision_is_the_newest_migration_and_they_count_up() -> None:
    revisions = migrations.revisions()

    assert revisions[0] == schema.REVISION
    assert revisions == [f"{number:04}" for number in range(len(revisions), 0, -1)]


def test_to_make_an_empty_database_does_not_import_alembic(tmp_path: Path) -> None:
    script = f"""
        import asyncio, sys
        from reporter.store import database, schema
        asyncio.run(schema.check(database.Database("sqlite:///{tmp_path / "empty.sqlite3"}")))
        sys.exit("alembic" in sys.modules)
    """

    subprocess.run([sys.executable, "-c", dedent(script)], cwd=ROOT, check=True)


# --- up and down --------------------------------------------------------------------------------------------


async def test_a_database_is_stepped_down_and_up_again(url: str, database: Database) -> None:
    await schema.upgrade(database)
    whole = await shape(database)

    for _ in migrations.revisions():
        await down(database)
        below = await shape(database)
        assert below != whole
    await schema.upgrade(database)

    assert await shape(database) == whole
    async with in_use(url) as world:
        assert len(await world.rows(m.Incident)) == 4


async def test_an_upgrade_of_a_database_in_use_loses_nothing(
    url: str, database: Database, later: Callable[..., str]
) -> None:
    async with in_use(url) as world:
        before, base = await rows(database), schema.REVISION
        later()
        newest = later()

        with pytest.raises(schema.SchemaMismatch, match=rf"{base}.*{newest}.*`reporter db upgrade`"):
            await schema.check(database)
        assert await schema.upgrade(database) == newest
        await schema.check(database)

        assert await rows(database) == before
        assert {f"index ix_added_{newest}", "index ix_clocks_remind_at"} <= (await shape(database)).keys()
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.transaction() as connection:
                await connection.execute(text("DELETE FROM ledger"))
        await world.open("e9", received=80)
        assert (await verify(database)).defects == ()

        changed = await rows(database)
        await down(database)
        assert await rows(database) == changed
        await schema.upgrade(database)
        assert await rows(database) == changed


async def test_an_upgrade_of_what_is_up_to_date_changes_nothing(url: str, database: Database) -> None:
    async with in_use(url):
        before = await rows(database), await shape(database)

        await schema.upgrade(database)

        assert (await rows(database), await shape(database)) == before


async def test_a_migration_that_fails_leaves_the_one_before_it_whole(
    database: Database, later: Callable[..., str]
) -> None:
    await schema.upgrade(database)
    good = later()
    await schema.upgrade(database)
    whole = await shape(database)
    bad = later("op.execute('SELECT * FROM no_such_table')")

    with pytest.raises(DBAPIError, match="no_such_table"):
        await schema.upgrade(database)

    assert await schema.revision(database) == good < bad
    assert await shape(database) == whole


# --- several at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [schema.check, schema.upgrade])
async def test_replicas_that_come_to_an_empty_database_at_once_make_one_schema(
    url: str, way: Callable[[Database], Any]
) -> None:
    replicas = [Database(url) for _ in range(4)]

    await asyncio.gather(*(way(replica) for replica in replicas))

    found = await asyncio.gather(*(schema.revision(replica) for replica in replicas))
    assert set(found) == {schema.REVISION}
    for replica in replicas:
        await replica.close()


async def test_an_upgrade_that_has_to_wait_too_long_says_so_and_changes_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(schema, "PEER_WAIT", "50ms")
    busy, waiting = Database(url), Database(url)

    async with busy.transaction() as connection:
        await connection.run_sync(schema._lock)
        with pytest.raises(schema.SchemaMismatch, match="run `reporter db upgrade` again"):
            await schema.upgrade(waiting)

    assert await schema.revision(waiting) is None
    await busy.close()
    await waiting.close()


# --- refused ------------------------------------------------------------------------------------------------


async def stamp(database: Database, revision: str | None) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            await connection.execute(text("INSERT INTO alembic_version VALUES (:it)"), {"it": revision})


@pytest.mark.parametrize("revision", ["9999", "a1b2c3"])
async def test_a_schema_from_elsewhere_is_neither_served_nor_upgraded(
    database: Database, revision: str
) -> None:
    await schema.check(database)
    await stamp(database, revision)

    for way in (schema.check, schema.upgrade):
        with pytest.raises(schema.SchemaMismatch, match=rf"{revision}.*newer version"):
            await way(database)


async def test_tables_without_a_revision_are_left_alone(database: Database) -> None:
    await schema.check(database)
    await stamp(database, None)

    for way in (schema.check, schema.upgrade):
        with pytest.raises(schema.SchemaMismatch, match="no revision"):
            await way(database)


async def test_readyz_calls_a_database_of_another_schema_unusable(database: Database) -> None:
    bus: Any = SimpleNamespace(is_connected=True)
    loop: Any = None  # of an engine that is not there
    health = Health(database, bus, loop, loop, loop, SystemTime(), frozenset({"desk"}))
    await schema.check(database)
    assert (await health.checks())["database"] == {"ok": True}

    await stamp(database, "9999")

    found = (await health.checks())["database"]
    assert (found["ok"], found["reason"]) == (False, "schema")


# --- the verbs ----------------------------------------------------------------------------------------------


@pytest.fixture
def settings(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points the verbs at the database, through the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPORTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if url.startswith("postgresql"):
        monkeypatch.setenv("REPORTER_DATABASE", url)


@pytest.mark.usefixtures("settings")
def test_the_verb_makes_the_schema_and_says_so(url: str) -> None:
    told = [CliRunner().invoke(app, ["db", "upgrade", "--json"]) for _ in range(2)]

    for each in told:
        assert each.exit_code == 0, each.output
        document = json.loads(each.stdout)
        assert document["revision"] == schema.REVISION
        assert document["database"] == url.partition(":")[0]


@pytest.mark.usefixtures("settings")
def test_the_service_refuses_an_older_schema_and_says_what_to_run(url: str) -> None:
    async def make_an_older_one() -> None:
        database = Database(url)
        await schema.check(database)
        await stamp(database, "0000")
        await database.close()

    asyncio.run(make_an_older_one())

    serve = [
        sys.executable,
        "-m",
        "reporter",
        "serve",
        "--http",
        "127.0.0.1:0",
        "--nats",
        "nats://127.0.0.1:1",
    ]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "reporter db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


async def test_lines_get_the_numbers_of_their_incidents_and_those_of_none_are_kept(
    url: str, database: Database
) -> None:
    async with in_use(url):
        before = await rows(database)
        await down(database, "0009")
        async with database.transaction() as connection:
            await connection.execute(
                text(
                    "INSERT INTO ledger (incident_id, version, kind, text, hash) VALUES ('x', 1, 'k', '{}', '')"
                )
            )
        await schema.upgrade(database)

        checked = await verify(database)
        assert [(defect.incident, defect.version) for defect in checked.defects] == [("x", None)]
        after = await rows(database)
        assert len(after["ledger"]) == len(before["ledger"]) + 1
        assert all(row in after["ledger"] for row in before["ledger"])
        assert {name: after[name] for name in before if name != "ledger"} == {
            name: before[name] for name in before if name != "ledger"
        }
