"""The verbs that copy the database: db backup, db restore and db rehearse."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.stored import in_words
from reporter.cli.trouble import Trouble
from reporter.cli.verb import STORE, Call, Document, verb
from reporter.core.instants import rfc3339

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reporter.settings import Settings
    from reporter.store.copies import Copy
    from reporter.store.filecopies import Files
    from reporter.store.rehearsal import Rehearsed

File = Annotated[Path, typer.Argument(metavar="FILE", help="备份文件。The backup.")]
DEFECTS_SHOWN = 20


def register(db: typer.Typer) -> None:
    """Adds the verbs."""

    @verb(db, "backup", *STORE)
    async def db_backup(call: Call, file: File) -> int:
        """备份数据库和附件，服务可在运行；旁附 SHA-256。Copies database and attachments, also while serving."""
        from reporter.store import copies, dumps, filecopies
        from reporter.timesource import SystemTime

        now = SystemTime().now()
        with _refusals():
            if call.settings.database is None:
                copy = copies.back_up(_sqlite_file(call.settings), file)
            else:
                copy = dumps.back_up(call.settings.database, file)
            names = filecopies.named_in(copy.path, call.settings.database)
            files = await filecopies.back_up(copy.path, names, _attachments(call.settings))
        copies.note(call.settings.data_dir, copy, now)
        document = _document(copy) | {"attachments": _counted(files)}
        call.answer(document, lambda: _backed_up(call, copy, files))
        return int(bool(files.lost))

    @verb(db, "restore", *STORE)
    async def db_restore(
        call: Call,
        file: File,
        force: Annotated[
            bool, typer.Option("--force", help="覆盖已有的数据库。Replace the database that is there.")
        ] = False,
    ) -> None:
        """校验后恢复备份。Puts a backup back, after checking that it is whole."""
        from reporter.store import copies, dumps, filecopies
        from reporter.store.copies import CopyRefused
        from reporter.store.schema import REVISION

        with _refusals():
            _fit(call.settings, file)
            if call.settings.database is None:
                target = str(_sqlite_file(call.settings))
                copy = copies.restore(file, _sqlite_file(call.settings), force=force)
            else:
                target, there = await _there(call.settings)
                copy = dumps.restore(file, call.settings.database, there, force=force)
        try:  # clocks go on, whatever is wrong with files
            files = await filecopies.restore(file, _attachments(call.settings))
        except CopyRefused as why:
            raise Trouble(
                f"数据库已恢复到 {target}，附件没有恢复：{why.zh}",
                f"the database was restored to {target}, the attachments were not: {why.en}",
            ) from None
        is_old = copy.revision != REVISION
        call.answer(
            _document(copy) | {"restored": target, "revision": copy.revision, "attachments": _counted(files)},
            lambda: call.say(
                f"已恢复到 {target}，附件 {files.count} 个；请运行 "
                + ("`reporter db upgrade`，再运行 " if is_old else "")
                + "`reporter ledger verify`",
                f"restored to {target}, with {files.count} attachments; now run "
                + ("`reporter db upgrade`, then " if is_old else "")
                + "`reporter ledger verify`",
            ),
        )

    @verb(db, "rehearse", *STORE)
    async def db_rehearse(
        call: Call,
        file: File,
        quick: Annotated[
            bool, typer.Option("--quick", help="不由台账重演各表。Without replaying the ledger.")
        ] = False,
    ) -> int:
        """把备份恢复到临时处，验台账，列出将继续的计时。Restores into a throw-away place and proves it there."""
        from reporter.store.rehearsal import rehearse
        from reporter.timesource import SystemTime

        with _refusals(), in_words():
            found = await rehearse(file, call.settings.database, SystemTime().now(), is_quick=quick)
        document = _rehearsed(file, found)
        call.answer(document, lambda: _told(call, document))
        return int(not document["ok"])


def _backed_up(call: Call, copy: "Copy", files: "Files") -> str:
    said = call.say(
        f"已备份到 {copy.path}，附件 {files.count} 个",
        f"backed up to {copy.path}, with {files.count} attachments",
    )
    if not files.lost:
        return said
    folder, count, one = _attachments(call.settings), len(files.lost), files.lost[0]
    return f"{said}\n" + call.say(
        f"■ {count} 个附件不在 {folder} 或已损坏，如 {one}；若在别的机器上，请在那里备份",
        f"■ {count} attachments are not in {folder}, or damaged there, such as {one}; where another machine has "
        "them, back up there",
    )


def _counted(files: "Files") -> Document:
    return {"count": files.count, "bytes": files.size, "lost": list(files.lost)}


@contextmanager
def _refusals() -> "Iterator[None]":
    """Turns a refused copy into Trouble."""
    from reporter.store.copies import CopyRefused

    try:
        yield
    except CopyRefused as why:
        raise Trouble(why.zh, why.en) from None


def _sqlite_file(settings: "Settings") -> Path:
    from reporter.store.database import SQLITE_FILE

    return settings.data_dir / SQLITE_FILE


def _attachments(settings: "Settings") -> Path:
    from reporter.store.filebox import FOLDER

    return settings.data_dir / FOLDER


def _fit(settings: "Settings", file: Path) -> None:
    """Refuses a backup of the one kind of database for the other."""
    from reporter.store import copies

    copies.proven(file)
    if copies.is_sqlite(file) == (settings.database is None):
        return
    kind = "SQLite" if settings.database is not None else "PostgreSQL"
    raise Trouble(
        f"{file} 是 {kind} 的备份，与所设的数据库不是一类",
        f"{file} is a backup of {kind}; this database is not",
    )


async def _there(settings: "Settings") -> tuple[str, str | None]:
    """The PostgreSQL database, as it may be shown, and its revision: None if it is empty."""
    from reporter.store.database import open_database
    from reporter.store.schema import revision

    with in_words():
        database = open_database(settings.database, settings.data_dir)
        try:
            return database.url.render_as_string(), await revision(database)
        finally:
            await database.close()


def _document(copy: "Copy") -> Document:
    return {"file": str(copy.path), "bytes": copy.size, "sha256": copy.sha256}


def _rehearsed(file: Path, found: "Rehearsed") -> Document:
    defects = [
        {"incident": each.incident, "version": each.version, "seal": each.seal, "problem": each.en}
        for each in found.checked.defects
    ]
    differing = [{"incident": each.incident, "problem": each.problem} for each in found.differences or ()]
    return {
        "ok": not defects and not differing and not found.files.lost,
        "file": str(file),
        "revision": found.revision,
        "incidents": found.checked.incidents,
        "lines": found.checked.lines,
        "seals": found.checked.seals,
        "replayed": found.differences is not None,
        "attachments": _counted(found.files),
        "clocks": {"waiting": found.clocks.waiting, "overdue": found.clocks.overdue},
        "next": [
            {
                "incident": each.incident,
                "code": each.code,
                "title": each.title,
                "obligation": each.obligation,
                "due_at": rfc3339(each.due_at),
            }
            for each in found.clocks.next
        ],
        "items": defects + differing,
    }


def _told(call: Call, document: Document) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    from reporter.cli.board import local
    from reporter.cli.shown import table

    items, clocks = document["items"], document["clocks"]
    lines = [f"■ {each['incident'] or each.get('seal')}: {each['problem']}" for each in items[:DEFECTS_SHOWN]]
    lines += [
        call.say(
            f"{document['incidents']} 起事件、{document['lines']} 行台账、{document['seals']} 枚封印，"
            + (f"{len(items)} 处缺陷" if items else "全部无误"),
            f"{document['incidents']} incidents, {document['lines']} lines, {document['seals']} seals: "
            + (f"{len(items)} defects" if items else "all good"),
        ),
        call.say(
            f"恢复后有 {clocks['waiting']} 个计时继续，其中 {clocks['overdue']} 个此刻已过时限，启动即判定",
            f"{clocks['waiting']} clocks would go on; {clocks['overdue']} of them are past due and judged at start",
        ),
    ]
    headings = call.say("编号 事件 义务 时限", "code incident obligation due").split()
    if lost := document["attachments"]["lost"]:
        lines.append(
            call.say(
                f"■ {len(lost)} 个附件不在备份中或已损坏",
                f"■ {len(lost)} attachments are not in it, or damaged",
            )
        )
    elif count := document["attachments"]["count"]:
        lines.append(call.say(f"附件 {count} 个，完好", f"{count} attachments, whole"))
    rows = [
        (each["code"], each["title"], each["obligation"], local(each["due_at"], call.settings.zone))
        for each in document["next"]
    ]
    shown: list[RenderableType] = [Text("\n".join(lines))]
    if rows:
        shown.append(table(headings, rows))
    return Group(*shown)
