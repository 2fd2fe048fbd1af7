"""The folder of handed-in files: content by its SHA-256, written once, whole or not at all.

In the data folder rather than in the broker's object store: a written report must be possible while the broker is
away, and a folder can be copied, mounted and looked at with any tool. Several desks on one database share it.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, Final

FOLDER: Final = "attachments"
"""Of the data folder: where the files lie."""
CHUNK: Final = 256 * 1024
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class TooLarge(ValueError):
    """A file beyond the limit; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Content that lies in the box, safe from a power cut; `head` is its beginning."""

    sha256: str
    bytes_count: int
    head: bytes


class FileBox:
    """Files in one folder, none larger than `bytes_max`."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self.folder = folder
        self.bytes_max = bytes_max

    async def keep(self, content: IO[bytes]) -> Kept:
        """Copies what is left of the stream into the box. Errors: TooLarge; OSError for a full or read-only disk."""
        return await asyncio.to_thread(self._keep, content)

    async def lacking(self, digests: Sequence[str]) -> list[str]:
        """Those whose content is not in this box. Looks for the files, and does not read them."""
        return await asyncio.to_thread(lambda: [each for each in digests if self.find(each) is None])

    def find(self, digest: str) -> Path | None:
        """Where the content lies; None if it is not in this box."""
        if not _DIGEST.fullmatch(digest):
            return None
        path = self._path(digest)
        return path if path.is_file() else None

    async def read(self, path: Path) -> AsyncIterator[bytes]:
        """The content, piece by piece."""
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk

    def _keep(self, content: IO[bytes]) -> Kept:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        under_way = self.folder / f".{token_hex(16)}.part"
        digest, count, head = sha256(), 0, b""
        try:
            with under_way.open("xb") as file:
                while chunk := content.read(CHUNK):
                    count += len(chunk)
                    if count > self.bytes_max:
                        raise TooLarge
                    head = head or chunk[:64]
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            path = self._path(digest.hexdigest())
            path.parent.mkdir(exist_ok=True, mode=0o700)
            under_way.replace(path)
            for folder in (path.parent, self.folder):
                _sync(folder)
        finally:
            under_way.unlink(missing_ok=True)
        return Kept(digest.hexdigest(), count, head)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest


def _sync(folder: Path) -> None:
    """Makes the names in a folder safe from a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
