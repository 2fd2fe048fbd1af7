"""The command channel, with real programs: no shell, a bound on time and output, and the exit status."""

import asyncio
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reporter.channels.command import OUTPUT_BYTES_MAX
from reporter.core.terms import NoticeState
from tests.contract.channelworld import a_message, failing, opened

Write = Callable[[str], dict[str, object]]


@pytest.fixture
def program(tmp_path: Path) -> Write:
    """Writes a program and answers an account for it."""

    def write(body: str) -> dict[str, object]:
        file = tmp_path / "modem"
        file.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n", encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return {"program": str(file), "timeout_s": 10}

    return write


async def test_text_comes_on_stdin_and_no_shell_reads_the_arguments(program: Write, tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'out')!r}, 'w').write(repr((sys.argv[1:], sys.stdin.read())))\nprint('m-7')"
    account = program(body) | {"args": ["-n", "{target}", "--id={id}", "{subject}"]}
    message = replace(a_message("138; touch x", id_="n-7"), short="短信 $(id)", subject="a {id} `b`")

    async with opened("command", default=account) as channel:
        receipt = await channel.send(message)

    assert (receipt.state, receipt.provider_id) == (NoticeState.ACCEPTED, "m-7")
    told = ["-n", "138; touch x", "--id=n-7", "a {id} `b`"]
    assert (tmp_path / "out").read_text() == repr((told, "短信 $(id)"))


@pytest.mark.parametrize(
    ("body", "permanent", "told"),
    [
        ("sys.exit(75)", False, "exit 75"),
        ("print('no SIM', file=sys.stderr); sys.exit(1)", True, "exit 1 no SIM"),
        ("os.kill(os.getpid(), 9)", False, "exit -9"),
        ("print('x\\x1b[2J\\n' * 100_000); sys.exit(3)", True, "exit 3 x"),
    ],
)
async def test_the_exit_status_says_whether_it_was_sent(
    program: Write, body: str, permanent: bool, told: str
) -> None:
    async with opened("command", default=program(body)) as channel:
        error = await failing(channel, a_message("138"))

    assert error.permanent is permanent
    assert str(error).startswith(told)
    assert len(str(error)) < OUTPUT_BYTES_MAX and "\x1b" not in str(error)


async def test_who_does_not_read_its_input_has_sent_all_the_same(program: Write) -> None:
    async with opened("command", default=program("os.close(0)") | {"text": "plain"}) as channel:
        await channel.send(replace(a_message("138"), text="长" * 200_000))


async def test_who_never_ends_is_ended_with_all_it_started(program: Write, tmp_path: Path) -> None:
    body = (
        f"child = os.fork()\nif child: open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child}}')\n"
        "time.sleep(60)"
    )
    async with opened("command", default=program(body) | {"timeout_s": 1.5}) as channel:
        error = await failing(channel, a_message("138"))

    assert (error.permanent, str(error)) == (False, "the program did not end within 1.5 s")
    for pid in (tmp_path / "pids").read_text().split():
        for _ in range(200):
            if not runs(int(pid)):
                break
            await asyncio.sleep(0.02)
        assert not runs(int(pid))


def runs(pid: int) -> bool:
    """Whether the process lives; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


async def test_one_modem_sends_one_message_at_a_time(program: Write, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    body = f"os.mkdir({str(lock)!r}); time.sleep(0.05); os.rmdir({str(lock)!r})"

    async with opened("command", default=program(body)) as channel:
        await asyncio.gather(*(channel.send(a_message("138")) for _ in range(5)))


@pytest.mark.parametrize("target", ["", "-rf", "138\n139", "13\x008"])
async def test_a_target_cannot_be_an_option(program: Write, target: str) -> None:
    async with opened("command", default=program("")) as channel:
        assert (await failing(channel, a_message(target))).permanent


async def test_a_program_that_is_not_there_is_for_good() -> None:
    async with opened("command", default={"program": "/nowhere/modem"}) as channel:
        assert (await failing(channel, a_message("138"))).permanent


async def test_a_program_gets_no_secret_of_the_environment(
    program: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORTER_DATABASE", "postgresql://u:secret@h/d")
    account = program("sys.exit(3 if 'REPORTER_DATABASE' in os.environ else 0)")

    async with opened("command", default=account) as channel:
        await channel.send(a_message("138"))
