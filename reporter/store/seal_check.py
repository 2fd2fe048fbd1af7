"""Checking the seals: each root is derived anew from the ledger's own lines, all of them in one pass.

The rows of `sealed_heads` say which line was an incident's last when a seal was made; the lines' hashes come from
the ledger. What the rows remember of a hash only serves to name the incident that was tampered with: the root does
not need them. Nothing here writes; memory is that of the seals, not of the ledger.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any  # whatever JSON somebody hands over as a seal

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core.canonical import canonical
from reporter.core.ledger import GENESIS
from reporter.core.seal import EMPTY, History, Tree, join_histories, leaf
from reporter.store import models as m
from reporter.store.database import Database
from reporter.store.ledger_check import Checked, Defect, Progress
from reporter.store.ledger_check import verify as verify_chains

SEAL = m.table(m.Seal)
SEALED = m.table(m.SealedHead)
LEDGER = m.table(m.Line)
INCIDENT = m.table(m.Incident)
PAGE = 1_000
FIELDS = frozenset({"at", "hour", "incidents", "lines", "number", "prev", "root"})


class NotASeal(Exception):
    """What was handed over as a seal is none: why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True)
class KeptSeal:
    """A seal that somebody kept outside."""

    number: int
    at: str
    hash: str


async def verify(
    database: Database,
    incident: str | None = None,
    progress: Progress | None = None,
    kept: Iterable[KeptSeal] = (),
) -> Checked:
    """Checks every chain, then the seals over them, then the seals `kept` outside against those.

    Of one incident: its chain, and its lines against what the seals remember of them.
    """
    checked = await verify_chains(database, incident, progress)
    defects = list(checked.defects)
    async with database.snapshot() as connection:
        seals = await _seals(connection)
        defects += seals.defects
        walk = _Walk(is_whole=incident is None, last=max(seals.said, default=0))
        await walk.through(connection, incident)
        defects += walk.defects
        if incident is None:
            defects += _roots(seals.said, walk)
        defects += [found for each in kept if (found := _against(seals.hashes, each)) is not None]
    return Checked(checked.incidents, checked.lines, tuple(defects), len(seals.said))


def read_kept(text: str) -> list[KeptSeal]:
    """The seals in a file: one, a list, `{"items": […]}`, or one a line; each bare or within its CloudEvent.

    Errors: NotASeal for anything else, and for a seal that does not give its own hash.
    """
    return [_kept(each) for each in _documents(text)]


def _documents(text: str) -> list[Any]:
    try:
        whole = json.loads(text)
    except ValueError:
        try:
            whole = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as reason:
            raise NotASeal(f"不是 JSON：{reason}", f"it is not JSON: {reason}") from None
    if isinstance(whole, dict) and isinstance(whole.get("items"), list):
        whole = whole["items"]
    found = whole if isinstance(whole, list) else [whole]
    if not found:
        raise NotASeal("其中没有封印", "there is no seal in it")
    return found


def _kept(document: Any) -> KeptSeal:
    if isinstance(document, dict) and "specversion" in document:
        document = document.get("data")
    if not isinstance(document, dict) or not document.keys() >= FIELDS | {"hash"}:
        raise NotASeal("不是封印：字段不符", "it is not a seal: its fields are not those of one")
    told = {name: value for name, value in document.items() if name in FIELDS}
    try:
        digest = sha256(canonical(told)).hexdigest()
    except ValueError:
        digest = ""
    if digest != document["hash"] or not isinstance(document["number"], int):
        raise NotASeal(
            f"封印 {document['number']} 与其自身哈希不符：文件损坏或被改过",
            f"seal {document['number']} does not give its own hash: the file is damaged or was changed",
        )
    return KeptSeal(document["number"], str(document["at"]), digest)


def _against(hashes: dict[int, str], kept: KeptSeal) -> Defect | None:
    found = hashes.get(kept.number)
    if found == kept.hash:
        return None
    if found is None:
        last = max(hashes, default=0)
        return Defect(
            None,
            None,
            f"外存的封印 {kept.number}（{kept.at}）不在库中，库中封印到第 {last} 号："
            "此后的记录被抹去，或数据库是更旧的副本",
            f"the seal kept outside, of {kept.at}, is not here, where seals end at {last}: what came after was "
            "wiped out, or this database is an older copy",
            kept.number,
        )
    return Defect(
        None,
        None,
        f"与外存的同号封印（{kept.at}）不同：那以前的历史被改写",
        f"it is not the one kept outside, of {kept.at}: the history up to then was rewritten",
        kept.number,
    )


@dataclass(frozen=True, slots=True)
class _Seals:
    said: dict[int, dict[str, Any]]
    """What each readable seal says, by number."""
    hashes: dict[int, str]
    defects: list[Defect]


async def _seals(connection: AsyncConnection) -> _Seals:
    """Reads the chain of seals and checks each link."""
    found = _Seals({}, {}, [])
    number, prev = 0, GENESIS
    rows = await connection.execute(select(SEAL).order_by(SEAL.c.number))
    for row in rows:
        if row.number != number + 1:
            missing = f"{number + 1}" if row.number == number + 2 else f"{number + 1}–{row.number - 1}"
            zh, en = f"它前面的封印 {missing} 不见了", f"seal {missing} before it is missing"
            found.defects.append(Defect(None, None, zh, en, row.number))
        digest = sha256(row.text.encode()).hexdigest()
        if digest != row.hash:
            zh, en = "内容与其哈希不符：封印被改过", "its text does not give its hash: the seal was changed"
            found.defects.append(Defect(None, None, zh, en, row.number))
        said = _said(row.text)
        if said is None or said["number"] != row.number:
            zh, en = "内容不是封印应有的规范形式", "its text is not that of a seal, in canonical form"
            found.defects.append(Defect(None, None, zh, en, row.number))
        else:
            if row.number == number + 1 and said["prev"] != prev:
                zh, en = "所记的前一封印哈希不符", "its `prev` is not the hash of the seal before it"
                found.defects.append(Defect(None, None, zh, en, row.number))
            found.said[row.number] = said
        found.hashes[row.number] = digest
        number, prev = row.number, row.hash
    return found


