"""The service under measurement: the real one, in a process of its own, with its own broker."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self  # Any: the ready line is JSON

import reporter
from reporter.bench.ground import Bed
from reporter.bench.results import BenchError
from reporter.engine.outside import SENDING
from reporter.wiring import NATS_FOLDER

READY_S: Final = 60.0
STOP_S: Final = 20.0


class Service:
    """`reporter serve` on a bed: `async with Service(bed) as service` is ready inside the block."""

    def __init__(self, bed: Bed, beside: "Service | None" = None) -> None:
        """`beside`: it shares that one's broker, and (PostgreSQL) its database."""
        self._bed = bed
        self._beside = beside
        self._data_dir = bed.data_dir if beside is None else bed.folder / "beside"
        self._log = bed.folder / "service.log"
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}
        self.launched_at = 0.0
        """When (`time.perf_counter`) its process was started; `ready_at`: when it said that it was ready."""
        self.ready_at = 0.0

    def launch(self) -> None:
        """Starts the process and returns at once."""
        command = [sys.executable, "-m", "reporter", "serve", "--data-dir", str(self._data_dir)]
        command += ["--http", "127.0.0.1:0", "--nats-port", "0", "--log-level", "warning"]
        if self._beside is not None:
            command += ["--nats", self._beside.nats]
        if not self._bed.is_sqlite:
            command += ["--database", self._bed.database]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REPORTER_")}
        environment["PYTHONPATH"] = str(Path(reporter.__file__).parents[1])
        with self._log.open("a") as log:
            self.launched_at = time.perf_counter()
            self._process = subprocess.Popen(
                command, cwd=self._bed.folder, env=environment, text=True, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    async def wait_ready(self) -> None:
        """Returns once the ready line is out. Errors: BenchError with the service's last words."""
        line = ""
        if self._process is not None and self._process.stdout is not None:
            # Killed when it is not ready in time, so that the read ends.
            late = threading.Timer(READY_S, self._process.kill)
            late.start()
            line = await asyncio.to_thread(self._process.stdout.readline)
            late.cancel()
        self.ready_at = time.perf_counter()
        if not line:
            raise BenchError(f"the service did not get ready: {self.last_words()}")
        self.ready = json.loads(line)

    async def __aenter__(self) -> Self:
        try:
            self.launch()
            await self.wait_ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def kill(self) -> None:
        """Kills its process and not its broker: `kill -9`, as it befalls."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self) -> None:
        """Ends the process in good order; kills it and its broker if that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError, ValueError):
                os.kill(self.broker_pid, 9)
        if process.stdout is not None:
            process.stdout.close()

    def last_words(self) -> str:
        """The end of what it logged."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else "it said nothing"

    @property
    def pid(self) -> int:
        """The service's process."""
        if self._process is None or self._process.poll() is not None:
            raise BenchError(f"the service has ended: {self.last_words()}")
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        """The service's process, and the one that sends for it."""
        return [self.pid, *sending_pids(self.pid)]

    @property
    def broker_pid(self) -> int:
        """Its embedded broker's process."""
        file = self._bed.data_dir / NATS_FOLDER / "nats-server.pid"
        return int(file.read_text(encoding="ascii"))

    @property
    def http(self) -> str:
        """Its desk's URL."""
        return str(self.ready["http"])

    @property
    def nats(self) -> str:
        """Its broker's URL."""
        return str(self.ready["nats"])


def sending_pids(pid: int) -> list[int]:
    """The children of the process `pid` that send for it, as /proc has them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have just ended
            parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == pid and SENDING.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def rss_mb(pid: int, field: str = "VmRSS") -> float:
    """A process's resident memory in MB (10^6 bytes): now, or its peak with `VmHWM`. Errors: BenchError."""
    for line in _proc(pid, "status").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    raise BenchError(f"/proc/{pid}/status says nothing of {field}")


def cpu_s(pid: int) -> float:
    """The CPU seconds that a process has used, user and system, all its threads. Errors: BenchError."""
    values = _proc(pid, "stat").rpartition(")")[2].split()  # the name before it may hold blanks
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BenchError(f"memory and CPU are read from /proc, as on Linux: {error}") from error
