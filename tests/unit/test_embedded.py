"""The embedded broker, with the real program: what was acknowledged is there after a crash; orphans go."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import nats
import pytest

from reporter.embedded import EmbeddedNats, EmbeddedNatsError

START_AND_DIE = """
import asyncio, os, sys
from pathlib import Path
from reporter.embedded import EmbeddedNats
server = EmbeddedNats(Path(sys.argv[1]), port=0)
asyncio.run(server.start())
print(server.pid, server.url, flush=True)
os._exit(9)
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    server = EmbeddedNats(tmp_path / '枣庄 "broker"', port=0)
    yield server
    await server.stop()


async def test_what_was_acknowledged_is_there_after_a_kill_and_a_restart(server: EmbeddedNats) -> None:
    await server.start()
    await publish(server, b"one")

    server.kill()
    assert not server.is_running
    await server.stop()
    await server.start()

    assert await stored(server) == [b"one"]


async def test_supervision_restarts_a_dead_server_on_the_same_port(server: EmbeddedNats) -> None:
    await server.start()
    await publish(server, b"one")
    url, pid = server.url, server.pid

    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(server.supervise())
        server.kill()
        await until(lambda: server.pid not in {None, pid})
        watch.cancel()

    assert server.url == url
    assert await stored(server) == [b"one"]


async def test_supervision_ends_when_the_server_is_stopped(server: EmbeddedNats) -> None:
    await server.start()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.supervise())
        await server.stop()

    assert not server.is_running


async def test_an_orphan_of_a_dead_service_is_replaced(tmp_path: Path) -> None:
    died = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [sys.executable, "-c", START_AND_DIE, tmp_path], capture_output=True, text=True, check=False
    )
    orphan, orphan_url = died.stdout.split()
    assert is_listening(orphan_url)
    server = EmbeddedNats(tmp_path, port=0)
    await server.start()

    assert server.pid != int(orphan)
    assert not is_listening(orphan_url)
    await publish(server, b"two")
    await server.stop()


async def test_an_orphan_that_no_file_names_is_replaced_too(tmp_path: Path) -> None:
    died = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [sys.executable, "-c", START_AND_DIE, tmp_path], capture_output=True, text=True, check=False
    )
    orphan, orphan_url = died.stdout.split()
    (tmp_path / "nats-server.pid").unlink()

    server = EmbeddedNats(tmp_path, port=0)
    await server.start()

    assert server.pid != int(orphan)
    assert not is_listening(orphan_url)
    await server.stop()


async def test_who_merely_names_the_configuration_is_left_alone(tmp_path: Path) -> None:
    configuration = str(tmp_path / "nats-server.conf")
    reader = subprocess.Popen(  # noqa: ASYNC220 - the same
        [sys.executable, "-c", "input()", "nats-server", configuration], stdin=subprocess.PIPE
    )
    server = EmbeddedNats(tmp_path, port=0)

    await server.start()

    assert reader.poll() is None
    await server.stop()
    reader.communicate()


async def test_a_server_that_ends_again_and_again_is_started_ever_more_slowly(server: EmbeddedNats) -> None:
    await server.start()
    pids = {server.pid}
    restarted_at = [time.monotonic()]

    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(server.supervise())
        for _ in range(5):
            server.kill()
            await until(lambda: server.pid not in {None, *pids}, 15)
            pids.add(server.pid)
            restarted_at.append(time.monotonic())
        watch.cancel()

    first_s, last_s = restarted_at[1] - restarted_at[0], restarted_at[5] - restarted_at[4]
    assert last_s > first_s + 1


async def test_a_stranger_with_the_orphans_number_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "nats-server.pid").write_text(str(os.getpid()), encoding="ascii")

    server = EmbeddedNats(tmp_path, port=0)
    await server.start()

    assert server.is_running
    await server.stop()


async def test_a_second_service_on_the_same_folder_is_refused(server: EmbeddedNats, tmp_path: Path) -> None:
    await server.start()
    second = EmbeddedNats(tmp_path / '枣庄 "broker"', port=0)

    with pytest.raises(EmbeddedNatsError, match=f"another running service .process {os.getpid()}"):
        await second.start()

    assert server.is_running


async def test_a_taken_port_is_said_and_leaves_nothing_behind(server: EmbeddedNats, tmp_path: Path) -> None:
    await server.start()
    port = int(server.url.rpartition(":")[2])
    second = EmbeddedNats(tmp_path / "second", port=port)

    with pytest.raises(EmbeddedNatsError, match="address already in use"):
        await second.start()

    assert second.pid is None


async def test_stopping_is_polite_and_may_be_repeated(server: EmbeddedNats) -> None:
    await server.start()
    pid = server.pid
    assert pid is not None

    await server.stop()
    await server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


async def test_the_store_syncs_every_write(server: EmbeddedNats, tmp_path: Path) -> None:
    await server.start()

    configuration = (tmp_path / '枣庄 "broker"' / "nats-server.conf").read_text(encoding="utf-8")

    assert "sync_interval: always" in configuration


def is_listening(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


async def publish(server: EmbeddedNats, body: bytes) -> None:
    client = await nats.connect(server.url)
    stream = client.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept"])
    await stream.publish("kept", body)
    await client.close()


async def stored(server: EmbeddedNats) -> list[bytes | None]:
    client = await nats.connect(server.url)
    stream = client.jetstream()
    state = (await stream.stream_info("KEPT")).state
    messages = [(await stream.get_msg("KEPT", seq)).data for seq in range(1, state.last_seq + 1)]
    await client.close()
    return messages


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, "did not happen in time"
        await asyncio.sleep(0.01)
