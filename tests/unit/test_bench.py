"""The harness of `reporter bench`: sums, reference loops, copies, the watch. Nothing here asserts a speed."""

import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.js.api import DeliverPolicy
from rich.console import Console

from reporter.bench import BenchError, UnknownFigure, archive, reference, run
from reporter.bench.fill import Filler
from reporter.bench.ground import Bed, Ground, filesystem
from reporter.bench.plain import Plain
from reporter.bench.results import ARM_RATE, TARGETS, Item, Sample, Target, percentile, summarise
from reporter.bench.session import chosen, figures_of
from reporter.bench.shown import table
from reporter.bench.sizes import FULL, QUICK, Sizes
from reporter.bench.traffic import connection, found_district, occurred_event, publish
from reporter.bench.watch import Watch
from reporter.bus import Bus
from reporter.core.instants import parse, rfc3339
from reporter.embedded import EmbeddedNats
from reporter.intake.envelope import read
from reporter.settings import Settings
from reporter.store.database import Database
from reporter.store.ledger_check import verify
from reporter.timesource import SystemTime, from_micros, micros

TINY = Sizes(latency_s=0.2, open_incidents=(5, 70), settle_s=0.1, idle_s=0.3)


def silent(_: str) -> None:
    """Says nothing."""


# --- sums ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "value"), [(0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(BenchError):
        percentile([], 0.5)


def test_an_item_is_the_median_of_the_runs_and_of_their_own_ratios() -> None:
    samples = [
        Sample("arm", "rate", "incidents/s", 3000, 9000),
        Sample("arm", "wall", "s", 20),
        Sample("arm", "rate", "incidents/s", 2000, 4000),
        Sample("arm", "rate", "incidents/s", 2600, 10000),
    ]
    rate, wall = summarise(samples, "sqlite")
    assert (rate.median, rate.min, rate.max, rate.runs, rate.reference) == (2600, 2000, 3000, 3, 9000)
    assert rate.ratio == pytest.approx(1 / 3, abs=0.001)  # of 1/3, 1/2 and 0.26; not 2600 / 9000
    assert rate.target == "≥ 2500, ≥ 0.25 × reference" and rate.reached is True
    assert (wall.reference, wall.ratio, wall.target, wall.reached) == (None, None, None, None)
    assert set(rate.document()) == {
        "figure", "database", "metric", "unit", "median", "min", "max", "runs", "reference", "ratio",
        "target", "reached",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("target", "value", "ratio", "reached"),
    [
        (Target(most=15), 15, None, True),
        (Target(most=15), 15.1, None, False),
        (Target(least=2500, ratio_least=0.25), 2500, 0.25, True),
        (Target(least=2500, ratio_least=0.25), 9000, 0.24, False),
        (Target(least=2500, ratio_least=0.25), 9000, None, False),
        (Target(ratio_most=20), 10_000, 20, True),
        (Target(ratio_most=20), 10, 20.1, False),
    ],
)
def test_a_target_is_reached_when_every_bound_holds(
    target: Target, value: float, ratio: float | None, reached: bool
) -> None:
    assert target.is_reached(value, ratio) is reached


def test_every_target_names_a_figure_of_the_full_sizes() -> None:
    names = figures_of(FULL)
    assert {figure for figure, _ in TARGETS} | {"arm"} == set(names)
    assert set(ARM_RATE) == {"sqlite", "postgresql"}


def test_figures_are_chosen_by_name_and_bursts_by_their_word() -> None:
    assert chosen([], FULL) == figures_of(FULL)
    assert chosen(["idle", "arm"], FULL) == ["arm", "idle"]
    assert chosen(["burst"], QUICK) == ["burst-200", "burst-1000"]
    with pytest.raises(UnknownFigure, match="armm"):
        chosen(["armm"], FULL)


