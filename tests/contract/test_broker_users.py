"""`reporter nats config`, against a real nats-server by TLS: each speaks for itself only, and the service works."""

import asyncio
import json
import os
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # documents of JSON

import nats
import nkeys
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from typer.testing import CliRunner, Result

from reporter.bus import STREAM_IN, STREAM_OUT, SUBJECTS_OUT
from reporter.cli import app
from reporter.embedded import find_program
from reporter.settings import Settings, SettingsError
from reporter.store.database import open_database
from reporter.store.people import import_units
from reporter.store.schema import check
from reporter.wiring import Service
from tests.contract.mailserver import CERTIFICATE, TLS

UNITS = "code,name,parent,phone,region\ncity,市值班室,,,\neast,东街道,city,,\nwest,西街道,city,,\n"


@dataclass
class Site:
    """A data folder with units, and a folder for the broker. `url` once `broker` is on."""

    data: Path
    folder: Path
    port: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"tls://localhost:{self.port}"

    def config(self, *arguments: str) -> Result:
        given = ["nats", "config", str(self.folder), "--data-dir", str(self.data), *arguments]
        return CliRunner().invoke(app, given)

    def seed(self, user: str) -> Path:
        return self.folder / "seeds" / f"{user}.nk"

    async def connect(self, user: str, inbox: str) -> Client:
        async def note(reason: Exception) -> None:
            self.violations.append(str(reason))

        return await nats.connect(
            self.url,
            nkeys_seed=str(self.seed(user)),
            inbox_prefix=inbox.encode(),
            tls=ssl.create_default_context(cafile=CERTIFICATE),
            error_cb=note,
            allow_reconnect=False,
            connect_timeout=5,
        )


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    data = tmp_path / "data"
    data.mkdir()
    database = open_database(None, data)
    await check(database)
    await import_units(database, UNITS.encode())
    await database.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Site(data, tmp_path / "broker", free.getsockname()[1])


@asynccontextmanager
async def broker(site: Site) -> AsyncIterator[None]:
    """A nats-server with what the verb wrote."""
    tls = ("--tls-cert", str(CERTIFICATE), "--tls-key", str(TLS / "key.pem"))
    written = await asyncio.to_thread(
        site.config, "--listen", f"127.0.0.1:{site.port}", "--reader", "pager", *tls
    )
    assert written.exit_code == 0, written.output
    with (site.folder / "out").open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [find_program(), "-c", site.folder / "nats-server.conf"], stdout=output, stderr=output
        )
    try:
        await eventually(lambda: answers(site.port))
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as opened:
        return opened.recv(4) == b"INFO"
    return False


async def eventually(holds: Callable[[], bool], within_s: float = 15) -> None:
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.02)


def event(id_: str) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "type": "reporter.incident.occurred",
            "source": "urn:test",
            "id": id_,
            "data": {"title": "爆燃"},
        }
    ).encode()


async def test_the_service_and_a_unit_work_with_seeds_of_their_own_and_a_unit_only_as_itself(
    site: Site,
) -> None:
    async with broker(site):
        settings = Settings(
            data_dir=site.data,
            http="127.0.0.1:0",
            nats=site.url,
            nats_seed_file=site.seed("_service"),
            nats_tls_ca=CERTIFICATE,
            log_level="error",
        )
        async with Service(settings):
            reader = await site.connect("_reader-pager", "_INBOX._reader-pager")
            facts: list[str] = []

            async def heard(message: Any) -> None:  # Any: nats-py's message
                facts.append(message.subject)

            await reader.subscribe(SUBJECTS_OUT, cb=heard)
            await reader.flush()
            east = await site.connect("east", "_INBOX.east")
            outcomes = await east.subscribe("_INBOX.east.outcome")

            stored = await east.jetstream().publish(
                "reporter.in.incident.east", event("1"), headers={"Reporter-Reply": "_INBOX.east.outcome"}
            )
            outcome = json.loads((await outcomes.next_msg(10)).data)

            assert stored.stream == STREAM_IN
            assert outcome["outcome"] == "accepted"
            await eventually(lambda: "reporter.out.opened.east" in facts)

            before = stored.seq
            for subject in (
                "reporter.in.incident.west",
                "reporter.out.opened.east",
                "$JS.API.STREAM.PURGE.REPORTER_IN",
            ):
                await east.publish(subject, event("2"))
            for subject in ("reporter.in.>", SUBJECTS_OUT, "_INBOX.>", "_INBOX.west.>"):
                await east.subscribe(subject)
            await reader.publish("reporter.in.incident.east", event("3"))
            await reader.publish(f"$JS.API.CONSUMER.CREATE.{STREAM_OUT}.spy", b"{}")
            await east.flush()
            await reader.flush()
            await eventually(lambda: len(site.violations) == 9)
            after = await east.jetstream().publish("reporter.in.incident.east", event("4"))
            assert after.seq == before + 1  # nothing in between was stored
            await east.close()
            await reader.close()
        own = nkeys.from_seed(bytearray(site.seed("_service").read_bytes().strip())).public_key.decode()
        log = (site.folder / "out").read_text()
        assert "Violation" in log
        assert [line for line in log.splitlines() if "Violation" in line and own in line] == []


