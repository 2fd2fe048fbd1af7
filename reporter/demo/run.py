"""Runs the demo: builds its world in a folder, starts the service on fast time, plays the script."""

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import httpx

from reporter.demo import script, world
from reporter.demo.view import DemoView, Document
from reporter.settings import Settings
from reporter.store.database import open_database
from reporter.store.schema import check
from reporter.timesource import ScaledTime, SystemTime, sleep
from reporter.wiring import Service

BEHIND: Final = timedelta(hours=2, minutes=10)
HTTP_PORT: Final = 8080
NATS_PORT: Final = 4222
LOOK_S: Final = 0.25
SHOWN_MAX: Final = 20
AFTERMATH_S: Final = 1.5


class Demo:
    """One run of the demo. `http` None: 127.0.0.1:8080, or any free port where that is taken."""

    def __init__(self, *, speed: float, http: str | None, keep: bool, view: DemoView) -> None:
        self._speed = speed
        self._http = http or f"127.0.0.1:{_port(HTTP_PORT)}"
        self._keep = keep
        self._view = view

    async def run(self) -> None:
        """Runs until interrupted (Ctrl-C or SIGTERM), and leaves nothing behind unless told to keep it."""
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            if main is not None:
                loop.add_signal_handler(number, main.cancel)
        folder = Path(tempfile.mkdtemp(prefix="reporter-demo-"))
        try:
            with suppress(asyncio.CancelledError):
                await self._run_in(folder)
        finally:
            if self._keep:
                self._view.closing(self._view.say(f"数据保留在 {folder}", f"the data is kept in {folder}"))
            else:
                shutil.rmtree(folder, ignore_errors=True)
                self._view.closing(
                    self._view.say("演示结束，未留下任何文件", "the demo is over; nothing is left behind")
                )

    async def _run_in(self, folder: Path) -> None:
        settings = Settings(
            data_dir=folder,
            http=self._http,
            nats_port=_port(NATS_PORT),
            language=self._view.language,
            zone=self._view.zone,
            log_level="error",  # the story is told by the view; what goes wrong is still said
        )
        keys = await self._build(settings)
        time = ScaledTime(BEHIND, self._speed)
        occurred = time.now()
        async with Service(settings, time=time) as service:
            ready: Document = dict(service.ready)
            self._view.opening(
                _document(ready, keys, folder, self._speed), self._words(ready, keys, folder, time)
            )
            headers = {"Authorization": f"Bearer {keys.tokens['duty']}"}
            async with (
                httpx.AsyncClient(base_url=ready["http"], headers=headers, timeout=10) as desk,
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(self._watch(desk, time))
                await self._play(desk, ready["nats"], time, occurred)

    async def _build(self, settings: Settings) -> world.Keys:
        database = open_database(None, settings.data_dir)
        try:
            await check(database)
            return await world.build(database, SystemTime().now() - BEHIND, settings.zone)
        finally:
            await database.close()

    async def _play(
        self, desk: httpx.AsyncClient, nats_url: str, time: ScaledTime, occurred: datetime
    ) -> None:
        async def tell(step: script.Step) -> None:
            self._view.tell(time.now(), "▶ " + self._view.say(step.zh, step.en))

        await script.play(nats_url, occurred, self._view.zone, time, tell)
        await sleep(AFTERMATH_S)  # the closure is judged within moments; the summary should show it
        month = occurred.astimezone(ZoneInfo(self._view.zone)).strftime("%Y-%m")
        answer = await desk.get("/api/v1/audit", params={"month": month})
        self._view.summary(answer.raise_for_status().json())
        while time.now() < time.meets_present_at:
            await sleep(LOOK_S)
        self._view.tell(
            time.now(),
            self._view.say(
                "演示时间已追上现在，此后与实际同速；Ctrl-C 结束",
                "the demo has met the present; Ctrl-C ends it",
            ),
        )

    async def _watch(self, desk: httpx.AsyncClient, time: ScaledTime) -> None:
        while True:
            with suppress(httpx.TransportError):  # a look that fails is made up for by the next
                answer = await desk.get("/api/v1/incidents", params={"limit": SHOWN_MAX})
                if answer.is_success:
                    self._view.show(time.now(), answer.json()["items"])
            await sleep(LOOK_S)

    def _path(self) -> str:
        """What puts `reporter` on the path of another terminal, where it is not."""
        here = Path(sys.executable).parent
        return "" if shutil.which("reporter") else f"PATH={here}:$PATH "

    def _words(self, ready: Document, keys: world.Keys, folder: Path, time: ScaledTime) -> str:
        url, token = ready["http"], keys.tokens["duty"]
        met = time.meets_present_at.astimezone(ZoneInfo(self._view.zone)).strftime("%H:%M:%S")
        return self._view.say(
            f"""\
突发事件直报时限跟踪 · 演示（时间从 2 小时 10 分前起，{self._speed:g} 倍速，{met} 追上现在）
  值班台     {url}
  消息总线   {ready["nats"]}
  演示账号   duty，口令 {keys.password}（relief、leader、auditor、admin、yi-xian 同）
  程序令牌   {token}
在浏览器里：用 duty 登录，看板上点“开始值班”听告警；“名册”里补上空档；“交接”里把这一班交给 relief，leader 签字
试一试（另开一个终端）：
  export {self._path()}REPORTER_URL={url} REPORTER_TOKEN={token}
  1. reporter board                        倒计时看板
  2. reporter log 试报 --unit ding-qu --occurred "$(reporter now --ago PT5M)"    登记一起自己的事件
  3. reporter ledger verify --data-dir {folder}    核验台账哈希链
""",
            f"""\
Reporter demo (time starts 2 h 10 min ago, runs {self._speed:g}×, meets the present at {met})
  desk   {url}
  bus    {ready["nats"]}
  login  duty, password {keys.password} (relief, leader, auditor, admin, yi-xian: the same)
  token  {token}
In the browser: sign in as duty, press "Start watch" on the board; fill the gap in "Roster"; in "Handover" hand this
shift over to relief, with leader signing.
Try, in another terminal:
  export {self._path()}REPORTER_URL={url} REPORTER_TOKEN={token}
  1. reporter board                        clocks counting down
  2. reporter log "My own" --unit ding-qu --occurred "$(reporter now --ago PT5M)"
  3. reporter ledger verify --data-dir {folder}
""",
        )


def _document(ready: Document, keys: world.Keys, folder: Path, speed: float) -> Document:
    return {
        "ready": True,
        **ready,
        "data_dir": str(folder),
        "speed": speed,
        "incident": script.INCIDENT,
        "login": "duty",
        "password": keys.password,
        "token": keys.tokens["duty"],
        "tokens": keys.tokens,
    }


def _port(wanted: int) -> int:
    """The port, or 0 (any free one) where somebody listens on it already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted
