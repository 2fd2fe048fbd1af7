"""board: how soon a change is on every open board, and what the board's page costs, without and with an archive."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from gzip import compress
from pathlib import Path
from typing import Any, Final  # Any: incidents as the API answers them

import httpx

import reporter
from reporter.bench.fill import Filler
from reporter.bench.ground import Bed
from reporter.bench.onlookers import MARK, READY_S
from reporter.bench.plain import Plain
from reporter.bench.results import BenchError, Sample, percentile
from reporter.bench.service import Service, cpu_s
from reporter.bench.shown import Say
from reporter.bench.sizes import Sizes
from reporter.bench.traffic import UNITS, found_district, occurred_data
from reporter.bench.watch import Watch
from reporter.store import tokens
from reporter.store.database import Database
from reporter.timesource import SystemTime, sleep

FIGURE: Final = "board"
PAGES: Final = 40
WARM_UP: Final = 5
HOT: Final = 2 * len(UNITS)
"""So many incidents change, all of them on the first page of every board, the wall's too."""
SHOWN_WITHIN_S: Final = 5.0
LOOKS: Final = ("/events", "/events?wall=1", "/events?lang=en")
READERS: Final = (("duty", "root"), ("leader", "root"), *(("unit", unit) for unit in UNITS))


@dataclass(frozen=True, slots=True)
class Reader:
    """An open board: whose, and at which address."""

    unit: str
    path: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one incident, with the mark that its new title holds."""

    mark: str
    unit: str


async def measure(bed: Bed, sizes: Sizes, say: Say) -> list[Sample]:
    """The page with what is open alone; then with an archive, and there the changes on all open boards."""
    await found_district(bed.database)
    secrets = await _secrets(bed.database)
    filler = Filler(bed.database, say)
    await filler.fill(sizes.board_open)
    async with Service(bed) as service:
        say("the page")
        without = await _page(service, secrets)
    await filler.fill(sizes.board_open + sizes.board_archive)
    _close(bed.database, sizes.board_open)
    async with Service(bed) as service:
        say(f"the page, with {sizes.board_archive:,} closed incidents")
        with_archive = await _page(service, secrets)
        late_ms, cpu_ms = await _changes(bed, service, secrets, sizes, say)
    visible = (("visible_p50", 0.5), ("visible_p95", 0.95), ("visible_max", 1.0))
    return [
        *(Sample(FIGURE, name, "ms", percentile(late_ms, share)) for name, share in visible),
        Sample(FIGURE, "visible_cpu", "ms", cpu_ms),
        *(Sample(FIGURE, name, unit, value) for (name, unit), value in without.items()),
        *(
            Sample(FIGURE, f"archive_{name}", unit, value, without[name, unit])
            for (name, unit), value in with_archive.items()
        ),
    ]


async def _secrets(database_url: str) -> list[str]:
    """A token for each of `READERS`."""
    database, now = Database(database_url), SystemTime().now()
    try:
        return [
            await tokens.create(database, f"bench.{role}.{unit}", role, unit, now) for role, unit in READERS
        ]
    finally:
        await database.close()


def _close(database_url: str, first: int) -> None:
    """Makes an archive of the incidents after the `first`: reported on time, and closed."""
    plain = Plain(database_url)
    try:
        with plain.transaction():
            plain.run(
                "UPDATE incidents SET state = 'closed', closed_at = recorded_at WHERE number > ?", first
            )
            plain.run(
                "UPDATE clocks SET state = 'met', verdict = 'on_time', met_at = starts_at, "
                "remind_at = NULL, judge_at = NULL WHERE number > ?",
                first,
            )
    finally:
        plain.close()


async def _page(service: Service, secrets: Sequence[str]) -> dict[tuple[str, str], float]:
    """What the page of whoever sees everything costs: from asking for it to its last byte, and its size."""
    async with _desk(service) as client:
        await _sign_in(client, secrets[0])
        took_ms = []
        answer = None
        before_s = 0.0
        for number in range(WARM_UP + PAGES):
            if number == WARM_UP:
                before_s = cpu_s(service.pid)
            began = time.perf_counter()
            answer = await client.get("/")
            took_ms.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise BenchError(f"the board's page answers {answer.status_code}: {service.last_words()}")
        used_s = cpu_s(service.pid) - before_s
        page = answer.content if answer is not None else b""
    counted = took_ms[WARM_UP:]
    return {
        ("page_p50", "ms"): percentile(counted, 0.5),
        ("page_p95", "ms"): percentile(counted, 0.95),
        ("page_cpu", "ms"): used_s / PAGES * 1000,
        ("page_size", "kB"): len(page) / 1000,
        ("page_size_gzip", "kB"): len(compress(page)) / 1000,
    }


async def _changes(
    bed: Bed, service: Service, secrets: Sequence[str], sizes: Sizes, say: Say
) -> tuple[list[float], float]:
    """The milliseconds from the commit of each change to its event, for every board that shows the incident; and of
    the service's processor time for each change, with all that it did meanwhile."""
    readers = await _readers(service, secrets, sizes.boards)
    async with _desk(service, secrets[0]) as client:
        hot = [await _opened(client, number) for number in range(HOT)]
        say(f"opening {len(readers)} boards")
        async with _onlookers(service, readers) as looking:
            with Watch(bed.database) as watch:
                changes = []
                before_s = cpu_s(service.pid)
                started = time.perf_counter()
                for number in range(int(sizes.board_changes_per_s * sizes.board_s)):
                    due_s = number / sizes.board_changes_per_s
                    await sleep(max(0.0, started + due_s - time.perf_counter()))
                    changes.append(await _changed(client, hot[number % HOT], number))
                    say(f"{number + 1} changes on {len(readers)} boards")
                used_s = cpu_s(service.pid) - before_s
                await sleep(SHOWN_WITHIN_S)
            shown = await looking.end()
    committed = {
        MARK.findall(text.encode())[0].decode(): at for text, at in watch.committed_us("amended").items()
    }
    late_ms = []
    for reader, marks in zip(readers, shown, strict=True):
        for change in changes:
            if reader.unit not in ("root", change.unit):
                continue
            if change.mark not in marks or change.mark not in committed:
                raise BenchError(f"a board of {reader.unit} was not shown {change.mark}")
            late_ms.append((marks[change.mark] - committed[change.mark]) / 1000)
    return late_ms, used_s / len(changes) * 1000


