"""The README's pictures, taken of the demo's world; `REPORTER_TEST_PICTURES=renew` puts new ones in their place."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from reporter import catalog
from reporter.core.terms import CommandKind
from reporter.demo import script
from reporter.demo import world as demo
from reporter.engine.record import Gate
from reporter.resources import schedules_dir
from reporter.store.database import open_database
from reporter.store.models import Base
from reporter.timesource import ManualTime
from tests.browser.conftest import Room, open_browser
from tests.browser.pictures import size_of, smaller
from tests.desk.boards import served
from tests.desk.conftest import World

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "pictures"
BYTES_MAX = 150_000
ZONE = "Asia/Shanghai"
OCCURRED = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
PATHS = {
    CommandKind.FILED: "reports",
    CommandKind.AMENDED: "amendments",
    CommandKind.ACKNOWLEDGED: "acknowledgements",
    CommandKind.CLOSED: "closure",
}
SIZES = {
    "board": (1280, 860),
    "phone": (390, 844),
    "wall": (1920, 1080),
    "log": (1280, 900),
    "incident": (1280, 1150),
    "audit": (1280, 1000),
}


class Play:
    """The demo's district at a standing time: its script is told step by step, and others' incidents with it."""

    def __init__(self, world: World, keys: demo.Keys) -> None:
        self.world, self.keys = world, keys
        self._steps = list(script.scenario(OCCURRED, ZONE))
        self._incident = ""

    async def until(self, minute: float) -> None:
        """Lets the night go on until so many minutes after the explosion."""
        while self._steps and self._steps[0].after <= timedelta(minutes=minute):
            step = self._steps.pop(0)
            await self._reach(OCCURRED + step.after)
            await self._tell(step)
        await self._reach(OCCURRED + timedelta(minutes=minute))

    async def log(self, minute: float, unit: str, **facts: object) -> None:
        """Another incident, `minute` minutes after the explosion, logged a minute later."""
        await self.until(minute + 1)
        occurred = (OCCURRED + timedelta(minutes=minute)).isoformat()
        await self._post(demo.CITY, "/api/v1/incidents", {"unit": unit, "occurred": occurred, **facts})

    async def _tell(self, step: script.Step) -> None:
        data = {name: value for name, value in step.data.items() if name != "incident"}
        if step.kind is CommandKind.OCCURRED:
            made = await self._post(step.unit, "/api/v1/incidents", {**data, "unit": step.unit})
            self._incident = str(made["id"])
        else:
            await self._post(step.unit, f"/api/v1/incidents/{self._incident}/{PATHS[step.kind]}", data)

    @property
    def path(self) -> str:
        """The explosion's page."""
        return f"/incidents/{self._incident}"

    async def _post(self, unit: str, path: str, data: dict[str, object]) -> dict[str, object]:
        client = await self.world.client("duty", unit)
        answer = await client.post(path, json=data)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def _reach(self, at: datetime) -> None:
        left = at - self.world.time.now()
        if left > timedelta(0):
            await self.world.pass_time(left / timedelta(minutes=1))


@pytest.fixture
async def play(tmp_path: Path) -> AsyncIterator[tuple[Play, Room]]:
    """The demo's district on SQLite, served, with a browser."""
    database = open_database(None, tmp_path)
    async with AsyncExitStack() as exits:
        exits.push_async_callback(database.close)
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        keys = await demo.build(database, OCCURRED, ZONE)
        time = ManualTime(OCCURRED)
        world = World(database, Gate(database, catalog.load([schedules_dir()]), time), time, exits)
        browser = await open_browser(exits)
        url = await exits.enter_async_context(served(world))
        room = Room(world, url, browser, exits)
        yield Play(world, keys), room
        assert room.complaints == []


async def shoot(page: Page, name: str, folder: Path) -> None:
    """One picture, as large as it is to be, without a caret that blinks."""
    width, height = SIZES[name]
    await page.set_viewport_size({"width": width, "height": height})
    await page.evaluate("scrollTo(0, 0)")
    picture = await page.screenshot(path=folder / f"{name}.png", animations="disabled", caret="hide")
    assert size_of(picture) == (width, height)


async def test_the_pictures_are_of_the_demo(play: tuple[Play, Room], tmp_path: Path) -> None:
    district, room = play
    password = district.keys.password
    await district.log(22, "bing-xian", title="丙县山洪围困群众", category="natural", grade="III")
    await district.log(
        45, "ding-qu", title="丁区危化品泄漏演练", mode="exercise", place={"text": "丁区物流园"}
    )
    await district.until(61)

    page = await room.enter("duty", password=password, reduced_motion="reduce")
    phone = await room.enter("duty", "phone", password=password, reduced_motion="reduce")
    for each in (page, phone):
        await expect(each.locator("#live")).to_contain_text("● 实时")
        await expect(each.locator(".clock.overdue")).to_have_count(2)
    await shoot(page, "board", tmp_path)
    await shoot(phone, "phone", tmp_path)
    await page.goto(f"{room.url}/?wall=1")
    await expect(page.locator("#live")).to_contain_text("● 实时")
    await shoot(page, "wall", tmp_path)
    await page.goto(f"{room.url}/log")
    line = "乙县 化工园区二次爆燃 死3伤11 重大 14:50"
    await page.fill("#line", line)
    await expect(page.locator(f'#read[data-line="{line}"]')).to_be_attached()
    await shoot(page, "log", tmp_path)
    await district.until(70)
    await page.goto(f"{room.url}{district.path}")
    await expect(page.locator(".clock.late")).to_be_visible()
    await shoot(page, "incident", tmp_path)
    await district.until(130)
    await page.goto(f"{room.url}/audit?month=2026-11")
    await expect(page.locator(".cases")).to_contain_text("未报")
    await shoot(page, "audit", tmp_path)

    if os.environ.get("REPORTER_TEST_PICTURES") == "renew":
        for name in SIZES:
            (FOLDER / f"{name}.png").write_bytes(smaller((tmp_path / f"{name}.png").read_bytes()))


def test_the_readme_shows_what_is_there_and_nothing_is_too_large() -> None:
    kept = {path.stem: path.read_bytes() for path in FOLDER.glob("*.png")}
    shown = set(re.findall(r"tests/pictures/(\w+)\.png", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert {name: size_of(picture) for name, picture in kept.items()} == SIZES
    assert {name: len(picture) for name, picture in kept.items() if len(picture) > BYTES_MAX} == {}
    assert "board" in shown
    assert shown <= kept.keys()