def test_the_table_shows_every_item_and_the_machine() -> None:
    items = [
        Item("arm", "sqlite", "rate", "incidents/s", 2600, 2000, 3000, 3, 9000, 0.289, "≥ 2500", True),
        Item("idle", "sqlite", "cpu_1000000", "% of a core", 2.5, 2, 3, 3, None, None, "≤ 2", False),
    ]
    console = Console(width=160, file=io.StringIO(), record=True)
    for language in ("zh", "en"):
        console.print(table(items, {"cores": 2, "filesystem": "ext4"}, language))
    shown = console.export_text()
    for text in (
        "中位数",
        "median",
        "2,600 incidents/s",
        "2,000–3,000",
        "9,000",
        "0.29",
        "✔",
        "✘",
        "filesystem ext4",
    ):
        assert text in shown


# --- the ground ---------------------------------------------------------------------------------------------


@pytest.fixture
def ground() -> Iterator[Ground]:
    with Ground() as made:
        yield made


@pytest.fixture
def bed(ground: Ground) -> Iterator[Bed]:
    with ground.bed() as made:
        yield made


def test_a_bed_is_gone_afterwards_and_so_is_the_ground() -> None:
    with Ground() as ground:
        with ground.bed() as bed:
            assert bed.data_dir.is_dir() and bed.database != bed.reference
            Plain(bed.database).close()
        assert not bed.folder.exists() and bed.folder.parent.is_dir()
        assert {"cores", "filesystem", "nats_server", "database"} <= set(ground.machine())
    assert not bed.folder.parent.exists()


def test_the_databases_of_a_bed_on_postgresql_are_dropped(postgres: str) -> None:
    ours = "SELECT count(*) FROM pg_database WHERE datname LIKE 'reporter\\_bench\\_%'"
    server = Plain(postgres)
    with Ground(postgres) as ground:
        with ground.bed() as bed:
            left_open = Plain(bed.database)
            assert left_open.rows("SELECT 1") == [(1,)] and server.rows(ours) == [(2,)]
        assert server.rows(ours) == [(0,)]
        assert ground.machine()["fsync"] in ("on", "off")
    left_open.close()
    server.close()


def test_the_file_system_of_a_folder_is_that_of_its_mount_point(tmp_path: Path) -> None:
    assert filesystem(tmp_path) == filesystem(tmp_path / "not" / "there")


# --- the reference loops ------------------------------------------------------------------------------------


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    """A broker of the test's own with the service's streams: their names are fixed."""
    server = EmbeddedNats(tmp_path / "nats", port=0)
    await server.start()
    bus = Bus(server.url)
    await bus.connect()
    await bus.ensure()
    await bus.close()
    yield server
    await server.stop()


async def test_the_plain_intake_writes_five_rows_per_event_and_acknowledges(
    broker: EmbeddedNats, bed: Bed
) -> None:
    occurred = SystemTime().now()
    plain = Plain(bed.reference)
    async with connection(broker.url) as client:
        await publish(client, [occurred_event(number, occurred) for number in range(7)])
        loop = await reference.IntakeLoop.prepared(client, plain, DeliverPolicy.ALL)
        while loop.taken < 7:
            assert await loop.take(3) <= 3
        assert await loop.take(3) == 0
        info = await client.jetstream().consumer_info("REPORTER_IN", reference.DURABLE)
    assert info.ack_floor is not None and info.ack_floor.stream_seq == 7 and info.num_ack_pending == 0
    assert plain.rows("SELECT count(*) FROM incidents") == plain.rows("SELECT count(*) FROM log") == [(7,)]
    dues = plain.rows("SELECT DISTINCT due_at FROM clocks ORDER BY due_at")
    assert dues == [(micros(occurred + span),) for _, span in reference.SPANS]
    assert plain.rows("SELECT count(*) FROM clocks") == [(21,)]
    plain.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_deadline_loop_writes_one_fact_per_clock_and_none_early(
    kind: str, bed: Bed, request: pytest.FixtureRequest
) -> None:
    plain = Plain(bed.reference if kind == "sqlite" else request.getfixturevalue("postgres"))
    offsets = [0] * (reference.BATCH + 3) + [50_000, 120_000]
    late_ms = reference.deadline_loop(plain, offsets, 0.3)
    assert len(late_ms) == len(offsets) and min(late_ms) >= 0
    facts = plain.rows("SELECT count(*), count(DISTINCT incident), min(recorded_at - due_at) >= 0 FROM facts")
    assert facts == [(len(offsets), len(offsets), True)]
    pending = plain.rows("SELECT count(*) FROM due_clocks WHERE fired_at IS NULL")
    assert pending == [(len(offsets),)]
    plain.close()


