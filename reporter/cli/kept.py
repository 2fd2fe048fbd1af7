"""What the doctor looks at in the database: is it whole, is it durable, is it guarded, sealed and backed up."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.cli.doctor import Finding, Health
from reporter.store import attachments, copies
from reporter.store.checkup import durability, integrity, missing_guards
from reporter.store.filebox import FOLDER, FileBox
from reporter.store.seals import Last, last_seal

SEAL_AGE_MAX = timedelta(hours=2)
BACKUP_AGE_MAX = timedelta(days=2)


async def kept(
    connection: AsyncConnection, kind: str, data_dir: Path, now: datetime, zone: str
) -> list[Finding]:
    """Everything about how the database keeps what it is given."""
    findings = [*_whole(await integrity(connection)), *_durable(await durability(connection))]
    findings += await _attached(await attachments.digests(connection), data_dir)
    findings.append(_guarded(await missing_guards(connection)))
    findings.append(_sealed(await last_seal(connection), now, zone))
    findings.append(_backed_up(copies.last_noted(data_dir), kind, now, zone))
    return findings


def _whole(damage: list[str]) -> Iterator[Finding]:
    if damage:
        told = "; ".join(damage[:3])
        yield Finding(
            "database.integrity",
            Health.WRONG,
            f"数据库已损坏：{told}。停止服务，保留原件，用 `reporter db restore` 恢复备份",
            f"the database is damaged: {told}. Stop the service, keep the file as it is, and restore a backup "
            "with `reporter db restore`",
        )
    else:
        yield Finding("database.integrity", Health.GOOD, "完好", "whole")


def _durable(weak: list[str]) -> Iterator[Finding]:
    if weak:
        told = "; ".join(weak)
        yield Finding(
            "database.durability",
            Health.WRONG,
            f"断电会丢失已确认的事件：{told}",
            f"a power cut may lose events already acknowledged: {told}",
        )
    else:
        yield Finding("database.durability", Health.GOOD, "每次提交均落盘", "every commit is synced")


async def _attached(named: list[str], data_dir: Path) -> list[Finding]:
    """Nothing where no file was ever handed in."""
    if not named:
        return []
    folder = data_dir / FOLDER
    lacking = await FileBox(folder, 0).lacking(named)
    if lacking:
        return [
            Finding(
                "attachments",
                Health.WRONG,
                f"{folder} 中缺 {len(lacking)} 个附件（共 {len(named)} 个），如 {lacking[0]}："
                "从备份的 .attachments 目录复制回来；若几台服务共用该目录，检查是否已挂载",
                f"{len(lacking)} of {len(named)} attachments are not in {folder}, such as {lacking[0]}: copy them back "
                "from a backup's .attachments; where services share that folder, see that it is mounted",
            )
        ]
    return [Finding("attachments", Health.GOOD, f"{len(named)} 个均在", f"all {len(named)} are there")]


def _guarded(missing: list[str]) -> Finding:
    if missing:
        told = ", ".join(missing)
        return Finding(
            "database.guards",
            Health.WRONG,
            f"只增表失去了保护（缺触发器 {told}），可能有人改过：运行 `reporter ledger verify` 并与外存封印对照",
            f"tables that only grow have lost their guard (no trigger {told}), and somebody may have changed them: "
            "run `reporter ledger verify`, also --against a seal kept elsewhere",
        )
    return Finding("database.guards", Health.GOOD, "台账与封印只增不改", "ledger and seals can only grow")


def _sealed(last: Last, now: datetime, zone: str) -> Finding:
    if last.at is None:
        return Finding(
            "seal",
            Health.UNKNOWN,
            "尚无封印：服务启动后每小时封印一次，也可运行 `reporter ledger seal`",
            "no seal yet: a running service makes one every hour, and so does `reporter ledger seal`",
        )
    when = _local(last.at, zone)
    if now - last.at > SEAL_AGE_MAX:
        return Finding(
            "seal",
            Health.WARNING,
            f"最近一次封印在 {when}：服务没有在运行，或封印失败，看它的日志",
            f"the last seal is of {when}: the service is not running, or sealing fails: see its log",
        )
    return Finding("seal", Health.GOOD, f"封印 {last.number}，{when}", f"seal {last.number} of {when}")


def _backed_up(last: tuple[datetime, str] | None, kind: str, now: datetime, zone: str) -> Finding:
    if last is None and kind == "postgresql":
        return Finding(
            "backup",
            Health.UNKNOWN,
            "此处没有 `reporter db backup` 的记录；若用别的办法备份，请自行确认",
            "no `reporter db backup` is known here; if you back up another way, see to it that it runs",
        )
    if last is None:
        return Finding(
            "backup", Health.WARNING, "从未备份：运行 `reporter db backup FILE`",
            "never backed up: run `reporter db backup FILE`",
        )  # fmt: skip
    at, file = last
    when = _local(at, zone)
    if now - at > BACKUP_AGE_MAX:
        return Finding(
            "backup", Health.WARNING, f"最近一次备份在 {when}（{file}）：运行 `reporter db backup FILE`",
            f"the last backup is of {when} ({file}): run `reporter db backup FILE`",
        )  # fmt: skip
    return Finding("backup", Health.GOOD, f"{when}，{file}", f"{when}, {file}")


def _local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
