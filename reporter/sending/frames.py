"""How the service and its sending process talk: pickled values over a socket that only these two hold.

Four bytes say how long a value is. Pickle, since both ends are the same code, started one from the other.
"""

import asyncio
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final  # Any: what the other side sends

from reporter.settings import Settings
from reporter.timesource import TimeSource

READY: Final = "ready"
"""What the process says first."""
STOP: Final = "stop"
"""What it is told when nothing more is to be started."""
_SIZE: Final = 4


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it has been removed
        return None


@dataclass(frozen=True, slots=True)
class Orders:
    """The first thing the process is told."""

    settings: Settings
    time: TimeSource
    send_timeout_s: float
    folder: Path | None = field(default_factory=_folder)
    """The service's working directory, where relative paths of its settings start."""


async def write(writer: asyncio.StreamWriter, value: object) -> None:
    """Sends a value; returns when the other side keeps up. Errors: OSError when it is gone."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    writer.writelines((len(body).to_bytes(_SIZE, "big"), body))
    await writer.drain()


async def read(reader: asyncio.StreamReader) -> Any:
    """The next value; None when the other side is gone."""
    try:
        size = int.from_bytes(await reader.readexactly(_SIZE), "big")
        return pickle.loads(await reader.readexactly(size))  # noqa: S301
    except (asyncio.IncompleteReadError, OSError):
        return None