# --- the events and the copies ------------------------------------------------------------------------------


def test_an_event_is_one_the_product_reads() -> None:
    occurred = SystemTime().now()
    subject, body = occurred_event(3, occurred)
    event = read(subject, {"Content-Type": "application/cloudevents+json"}, body)
    assert parse(event.data["occurred"]) == occurred
    assert 450 <= len(body) <= 800


async def test_copies_are_whole_incidents_with_clocks_far_ahead(bed: Bed) -> None:
    await found_district(bed.database)
    filler = Filler(bed.database, silent)
    await filler.fill(5)
    await filler.fill(200)
    database = Database(bed.database)
    checked = await verify(database)
    await database.close()
    assert (checked.incidents, checked.lines, checked.defects) == (200, 200, ())
    plain = Plain(bed.database)
    ahead = micros(SystemTime().now()) + 20 * 24 * 3600 * 1_000_000
    assert plain.rows("SELECT count(*), min(judge_at) > ? FROM clocks", ahead) == [(600, 1)]
    assert plain.rows("SELECT count(DISTINCT code), count(*) FROM incidents") == [(200, 200)]
    assert plain.rows("SELECT count(*) FROM inbox JOIN incidents ON incidents.id = inbox.incident_id") == [
        (200,)
    ]
    assert plain.rows("SELECT count(*) FROM outbox") == [(0,)]
    plain.close()


# --- the watch ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_watch_dates_each_breach_between_its_commit_and_the_end(
    kind: str, bed: Bed, request: pytest.FixtureRequest
) -> None:
    url = bed.database if kind == "sqlite" else request.getfixturevalue("postgres")
    plain = Plain(url)
    plain.run("CREATE TABLE ledger (incident_id text, version integer, kind text, text text, hash text)")
    due = reference.now_us()
    committing_us = {}

    def breach_of(incident: str) -> None:
        line = {"incident": incident, "at": rfc3339(from_micros(due)), "body": {"obligation": "initial"}}
        with plain.transaction():
            plain.run("INSERT INTO ledger VALUES (?, 1, 'breached', ?, '')", incident, json.dumps(line))
            committing_us[incident] = reference.now_us()

    with Watch(url) as watch:
        for incident in ("a", "b", "c"):
            breach_of(incident)
    ended_us = reference.now_us()
    found = {breach.incident: breach for breach in watch.breaches()}
    assert set(found) == {"a", "b", "c"}
    for incident, breach in found.items():
        assert breach.due_us == due and breach.obligation == "initial"
        assert committing_us[incident] <= breach.committed_us <= ended_us
    breach_of("d")
    plain.close()
    with pytest.raises(BenchError, match="not seen"):
        watch.breaches()


# --- the real service, for a moment -------------------------------------------------------------------------


async def test_latency_is_measured_on_a_running_service_and_told_as_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reporter.bench.session.QUICK", TINY)
    assert await run(Settings(), figures=["latency"], runs=1, as_json=True, quick=True) in (None, 1)
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert [item["metric"] for item in document["items"]] == ["p50", "p99", "max"]
    assert all(item["median"] > 0 and item["reference"] > 0 for item in document["items"])
    assert document["machine"]["synchronous"] == "FULL" and "latency" in told.err


async def test_start_and_idle_are_measured_on_a_filled_database(ground: Ground) -> None:
    samples = await archive.measure(ground, TINY, 1, ["start", "idle"], silent)
    assert [sample.metric for sample in samples] == [
        "first_decision_70",
        "ready_70",
        "cpu_70",
        "broker_cpu_70",
    ]
