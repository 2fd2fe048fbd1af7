"""A program of one's own, such as one that drives a GSM modem: it is run once for each message.

No shell is asked. `{target}`, `{id}` and `{subject}` in the arguments are filled in whole, as one argument
each; the text comes on stdin. It is told by its exit status: 0 sent, 75 (EX_TEMPFAIL) not now, any other
never. What outlives its time is killed with all it has started, and the message is tried again.
"""

import asyncio
import os
import re
import signal
from contextlib import suppress
from typing import Annotated, Final, Literal

from pydantic import Field

from reporter.channels.accounts import Account, Accounts, accounts, scrubbed
from reporter.channels.contract import ChannelError, Message, Receipt, refusal_of
from reporter.core.terms import NoticeState
from reporter.settings import Settings

NAME: Final = "command"
TEMPORARY: Final = 75
OUTPUT_BYTES_MAX: Final = 4096
_TARGET = re.compile(r"[^\s\x00-\x1f-][^\x00-\x1f]{0,255}")
_PLACE = re.compile(r"\{(target|id|subject)\}")


class Program(Account):
    """One program. `at_once`: a modem sends one message at a time. Of the environment it gets `keep`."""

    program: Annotated[str, Field(pattern=r"^/")]
    args: tuple[str, ...] = ("{target}",)
    text: Literal["short", "plain"] = "short"
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 30.0
    at_once: Annotated[int, Field(ge=1, le=16)] = 1
    keep: tuple[str, ...] = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")

    @property
    def places(self) -> int:
        return self.at_once


class Command:
    """Runs programs, each no more often at once than it can take."""

    name = NAME

    def __init__(self, programs: Accounts[Program]) -> None:
        self._programs = self.accounts = programs
        self.timeout_s = programs.timeout_s
        self.at_once = programs.at_once
        self.part = programs.part
        self.account_of = programs.account_of

    async def send(self, message: Message) -> Receipt:
        program, target = self._receiver(message.address)
        text = message.short if program.text == "short" else message.text
        async with self._programs.place(program):
            return await _run(program, _arguments(program, target, message), text.encode())

    def flaw_of(self, address: str) -> str | None:
        return refusal_of(self._receiver, address)

    def _receiver(self, address: str) -> tuple[Program, str]:
        """Which program, and what it is told whom to reach by. Errors: ChannelError, permanent."""
        program, target = self._programs.split(address)
        if not _TARGET.fullmatch(target):
            msg = "not a target: it may not begin with - nor hold control characters"
            raise ChannelError(msg, permanent=True)
        return program, target


def _arguments(program: Program, target: str, message: Message) -> list[str]:
    known = {"target": target, "id": message.id, "subject": message.subject.replace("\x00", "")}
    return [_PLACE.sub(lambda found: known[found[1]], argument) for argument in program.args]


async def _run(program: Program, arguments: list[str], text: bytes) -> Receipt:
    try:
        process = await asyncio.create_subprocess_exec(
            program.program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name in program.keep if (value := os.environ.get(name)) is not None},
            start_new_session=True,  # so that all it starts can be ended with it
        )
    except (OSError, ValueError) as error:
        msg = f"the program cannot be run: {type(error).__name__}"
        raise ChannelError(msg, permanent=True) from None
    try:
        async with asyncio.timeout(program.timeout_s):
            said, complained = await _talk(process, text)
            status = await process.wait()
    except TimeoutError:
        msg = f"the program did not end within {program.timeout_s:g} s"
        raise ChannelError(msg, permanent=False) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
    last = scrubbed((complained.strip() or said.strip()).rpartition("\n")[2], ())
    if status == 0:
        first = scrubbed(said.strip().partition("\n")[0], ())
        return Receipt(NoticeState.ACCEPTED, provider_id=first or None, detail="exit 0")
    permanent = status != TEMPORARY and status > 0  # below 0: ended by a signal
    raise ChannelError(f"exit {status} {last}".strip(), permanent=permanent)


async def _talk(process: asyncio.subprocess.Process, text: bytes) -> tuple[str, str]:
    """Hands the text over and reads both outputs to their end, keeping the beginning of each."""
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise ChannelError("the program has no pipes", permanent=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(_write(stdin, text))
        said = group.create_task(_read(stdout))
        complained = group.create_task(_read(stderr))
    return said.result(), complained.result()


async def _write(stream: asyncio.StreamWriter, text: bytes) -> None:
    with suppress(ConnectionError):  # it may end without reading
        stream.write(text)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader) -> str:
    kept = bytearray()
    while chunk := await stream.read(OUTPUT_BYTES_MAX):
        kept += chunk[: OUTPUT_BYTES_MAX - len(kept)]
    return kept.decode("utf-8", "replace")


def make(settings: Settings) -> Command | None:
    programs = accounts(settings, NAME, Program)
    return Command(programs) if programs else None


CHANNEL = make
