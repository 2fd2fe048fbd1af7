"""Copies of attachments beside a copy of the database: exactly the files which that copy names.

They lie in `FILE.attachments`, by their SHA-256 as in the data folder; `MANIFEST` in it lists them as `sha256sum -c`
reads it, and its own sum is the second line of `FILE.sha256`. A copy of a database that names none has neither.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Final

from reporter.store import dumps
from reporter.store.copies import CopyRefused, is_sqlite, sidecar
from reporter.store.filebox import FileBox

SUFFIX: Final = ".attachments"
MANIFEST: Final = "MANIFEST"


@dataclass(frozen=True, slots=True)
class Files:
    """Attachments that were copied, or found whole; `lost` are the SHA-256 of those that were not."""

    count: int
    size: int
    lost: tuple[str, ...]


def folder_of(copy: Path) -> Path:
    """Where the attachments of a copy lie."""
    return copy.with_name(copy.name + SUFFIX)


def named_in(copy: Path, url: str | None) -> list[str]:
    """The SHA-256 of every attachment that the copy of a database names; `url` is PostgreSQL's. Errors: CopyRefused."""
    if not is_sqlite(copy):
        return dumps.attachments(copy, url or "postgresql://")
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as database:
        there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'attachments'"
        if database.execute(there).fetchone() is None:
            return []
        found = database.execute("SELECT DISTINCT sha256 FROM attachments ORDER BY sha256")
        return [row[0] for row in found]


async def back_up(copy: Path, names: Sequence[str], source: Path) -> Files:
    """Copies these attachments from the folder `source` beside the copy; what is not there whole is in `lost`.

    Errors: CopyRefused where nothing can be written.
    """
    if not names:
        return Files(0, 0, ())
    try:
        found = await _carry(names, FileBox(source, sys.maxsize), FileBox(folder_of(copy), sys.maxsize))
        await asyncio.to_thread(_list, copy, [name for name in names if name not in found.lost])
    except OSError as reason:
        raise CopyRefused(
            f"附件未能备份：{reason}", f"the attachments could not be backed up: {reason}"
        ) from None
    return found


async def restore(copy: Path, target: Path) -> Files:
    """Puts the attachments of a copy into the folder `target`; what is there already stays as it is.

    Errors: CopyRefused for a list that is missing or was changed, before anything is written; for missing or damaged
    files, once the others are there.
    """
    names = proven(copy)
    try:
        found = await _carry(names, FileBox(folder_of(copy), sys.maxsize), FileBox(target, sys.maxsize))
    except OSError as reason:
        raise CopyRefused(
            f"附件未能恢复：{reason}", f"the attachments could not be restored: {reason}"
        ) from None
    if found.lost:
        raise CopyRefused(
            f"{folder_of(copy)} 中有 {len(found.lost)} 个附件缺失或损坏，如 {found.lost[0]}",
            f"{len(found.lost)} attachments in {folder_of(copy)} are missing or damaged, such as {found.lost[0]}",
        )
    return found


def examine(copy: Path, names: Iterable[str]) -> Files:
    """How many of the attachments that a database names are whole in the copy. Errors: CopyRefused."""
    listed, box = set(proven(copy)), FileBox(folder_of(copy), sys.maxsize)
    count, size, lost = 0, 0, []
    for name in names:
        path = box.find(name) if name in listed else None
        if path is None or _digest(path) != name:
            lost.append(name)
        else:
            count, size = count + 1, size + path.stat().st_size
    return Files(count, size, tuple(lost))


def proven(copy: Path) -> list[str]:
    """The attachments that the copy's list names; the list has the sum that stands beside it. Errors: CopyRefused."""
    lines = sidecar(copy).read_text(encoding="utf-8").splitlines()
    if len(lines) < 2:
        return []
    manifest = folder_of(copy) / MANIFEST
    if not manifest.is_file() or _digest(manifest) != lines[1].split()[0]:
        raise CopyRefused(
            f"{manifest} 缺失或与校验和不符：附件须与备份放在一起",
            f"{manifest} is missing or does not have its checksum: the attachments belong beside the backup",
        )
    return [line.split()[0] for line in manifest.read_text(encoding="utf-8").splitlines()]


async def _carry(names: Iterable[str], source: FileBox, target: FileBox) -> Files:
    count, size, lost = 0, 0, []
    for name in names:
        path = target.find(name)
        if path is None or await asyncio.to_thread(_digest, path) != name:
            there = source.find(name)
            if there is not None:
                with there.open("rb") as file:
                    await target.keep(
                        file
                    )  # under the sum that it has, so a damaged one does not get the name
            path = target.find(name)
        if path is None or await asyncio.to_thread(_digest, path) != name:
            lost.append(name)
        else:
            count, size = count + 1, size + path.stat().st_size
    return Files(count, size, tuple(lost))


def _list(copy: Path, names: Sequence[str]) -> None:
    """Writes the list, and its sum beside that of the database."""
    folder = folder_of(copy)
    folder.mkdir(exist_ok=True, mode=0o700)
    manifest = folder / MANIFEST
    _write(manifest, "".join(f"{name}  {name[:2]}/{name}\n" for name in names))
    first = sidecar(copy).read_text(encoding="utf-8").splitlines()[0]
    _write(sidecar(copy), f"{first}\n{_digest(manifest)}  {folder.name}/{MANIFEST}\n")


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
