"""Three nats-servers on loopback that are one JetStream cluster; each can be killed and started again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import jetstream
from .moments import eventually
from .natsclient import Nats, NatsError
from .service import STOP_S, free_port


@dataclass
class Cluster:
    """Three nats-servers on loopback that are one JetStream cluster."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(3)])
    routes: list[int] = field(default_factory=lambda: [free_port() for _ in range(3)])
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port in self.ports)

    def start(self) -> Cluster:
        for number in range(3):
            self.start_member(number)
        eventually(self._has_leader, within=30, every=0.2, why="the cluster has a leader")
        return self

    def start_member(self, number: int) -> None:
        folder = self.folder / f"broker-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes)
        (folder / "nats.conf").write_text(
            f'server_name: "broker-{number}"\nlisten: "127.0.0.1:{self.ports[number]}"\n'
            f'jetstream {{ store_dir: "{folder}" }}\n'
            f'cluster {{ name: "fire", listen: "127.0.0.1:{self.routes[number]}", routes: [{routes}] }}\n'
        )
        beside = Path(sys.executable).with_name("nats-server")
        program = str(beside) if beside.exists() else shutil.which("nats-server")
        assert program, "no nats-server: it is a runtime dependency, install the project first"
        with (folder / "nats-server.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [program, "-c", str(folder / "nats.conf")], stdout=log, stderr=log
            )

    def _has_leader(self) -> bool:
        try:
            with Nats(f"nats://127.0.0.1:{self.ports[0]}", timeout=1) as nats:
                return bool(jetstream.api(nats, "INFO"))
        except (NatsError, OSError):
            return False

    def kill(self, number: int) -> None:
        process = self._processes.pop(number)
        process.kill()
        process.wait(STOP_S)

    def make_streams(self) -> None:
        """The two streams, with three replicas each, as an administrator makes them beforehand."""
        with Nats(f"nats://127.0.0.1:{self.ports[0]}") as nats:
            for name, subject, window in (("IN", "in", 100 * 10**6), ("OUT", "out", 120 * 10**9)):
                config: dict[str, object] = {
                    "name": f"REPORTER_{name}", "subjects": [f"reporter.{subject}.>"], "storage": "file",
                    "num_replicas": 3, "max_age": 30 * 86_400 * 10**9, "duplicate_window": window,
                }  # fmt: skip
                eventually(partial(made, nats, config), within=20, every=0.3, why=f"REPORTER_{name} is made")

    def is_whole(self) -> bool:
        """Whether every copy of both streams and of the durable is up to date."""
        for port in (self.ports[number] for number in self._processes):
            try:
                with Nats(f"nats://127.0.0.1:{port}", timeout=1) as nats:
                    infos = [jetstream.api(nats, f"STREAM.INFO.REPORTER_{name}") for name in ("IN", "OUT")]
                    infos.append(jetstream.api(nats, "CONSUMER.INFO.REPORTER_IN.reporter-intake"))
            except (NatsError, OSError):
                return False
            peers = [peer for info in infos for peer in info["cluster"].get("replicas") or ()]
            return len(peers) == 6 and all(x["current"] and not x.get("offline") for x in peers)
        return False

    def leader(self, stream: str) -> int:
        """The number of the broker that leads a stream."""
        for port in (self.ports[number] for number in self._processes):
            with suppress(NatsError, OSError), Nats(f"nats://127.0.0.1:{port}", timeout=1) as nats:
                name: str = jetstream.api(nats, f"STREAM.INFO.{stream}")["cluster"]["leader"]
                return int(name.rpartition("-")[2])
        raise NatsError("no broker answers")

    def stop(self) -> None:
        for number in list(self._processes):
            self.kill(number)


def made(nats: Nats, config: dict[str, object]) -> bool:
    try:
        return bool(jetstream.api(nats, f"STREAM.CREATE.{config['name']}", config))
    except NatsError:
        return False