async def test_the_service_cannot_report_for_a_unit_and_a_stranger_gets_nowhere(site: Site) -> None:
    async with broker(site):
        service = await site.connect("_service", "_INBOX._reporter")
        await service.publish("reporter.in.report.east", b"{}")
        await service.flush()
        await eventually(lambda: len(site.violations) == 1)
        await service.close()

        strange = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
        site.seed("west").write_bytes(strange)
        with pytest.raises(NatsError, match="Authorization Violation"):
            await site.connect("west", "_INBOX.west")
        with pytest.raises(NatsError, match="Authorization Violation"):
            await nats.connect(
                site.url,
                tls=ssl.create_default_context(cafile=CERTIFICATE),
                allow_reconnect=False,
                max_reconnect_attempts=1,
            )


def test_seeds_are_private_and_stay_until_renewed(site: Site) -> None:
    first = site.config("--json", "--reader", "pager")
    seeds = {file.name: file.read_text() for file in (site.folder / "seeds").iterdir()}
    second = site.config("--json", "--unit", "east", "--renew", "east")

    assert first.exit_code == second.exit_code == 0, first.output + second.output
    users = ["_service", "_admin", "_reader-pager", "city", "east", "west"]
    assert json.loads(first.stdout)["users"] == json.loads(first.stdout)["new"] == users
    assert {name.removesuffix(".nk") for name in seeds} == set(users)
    again = json.loads(second.stdout)
    assert (again["new"], again["unused"]) == (["east"], ["_reader-pager", "city", "west"])
    assert site.seed("east").read_text() != seeds["east.nk"]
    assert site.seed("_service").read_text() == seeds["_service.nk"]
    config = (site.folder / "nats-server.conf").read_text()
    for file in (site.folder / "seeds").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text().strip() not in config + first.output + second.output
    assert stat.S_IMODE((site.folder / "seeds").stat().st_mode) == 0o700


def test_what_cannot_be_is_refused_in_words(site: Site) -> None:
    nobody = site.config("--unit", "nobody")
    bad = site.config("--tls-cert", str(CERTIFICATE), "--tls-key", str(site.folder / "nothing.pem"))
    half = site.config("--tls-cert", str(CERTIFICATE))
    odd = site.config("--listen", "4222")

    assert (nobody.exit_code, bad.exit_code, half.exit_code, odd.exit_code) == (1, 1, 2, 2)
    assert "nobody" in nobody.stderr
    assert "nats-server -t" in bad.stderr


@pytest.mark.parametrize("content", [None, "", "not a seed", "SAAB", "SUAAAA"])
async def test_a_seed_that_cannot_be_used_ends_the_start_in_words(site: Site, content: str | None) -> None:
    file = site.data / "seed"
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsError, match="nats_seed_file"):
        async with Service(Settings(data_dir=site.data, nats="nats://127.0.0.1:9", nats_seed_file=file)):
            pytest.fail("it started")


def test_a_seed_is_never_shown() -> None:
    from reporter.busclient import Access

    assert "SUA" not in repr(Access(seed="SUASECRET"))
