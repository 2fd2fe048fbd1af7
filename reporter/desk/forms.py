"""The fields of a page's form, also those of which there are several; bounded in bytes and in number."""

from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from reporter.desk.bodies import read_bounded

FORM_BYTES_MAX: Final = 128 * 1024
FIELDS_MAX: Final = 1200


class Form:
    """What was typed. Text has no blanks around it, and a field that is not there is empty."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        """The last value of the field, its lines ended by a line feed alone."""
        return self._fields.get(name, [""])[-1].replace("\r\n", "\n").replace("\r", "\n").strip()

    def all(self, name: str) -> list[str]:
        """Every value of the field, in order."""
        return list(self._fields.get(name, ()))

    def typed(self) -> dict[str, str]:
        """Every field as it was typed, to be shown again beside what is wrong with it."""
        return {name: values[-1] for name, values in self._fields.items() if "password" not in name}


async def read_fields(request: Request) -> Form:
    """The form that was posted. Errors: 413, 408; ValueError never: what is no form has no fields."""
    body = await read_bounded(request, FORM_BYTES_MAX)
    try:
        fields = parse_qs(
            body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX
        )
    except ValueError:
        fields = {}
    return Form(fields)
