"""The regulations this service knows: every `*.toml` of the schedule folders, read once, whole or not at all.

To add a regulation is to add a file; there is no list to edit. The format: `schedules/README.md`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reporter.catalog.documents import edition_document
from reporter.catalog.prose import Language, describe, describe_edition
from reporter.catalog.reading import edition_from_values, read_schedule
from reporter.catalog.tables import Problem, Table
from reporter.core.schedule import Edition, Schedule

__all__ = [
    "DEFAULT_SCHEDULE_ID",
    "Catalog",
    "CatalogError",
    "Language",
    "Problem",
    "describe",
    "describe_edition",
    "edition_document",
    "edition_from_document",
    "load",
]

DEFAULT_SCHEDULE_ID: Final = "cn-zaozhuang-hitech-2021-9"
"""The schedule of an incident that names none, or one that nobody knows."""


class CatalogError(Exception):
    """Schedule files or a stored edition are refused; `problems` lists every reason, `str` one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All schedules by id."""

    schedules: Mapping[str, Schedule]
    default_id: str

    @property
    def default(self) -> Schedule:
        """The schedule of an incident that names none."""
        return self.schedules[self.default_id]

    def get(self, schedule_id: str) -> Schedule | None:
        """The schedule with that id, or None."""
        return self.schedules.get(schedule_id)


def load(folders: Sequence[Path], default_id: str = DEFAULT_SCHEDULE_ID) -> Catalog:
    """Reads every `*.toml` below `folders`; where two folders hold the same id, the earlier folder's wins.

    All files are checked, also those that lose. Errors: CatalogError with every problem of every file, among
    them a folder that is not there, an id twice in one folder, and a `default_id` that no file has.
    """
    problems: list[Problem] = []
    schedules: dict[str, Schedule] = {}
    for folder in folders:
        for schedule_id, schedule in _read_folder(folder, problems).items():
            schedules.setdefault(schedule_id, schedule)
    if not problems and default_id not in schedules:
        places = ", ".join(map(str, folders))
        problems.append(Problem(places, "", "", f"no file holds the default schedule {default_id!r}"))
    if problems:
        raise CatalogError(problems)
    return Catalog(MappingProxyType(dict(sorted(schedules.items()))), default_id)


def edition_from_document(document: Mapping[str, object]) -> Edition:
    """The edition that `edition_document` was given, digest included.

    Errors: CatalogError for what is no such document, or one of a newer format.
    """
    problems: list[Problem] = []
    edition = edition_from_values(document, problems)
    if problems or edition is None:
        raise CatalogError(problems)
    return edition


def _read_folder(folder: Path, problems: list[Problem]) -> dict[str, Schedule]:
    if not folder.is_dir():
        problems.append(Problem(str(folder), "", "", "no such folder"))
        return {}
    schedules: dict[str, Schedule] = {}
    file_of: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.toml")):
        values = _parse(file, problems)
        if values is None:
            continue
        schedule_id = values.get("id")
        if isinstance(schedule_id, str) and schedule_id in file_of:
            message = f"{schedule_id!r} is also the id of {file_of[schedule_id]}"
            problems.append(Problem(str(file), "", "id", message))
        elif isinstance(schedule_id, str):
            file_of[schedule_id] = file
        schedule = read_schedule(Table(values, str(file), "", problems))
        if schedule is not None:
            schedules.setdefault(schedule.id, schedule)
    return schedules


def _parse(file: Path, problems: list[Problem]) -> Mapping[str, object] | None:
    try:
        return tomllib.loads(
            file.read_text("utf-8-sig")
        )  # some editors of office machines write a byte order mark
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(Problem(str(file), "", "", f"is no readable TOML: {error}"))
        return None
