"""Larger forms: several values of one name, and files.

A request has arrived when its header has, so that nobody loses a deadline to a slow line; a body that takes longer
than `BODY_WAIT_S` has arrived when it is complete, so that nobody can begin before a deadline and finish after it.
"""

import asyncio
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from reporter.desk.bodies import BODY_WAIT_S, allow
from reporter.desk.edge import ARRIVED
from reporter.desk.problems import HttpProblem
from reporter.desk.services import Desk

FIELDS_BYTES_MAX: Final = 256 * 1024
FIELDS_MAX: Final = 1200
FILES_MAX: Final = 10
FILES_WAIT_S: Final = 300.0
KEY: Final = "key"
_KEY: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed, or what a form begins with: values by name, blanks around them gone.

    `received_at` is the arrival of the request that brought it.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[UploadFile, ...] = ()
    received_at: datetime | None = None

    def one(self, name: str, default: str = "") -> str:
        """The last value of that name; the default where the form has no such field."""
        values = self.values.get(name)
        return values[-1] if values else default

    def all(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    def has(self, name: str, value: str = "1") -> bool:
        """Whether a box or a choice of that value is ticked."""
        return value in self.values.get(name, ())

    def given(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the names that are not blank."""
        return {name: value for name in names if (value := self.one(name))}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def again(self) -> dict[str, str]:
        """What is shown again beside what is wrong with it: the last value of every field but passwords."""
        return {name: each[-1] for name, each in self.values.items() if "password" not in name}

    async def close(self) -> None:
        """Lets the files go."""
        for file in self.files:
            await file.close()

    @property
    def key(self) -> str:
        """The form's idempotency key; a new one where it brings none that can be used."""
        sent = self.one(KEY)
        return sent if _KEY.fullmatch(sent) else new_key()


def new_key() -> str:
    """The key of a form that is about to be shown."""
    return secrets.token_hex(16)


def typed(values: Mapping[str, str | Sequence[str]]) -> Typed:
    """A form's beginning."""
    return Typed({name: (each,) if isinstance(each, str) else tuple(each) for name, each in values.items()})


async def read(request: Request, desk: Desk, *, file_bytes_max: int = 0) -> Typed:
    """The fields of a posted form, and its files where `file_bytes_max` allows any. Errors: 400, 408, 413."""
    arrived_at: datetime = request.scope[ARRIVED]
    is_multipart = request.headers.get("content-type", "").startswith("multipart/form-data")
    takes_files = bool(file_bytes_max) and is_multipart
    allow(request, FIELDS_BYTES_MAX + (FILES_MAX * file_bytes_max if takes_files else 0))
    began = monotonic()
    try:
        async with asyncio.timeout(FILES_WAIT_S if takes_files else BODY_WAIT_S):
            form = await request.form(
                max_files=FILES_MAX if takes_files else 0,
                max_fields=FIELDS_MAX,
                max_part_size=FIELDS_BYTES_MAX,
            )
    except TimeoutError:
        raise HttpProblem(
            408, "request_timeout", "请求正文未及时到达 / the body did not come in time"
        ) from None
    except HTTPException as error:
        detail = f"表单无法读取 / the form cannot be read: {error.detail}"
        raise HttpProblem(400, "invalid", detail) from None
    if monotonic() - began > BODY_WAIT_S:
        arrived_at = desk.services.time.now()
    values: dict[str, tuple[str, ...]] = {}
    files = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                files.append(value)
            else:
                await value.close()  # a field of files in which none was chosen
        else:
            text = value.replace("\r\n", "\n").replace("\0", "").strip()
            values[name] = (*values.get(name, ()), text)
    return Typed(values, tuple(files), arrived_at)