async def _readers(service: Service, secrets: Sequence[str], boards: int) -> list[Reader]:
    """That many boards, each with a visit of its own: of six accounts in turn, in three looks."""
    found = []
    for number in range(boards):
        turn = number % len(READERS)
        async with _desk(service) as client:
            cookie = await _sign_in(client, secrets[turn])
        path = LOOKS[number // len(READERS) % len(LOOKS)]
        found.append(Reader(READERS[turn][1], path, cookie))
    return found


async def _sign_in(client: httpx.AsyncClient, secret: str) -> str:
    """The cookie of a new visit."""
    answer = await client.post("/sign-in", data={"token": secret})
    if answer.status_code != 303:
        raise BenchError(f"signing in answers {answer.status_code}")
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


async def _opened(client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    """An incident of just now: it stands before all that are due in a month."""
    data = occurred_data(1, SystemTime().now() - timedelta(seconds=number))
    return await _told(client, "/api/v1/incidents", {**data, "unit": UNITS[number % len(UNITS)]})


async def _changed(client: httpx.AsyncClient, incident: dict[str, Any], number: int) -> Change:
    mark = f"bench-{number:06d}"
    await _told(
        client,
        f"/api/v1/incidents/{incident['id']}/amendments",
        {"title": f"{mark} 仓库爆燃", "reason": "核实"},
    )
    return Change(mark, incident["unit"])


async def _told(client: httpx.AsyncClient, path: str, data: dict[str, object]) -> dict[str, Any]:
    answer = await client.post(path, json=data)
    if answer.status_code not in (200, 201):
        raise BenchError(f"{path} answers {answer.status_code}: {answer.text[:500]}")
    found: dict[str, Any] = answer.json()
    return found


@asynccontextmanager
async def _desk(service: Service, secret: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(
        base_url=service.http, headers=headers, timeout=30, trust_env=False
    ) as client:
        yield client


class _Onlookers:
    """The process that holds the boards open."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def open(self, url: str, readers: Sequence[Reader]) -> None:
        """Opens the boards; returns once each has been sent its page."""
        boards = [{"path": each.path, "cookie": each.cookie} for each in readers]
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps({"url": url, "boards": boards}).encode() + b"\n")
        line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        if line != b"ready\n":
            raise BenchError(f"the boards did not open within {READY_S:.0f} s: {line!r}")

    async def end(self) -> list[dict[str, int]]:
        """What each board was shown, and when. Errors: BenchError if a stream ended before."""
        # An empty input closes its stdin, which ends it; none at all would leave it open.
        told = json.loads((await self._process.communicate(b""))[0])
        if troubles := [each["trouble"] for each in told if each["trouble"]]:
            raise BenchError(f"{len(troubles)} boards were closed, the first: {troubles[0]}")
        return [each["shown"] for each in told]


@asynccontextmanager
async def _onlookers(service: Service, readers: Sequence[Reader]) -> AsyncIterator[_Onlookers]:
    environment = {**os.environ, "PYTHONPATH": str(Path(reporter.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from reporter.bench.onlookers import main; main()", env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        looking = _Onlookers(process)
        await looking.open(service.http, readers)
        yield looking
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