def _said(text: str) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
        is_whole = isinstance(said, dict) and said.keys() == FIELDS and canonical(said) == text.encode()
    except ValueError:
        return None
    return said if is_whole else None


class _Walk:
    """Goes through the sealed heads in the order of incidents, and collects what the tree was in each seal."""

    def __init__(self, *, is_whole: bool, last: int) -> None:
        self._is_whole = is_whole
        self._last = last
        self.tree: Tree[History] = Tree(join_histories)
        self.defects: list[Defect] = []
        self.counts: dict[int, list[int]] = {}
        """By seal: by how much the numbers of incidents and of lines grew."""

    async def through(self, connection: AsyncConnection, incident: str | None) -> None:
        line = and_(LEDGER.c.number == INCIDENT.c.number, LEDGER.c.version == SEALED.c.version)
        wanted = (
            select(
                SEALED.c.incident_id,
                SEALED.c.version,
                SEALED.c.seal,
                SEALED.c.hash,
                LEDGER.c.hash.label("found"),
            )
            .outerjoin(INCIDENT, INCIDENT.c.id == SEALED.c.incident_id)
            .outerjoin(LEDGER, line)
            .order_by(SEALED.c.incident_id, SEALED.c.version)
        )
        if incident is not None:
            wanted = wanted.where(SEALED.c.incident_id == incident)
        rows = await connection.stream(wanted.execution_options(yield_per=PAGE))
        id_, history, before = "", History(), 0
        async for page in rows.partitions():
            for row in page:
                if row.incident_id != id_:
                    self._close(id_, history)
                    id_, history, before = row.incident_id, [], 0
                self._hold(row.incident_id, row.version, row.seal, row.hash.hex(), row.found)
                if row.found is not None:
                    history.append((row.seal, leaf(id_, row.version, row.found)))
                    grown = self.counts.setdefault(row.seal, [0, 0])
                    grown[0] += before == 0
                    grown[1] += row.version - before
                    before = row.version
        self._close(id_, history)

    def _hold(self, incident: str, version: int, seal: int, remembered: str, found: str | None) -> None:
        """Holds one line against what was sealed of it."""
        if found is None:
            zh = f"封印 {seal} 所封的第 {version} 行已不在台账：被删除"
            en = f"line {version}, sealed in seal {seal}, is no longer in the ledger: it was removed"
        elif found != remembered:
            zh = f"第 {version} 行不是封印 {seal} 所封的那一行：这一行或以前的行在封印后被换掉"
            en = f"line {version} is not the one sealed in seal {seal}: it, or one before it, was replaced since"
        elif seal > self._last:
            zh, en = (
                f"第 {version} 行由封印 {seal} 所封，而封印只到第 {self._last} 号：末尾的封印被删除",
                f"line {version} was sealed in seal {seal}, and seals end at {self._last}: later ones were removed",
            )
        else:
            return
        self.defects.append(Defect(incident, version, zh, en, seal))

    def _close(self, incident: str, history: History) -> None:
        if not history or not self._is_whole:
            return
        history.sort()
        try:
            self.tree.add(incident, history)
        except ValueError:
            zh, en = "不是事件的 id，却在封印记录中", "it is no incident's id, yet the sealed heads have it"
            self.defects.append(Defect(incident, None, zh, en))


def _roots(seals: dict[int, dict[str, Any]], walk: _Walk) -> list[Defect]:
    """The seals whose root or counts do not follow from the ledger: the first is named, the rest are counted."""
    derived = dict(walk.tree.root() or ())
    root, incidents, lines = EMPTY, 0, 0
    wrong = []
    for number in sorted(seals.keys() | derived.keys()):
        root = derived.get(number, root)
        grown = walk.counts.get(number, (0, 0))
        incidents, lines = incidents + grown[0], lines + grown[1]
        said = seals.get(number)
        if said is not None and (said["root"], said["incidents"], said["lines"]) != (
            root.hex(),
            incidents,
            lines,
        ):
            wrong.append((number, said, incidents, lines))
    if not wrong:
        return []
    number, said, incidents, lines = wrong[0]
    zh = (
        f"其根哈希不能由台账推出：封印于 {said['at']} 封 {said['incidents']} 起事件 {said['lines']} 行，"
        f"台账推得 {incidents} 起 {lines} 行；此前的内容被删、被换或被添"
    )
    en = (
        f"its root does not follow from the ledger: made at {said['at']} over {said['incidents']} incidents and "
        f"{said['lines']} lines, where the ledger gives {incidents} and {lines}; something was removed, replaced "
        "or slipped in before it"
    )
    if len(wrong) > 1:
        zh += f"（其后另有 {len(wrong) - 1} 枚封印同样不符）"
        en += f" (and so with {len(wrong) - 1} later seals)"
    return [Defect(None, None, zh, en, number)]
