"""Short codes for incidents: said over the phone, unique on their day, longer where the short one is taken."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.command import Command
from reporter.store.incidents import taken_codes

LENGTH_MIN = 4
_PREFIX = len("1123-")


async def choose_codes(
    connection: AsyncConnection, opened: Mapping[str, Command], zone: str
) -> dict[str, tuple[str, str]]:
    """For each incident about to be opened, by id: its local day and its code, such as `1123-7KQF`."""
    local_zone = ZoneInfo(zone)
    wanted: dict[str, list[tuple[str, str]]] = {}
    for id_, command in opened.items():
        local = command.received_at.astimezone(local_zone)
        day = local.date().isoformat()
        wanted.setdefault(day, []).append((id_, f"{day[5:7]}{day[8:]}-{_letters(id_)}"))
    chosen: dict[str, tuple[str, str]] = {}
    for day, each in wanted.items():
        taken = await taken_codes(connection, day, [code[: _PREFIX + LENGTH_MIN] for _, code in each])
        for id_, short in each:
            code, length = short, _PREFIX + LENGTH_MIN
            if code[:length] in taken:
                code = code[:_PREFIX] + _letters(id_, whole=True)
                longer = [code[:n] for n in range(length + 1, len(code) + 1)]
                taken |= await taken_codes(connection, day, longer)
                length = next(n for n in range(length + 1, len(code) + 1) if code[:n] not in taken)
            taken.add(code[:length])
            chosen[id_] = (day, code[:length])
    return chosen


def _letters(id_: str, *, whole: bool = False) -> str:
    """The letters that a code is cut from: the first eight, or the whole hash where those were not enough."""
    digest = sha256(id_.encode()).digest()
    return base64.b32encode(digest if whole else digest[:5]).decode().rstrip("=")
