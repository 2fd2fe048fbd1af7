"""Files handed in with a report: which are taken, under which name, and how they go out again.

Only kinds that offices use, told by the ending and, where the kind has one, by its mark at the beginning. What goes
out is a download and never a page of ours: `Content-Disposition: attachment`, `nosniff`, and a policy without rights.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from reporter.core.command import Problem
from reporter.desk.auth import Caller
from reporter.desk.problems import HttpProblem, not_found, unfit
from reporter.desk.services import Desk
from reporter.store import attachments
from reporter.store.attachments import AttachmentRow
from reporter.store.filebox import TooLarge

NAME_CHARS_MAX: Final = 120
FIELD: Final = "files"


@dataclass(frozen=True, slots=True)
class _Kind:
    media_type: str
    marks: tuple[bytes, ...] = ()


_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_OLE: Final = (b"\xd0\xcf\x11\xe0",)
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
KINDS: Final = {
    "pdf": _Kind("application/pdf", (b"%PDF-",)),
    "ofd": _Kind("application/ofd", _ZIP),
    "docx": _Kind(_OFFICE + "wordprocessingml.document", _ZIP),
    "xlsx": _Kind(_OFFICE + "spreadsheetml.sheet", _ZIP),
    "pptx": _Kind(_OFFICE + "presentationml.presentation", _ZIP),
    "doc": _Kind("application/msword", _OLE),
    "xls": _Kind("application/vnd.ms-excel", _OLE),
    "wps": _Kind("application/vnd.ms-works", (*_OLE, *_ZIP)),
    "txt": _Kind("text/plain"),
    "csv": _Kind("text/csv"),
    "jpg": _Kind("image/jpeg", (b"\xff\xd8\xff",)),
    "jpeg": _Kind("image/jpeg", (b"\xff\xd8\xff",)),
    "png": _Kind("image/png", (b"\x89PNG\r\n\x1a\n",)),
    "webp": _Kind("image/webp", (b"RIFF",)),
    "mp3": _Kind("audio/mpeg", (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")),
    "m4a": _Kind("audio/mp4"),
    "wav": _Kind("audio/wav", (b"RIFF",)),
    "amr": _Kind("audio/amr", (b"#!AMR",)),
    "mp4": _Kind("video/mp4"),
    "zip": _Kind("application/zip", _ZIP),
}
"""What may be handed in, by the name's ending."""
ACCEPT: Final = ",".join(f".{ending}" for ending in KINDS)


async def keep(
    desk: Desk, caller: Caller, incident_id: str, files: Sequence[UploadFile]
) -> list[dict[str, object]]:
    """Keeps the files and returns how a report names them: the same files always give the same.

    Errors: 422 naming every file that is refused; then none is noted. 503 where there is no room for them.
    """
    box = desk.services.files
    if not files or box is None:
        return []
    rows, problems = [], []
    now = desk.services.time.now()
    for file in files:
        name = clean_name(file.filename or "")
        _, dot, ending = name.rpartition(".")
        kind = KINDS.get(ending.casefold()) if dot else None
        if kind is None:
            problems.append(Problem(FIELD, f"{name}：不收此类文件 / files of this kind are not taken"))
            continue
        try:
            kept = await box.keep(file.file)
        except TooLarge:
            limit = box.bytes_max // 1024
            problems.append(Problem(FIELD, f"{name}：超过 {limit} KiB / larger than {limit} KiB"))
            continue
        except OSError as error:
            detail = (
                "附件无法保存，请先不带附件报送 / attachments cannot be kept at the moment: report without"
            )
            raise HttpProblem(503, "no_room", detail) from error
        if kept.bytes_count == 0:
            problems.append(Problem(FIELD, f"{name}：空文件 / the file is empty"))
        elif kind.marks and not kept.head.startswith(kind.marks):
            problems.append(Problem(FIELD, f"{name}：内容与扩展名不符 / it is not what its name says"))
        else:
            rows.append(
                AttachmentRow(
                    incident_id,
                    kept.sha256,
                    name,
                    kind.media_type,
                    kept.bytes_count,
                    now,
                    caller.account.actor,
                )
            )
    if problems:
        raise unfit(problems)
    async with desk.services.database.transaction() as connection:
        for row in rows:
            await attachments.add(connection, row)
    return [{"name": row.name, "sha256": row.sha256, "object": f"attachments/{row.sha256}"} for row in rows]


def clean_name(name: str) -> str:
    """The name without folders and without characters that show as nothing or turn what follows around."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    plain = "".join(each for each in name if unicodedata.category(each)[0] != "C" and each not in '<>:"|?*')
    stem, dot, ending = plain.strip(" .").rpartition(".")
    return f"{stem[:NAME_CHARS_MAX]}{dot}{ending[:10]}" or "file"


async def download(desk: Desk, incident_id: str, digest: str) -> StreamingResponse:
    """The file as a download. Errors: 404, also where another desk keeps it in a folder that is not shared."""
    async with desk.services.database.snapshot() as connection:
        row = await attachments.one(connection, incident_id, digest)
    box = desk.services.files
    path = box.find(digest) if box is not None and row is not None else None
    if row is None or path is None or box is None:
        raise not_found()
    ending = row.name.rpartition(".")[2]
    headers = {
        "Content-Disposition": f"attachment; filename=\"{digest[:12]}.{ending}\"; filename*=UTF-8''{quote(row.name)}",
        "Content-Length": str(row.bytes_count),
        "ETag": f'"{digest}"',
    }
    return StreamingResponse(box.read(path), media_type=row.media_type, headers=headers)
