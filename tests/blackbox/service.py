"""Real processes: `reporter serve`, the other verbs, and a broker of our own to put beside it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .moments import Json, eventually
from .natsclient import Nats, NatsError

CHECKOUT = Path(__file__).resolve().parents[2]
START_S = 40.0
STOP_S = 15.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without any setting of the product, plus `extra`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REPORTER_")}
    path = os.pathsep.join(filter(None, [str(CHECKOUT), clean.get("PYTHONPATH", "")]))
    return clean | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"} | dict(extra or {})


def reporter(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, within: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Runs one verb to its end, in `folder`."""
    command = [sys.executable, "-m", "reporter", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(env), capture_output=True, text=True, timeout=within, check=False
    )


@dataclass
class Service:
    """`reporter serve` on one data folder; it can be stopped, killed and started again on the same data."""

    folder: Path
    nats: str = ""
    env: dict[str, str] = field(default_factory=dict)
    http: str = field(init=False, default="")
    ready: Json = field(init=False, default=None)
    _process: subprocess.Popen[str] | None = field(init=False, default=None)
    _drain: threading.Thread | None = field(init=False, default=None)
    _groups: list[int] = field(init=False, default_factory=list)
    _broker: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._broker = self.nats
        self.data.mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def errors(self) -> Path:
        """What the service wrote to stderr, over all its starts."""
        return self.folder / "stderr.log"

    def start(self) -> Service:
        """Starts and returns once the ready line is out. AssertionError with stderr when it does not come."""
        assert self._process is None, "already running"
        command = [sys.executable, "-m", "reporter", "serve", "--data-dir", str(self.data)]
        command += ["--http", f"127.0.0.1:{free_port()}"]
        command += ["--nats", self._broker] if self._broker else ["--nats-port", "0"]
        with self.errors.open("a") as errors:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment(self.env), stdout=subprocess.PIPE, stderr=errors,
                text=True, start_new_session=True,
            )  # fmt: skip
        self._groups.append(self._process.pid)
        self.ready = self._ready_line(self._process)
        assert self.ready["ready"] is True and self.ready["database"] in ("sqlite", "postgresql"), self.ready
        self.http, self.nats = self.ready["http"].rstrip("/"), self.ready["nats"]
        return self

    def _ready_line(self, process: subprocess.Popen[str]) -> Json:
        assert process.stdout is not None
        output, first = process.stdout, queue.Queue[str]()

        def drain() -> None:
            for line in output:
                first.put(line)
            first.put("")

        self._drain = threading.Thread(target=drain, daemon=True)
        self._drain.start()
        try:
            line = first.get(timeout=START_S)
        except queue.Empty:
            line = ""
        if not line:
            code = process.poll()
            self.clean_up()
            raise AssertionError(f"no ready line (exit status {code}); stderr ends:\n{self.last_words()}")
        return json.loads(line)

    def last_words(self, characters: int = 4000) -> str:
        """The end of stderr."""
        return self.errors.read_text(errors="replace")[-characters:] if self.errors.exists() else ""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The running service's process."""
        assert self._process is not None, "not running"
        return self._process.pid

    def brokers(self) -> list[int]:
        """The nats-server processes that run on this service's data folder."""
        found = []
        for commandline in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                program, _, arguments = commandline.read_bytes().partition(b"\0")
                if program.endswith(b"nats-server") and str(self.data).encode() in arguments:
                    found.append(int(commandline.parent.name))
        return found

    def kill(self) -> None:
        """SIGKILL to the service alone, as when memory runs out; its children are left to their fate."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and waits for an orderly end."""
        self._end(signal.SIGTERM)

    @property
    def memory_mb(self) -> float:
        """Resident memory of the service alone, in MB; 0 when it does not run."""
        if self._process is None or not self.running:
            return 0.0
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)

    def send(self, which: signal.Signals) -> None:
        """Any other signal to the service alone: SIGSTOP, SIGCONT."""
        assert self._process is not None, "not running"
        self._process.send_signal(which)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None, "not running"
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_S)
        finally:
            if self._process.poll() is not None:
                self._forget()

    def clean_up(self) -> None:
        """Ends everything this service ever started; for the end of a test."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOP_S)
            self._forget()
        for orphan in self._left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        self._groups.clear()

    def _left_over(self) -> list[int]:
        """Processes that name our data folder on their command line: a broker whose service was killed."""
        found = []
        for commandline in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.data).encode() in commandline.read_bytes():
                    found.append(int(commandline.parent.name))
        return found

    def _forget(self) -> None:
        if self._drain is not None:
            self._drain.join(2)  # an orphaned broker may hold the pipe open
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def connect(self) -> Nats:
        """A new bare connection to this service's broker."""
        return Nats(self.nats)

    # --- verbs that write beside the running service --------------------------------------------

    def verb(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs a verb on this service's data folder; asserts its exit status unless `expect` is None."""
        here = {"REPORTER_DATA_DIR": str(self.data)}
        done = reporter(*arguments, folder=self.folder, env=self.env | here)
        said = f"reporter {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert expect is None or done.returncode == expect, said
        return done

    def verb_json(self, *arguments: str, expect: int | None = 0) -> Json:
        """The same with `--json`: the one document on stdout."""
        return json.loads(self.verb(*arguments, "--json", expect=expect).stdout)

    def token(self, name: str, role: str = "admin", unit: str = "") -> str:
        """Creates a token and returns it: stdout holds it alone."""
        scope = ("--unit", unit) if unit else ()
        printed = self.verb("token", "create", name, "--role", role, *scope).stdout
        assert printed.split() == [printed.strip()], f"stdout holds more than a token: {printed!r}"
        return printed.strip()

    def import_file(
        self, what: str, text: str, expect: int = 0, encoding: str = "utf-8"
    ) -> subprocess.CompletedProcess[str]:
        """`reporter unit import` or `reporter roster import` of this text."""
        path = self.folder / f"{what}-{time.monotonic_ns()}.csv"
        path.write_bytes(text.encode(encoding))
        return self.verb(what, "import", str(path), expect=expect)


@dataclass
class Broker:
    """A nats-server of our own with JetStream, for a service that is given `--nats`."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> Broker:
        beside = Path(sys.executable).with_name("nats-server")
        program = str(beside) if beside.exists() else shutil.which("nats-server")
        assert program, "no nats-server: it is a runtime dependency, install the project first"
        store = self.folder / "jetstream"
        command = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(store)]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "nats-server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._answers, within=10, why="nats-server accepts connections")
        return self

    def _answers(self) -> bool:
        try:
            with Nats(self.url, timeout=1):
                return True
        except (OSError, NatsError):
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_S)
            self._process = None


def read_lines(items: Sequence[Sequence[str]]) -> str:
    """CSV text of plain cells (none of ours needs quoting)."""
    return "".join(",".join(cells) + "\n" for cells in items)
