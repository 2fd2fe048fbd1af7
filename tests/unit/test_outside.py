"""The sending process: it sends, it is replaced when it ends or hangs, it ends with the service, it keeps secrets."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reporter.bench.service import sending_pids
from reporter.core.notice import UnitContact, Words
from reporter.core.terms import NoticeState
from reporter.engine import outside
from reporter.engine.outside import ENDED, SendingProcess
from reporter.sending.frames import Orders
from reporter.sending.lane import Load
from reporter.sending.sender import Back
from reporter.settings import Settings
from reporter.timesource import ManualTime
from reporter.values import Tables
from tests.contract.hooks import Hooks, listening, status
from tests.unit.factories import a_taken_notice
from tests.unit.noticeworld import NOW, eventually

SECRET = "whsec_" + "c2VjcmV0" * 4
SETTINGS = Settings(channels=Tables({"webhook": {"default": {"secrets": [SECRET]}}}))


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


@asynccontextmanager
async def running(send_timeout_s: float = 15.0) -> AsyncIterator[SendingProcess]:
    """A sending process that is up."""
    up = asyncio.Event()
    process = SendingProcess(Orders(SETTINGS, ManualTime(NOW), send_timeout_s), up.set)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(process.run())
        try:
            async with asyncio.timeout(30):
                await up.wait()
                yield process
        finally:
            task.cancel()


def load(url: str, *ids: str) -> Load:
    notices = [a_taken_notice(id_, url) for id_ in ids]
    units = {"city": UnitContact("市值班室", "1")}
    return Load("webhook", notices, Words({}, {}, units, {}))


async def backs(process: SendingProcess, count: int) -> dict[str, Back]:
    found: dict[str, Back] = {}
    while len(found) < count:
        found |= {back.id: back for back in await process.back()}
    return found


def children() -> list[int]:
    """The sending processes of this process."""
    return sending_pids(os.getpid())


def seen_of(pid: int) -> bytes:
    """What others on the machine may see of a process."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


async def until(holds: Callable[[], bool]) -> None:
    async def held() -> bool:
        return holds()

    await eventually(held)


async def test_each_notice_comes_back_with_what_came_of_it(hooks: Hooks) -> None:
    hooks.answers["/gone"] = status(410)
    async with running() as process:
        await process.send(load(hooks.url("/well"), "a", "b"))
        await process.send(load(hooks.url("/gone"), "c"))

        found = await backs(process, 3)

    results = {id_: back.result and back.result.state for id_, back in found.items()}
    assert results == {"a": NoticeState.ACCEPTED, "b": NoticeState.ACCEPTED, "c": NoticeState.FAILED}
    assert {asked.headers["webhook-id"] for asked in hooks.about("/well")} == {"a", "b"}
    assert all(asked.headers["webhook-signature"].startswith("v1,") for asked in hooks.asked)


async def test_what_was_out_when_a_process_is_killed_is_tried_again_later_and_another_takes_its_place(
    hooks: Hooks,
) -> None:
    hooks.answers["/hangs"] = None
    async with running() as process:
        await process.send(load(hooks.url("/hangs"), "a"))
        await until(lambda: len(hooks.asked) == 1)
        (first,) = children()
        os.kill(first, signal.SIGKILL)

        (back,) = (await backs(process, 1)).values()

        assert back.result is not None
        assert back.result.note == f" | {ENDED}"
        assert back.result.retry_at is not None
        assert not back.result.tells_of_channel
        await until(lambda: process.is_up)
        await process.send(load(hooks.url("/well"), "b"))
        (back,) = (await backs(process, 1)).values()
        assert back.result is not None
        assert back.result.state is NoticeState.ACCEPTED
        assert back.result.tells_of_channel
        assert children() != [first]


async def test_one_that_stands_still_is_ended_while_what_it_has_is_on_lease(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "WATCH_S", 0.05)
    monkeypatch.setattr(outside, "HELD_S_MAX", 0.1)
    async with running(send_timeout_s=0.3) as process:
        (still,) = children()
        os.kill(still, signal.SIGSTOP)
        await process.send(load(hooks.url(), "a"))

        (back,) = (await backs(process, 1)).values()

        assert back.result is not None
        assert back.result.note == f" | {ENDED}"
        assert still not in children()


async def test_told_to_stop_it_starts_nothing_more_and_what_is_under_way_ends(hooks: Hooks) -> None:
    async with running(send_timeout_s=2.0) as process:
        await process.send(load(hooks.url("/slow"), "before"))
        await backs(process, 1)
        hooks.answers["/slow"] = None
        await process.send(load(hooks.url("/slow"), *(f"n{number}" for number in range(10))))
        await until(lambda: len(hooks.asked) == 1 + 8)
        await process.stop()

        unstarted = await backs(process, 2)
        assert [back.result for back in unstarted.values()] == [None, None]
        ended = await backs(process, 8)

    assert unstarted.keys() | ended.keys() == {f"n{number}" for number in range(10)}
    assert all(back.result is not None for back in ended.values())
    assert len(hooks.asked) == 1 + 8


async def test_it_ends_with_the_service_and_its_secrets_are_nowhere_to_be_seen() -> None:
    async with running():
        (child,) = children()
        assert b"reporter.sending" in seen_of(child)
        assert SECRET.encode() not in seen_of(child)

    assert children() == []


async def test_one_that_is_missing_for_long_is_told_to_people(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as process:
        assert not process.is_missed
    assert not process.is_up
    assert not process.is_missed, "that it is being started anew is no trouble yet"

    monkeypatch.setattr(outside, "DOWN_S_MAX", 0.0)

    assert process.is_missed


async def test_where_none_can_be_started_that_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = asyncio.create_subprocess_exec
    refused = asyncio.Event()

    async def start(*args: str, **options: object) -> object:
        if not refused.is_set():
            refused.set()
            msg = "out of memory"
            raise OSError(msg)
        return await real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    async with running() as process:
        assert process.is_up

    assert "the sending process failed; it is tried again until it succeeds" in caplog.text
