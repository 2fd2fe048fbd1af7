"""What ails the service, in short sentences for people: made from the checks of `/readyz` and from nothing else."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from reporter.core.instants import read_back

Check = Mapping[str, object]
Checks = Mapping[str, Check]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that people at the desk should know.

    `code` is a word that stays the same; `zh` and `en` one sentence each; `since` the product's instant from which
    it has been so, where that is known; `is_grave`: deadlines or reports are concerned now, and somebody has to act.
    """

    code: str
    zh: str
    en: str
    since: datetime | None
    is_grave: bool = False


def troubles_of(checks: Checks) -> tuple[Trouble, ...]:
    """The troubles that these checks tell of, the grave ones first; empty when all is well."""
    is_broker_away = not checks.get("nats", {"ok": True})["ok"]
    found = [
        trouble
        for name, tell in _TELLERS.items()
        if (check := checks.get(name)) is not None
        for trouble in tell(check)
        if not (is_broker_away and trouble.code == "intake")  # the one explains the other
    ]
    return tuple(sorted(found, key=lambda trouble: not trouble.is_grave))


_WRITES = {
    "locked": (
        "数据库被其他程序占用，暂不能写入",
        "Another program holds the database: nothing can be written",
    ),
    "full": ("磁盘已满，不能写入", "The disk is full: nothing can be written"),
    "read_only": ("数据库为只读，不能写入", "The database is read-only: nothing can be written"),
    "lost": ("数据库连接中断，不能写入", "The connection to the database is lost: nothing can be written"),
    "other": ("数据库不接受写入", "The database takes no writes"),
}
_KEPT = ("；总线消息保留待收，请先电话处置", "; messages are kept on the bus meanwhile, use the telephone")


def _database(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        yield _trouble(check, "database", "数据库不可用", "The database cannot be used", is_grave=True)


def _writes(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        zh, en = _WRITES[str(check["reason"])]
        yield _trouble(check, f"writes_{check['reason']}", zh + _KEPT[0], en + _KEPT[1], is_grave=True)


def _nats(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        yield _trouble(
            check,
            "broker",
            "消息总线中断：登记、计时、通知照常，总线消息恢复后补收",
            "The broker is away: desk, clocks and notices work; messages wait until it is back",
        )


def _intake(check: Check) -> Iterator[Trouble]:
    restarted = check.get("restarted")
    if not check["ok"]:
        yield _trouble(check, "intake", "消息接收停滞", "No messages are being taken in", is_grave=True)
    elif isinstance(restarted, Mapping) and restarted["reason"] != "broker":
        yield Trouble(
            "intake_restarted",
            "消息接收曾中断，已自动重启",
            "The intake had stopped and was started anew",
            read_back(str(restarted["at"])),
        )


def _clocks(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        yield _trouble(check, "clocks", "计时判定已停止", "Deadlines are not being looked at", is_grave=True)


def _backlog(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        yield _trouble(
            check,
            "backlog",
            "正在补读积压消息，判定稍候",
            "Messages that waited are being read; judgements wait for them",
        )


def _sending(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        yield _trouble(
            check,
            "sending",
            "通知发送进程未运行，通知暂不能送出，请用电话通知",
            "The process that sends notices is not running: notices wait, use the telephone",
            is_grave=True,
        )


def _outbox(check: Check) -> Iterator[Trouble]:
    if not check["ok"]:
        yield _trouble(
            check,
            "outbox",
            "部分记录发不到消息总线，正在重试；登记、计时、通知照常",
            "Some facts cannot be published to the broker and are tried again; desk, clocks and notices work",
        )


def _deadlines(check: Check) -> Iterator[Trouble]:
    if check["ok"]:
        return
    if check["reason"] == "late":
        late = f"{check['oldest_s']:.0f}"
        yield _trouble(
            check,
            "deadlines_late",
            f"判定滞后 {late} 秒",
            f"Judging is {late} seconds behind",
            is_grave=True,
        )
    else:
        yield _trouble(
            check,
            "audit_stopped",
            "自查已停止，判定是否滞后不明",
            "The self-audit has stopped: whether judging is behind is not known",
            is_grave=True,
        )


def _clock(check: Check) -> Iterator[Trouble]:
    if check.get("reason") == "skew":
        apart = f"{abs(int(str(check['skew_ms']))) / 1000:.1f}"
        yield _trouble(
            check,
            "clock_skew",
            f"本机与消息总线的时钟相差 {apart} 秒",
            f"Our clock and the broker's are {apart} seconds apart",
            is_grave=True,
        )
    if isinstance(jump := check.get("jump"), Mapping):
        yield Trouble(
            "clock_jump",
            f"系统时钟跳变 {jump['by_s']:+.0f} 秒",
            f"The machine's clock jumped by {jump['by_s']:+.0f} seconds",
            read_back(str(jump["at"])),
        )
    if isinstance(still := check.get("standstill"), Mapping):
        yield Trouble(
            "standstill",
            f"服务曾停顿 {still['span_s']:.0f} 秒，已继续",
            f"The service had stood still for {still['span_s']:.0f} seconds",
            read_back(str(still["at"])),
        )


_NAMED_MAX = 3
"""Accounts of one channel that are named, those that have failed longest; of more, only how many they are."""


def _channels(check: Check) -> Iterator[Trouble]:
    """One trouble for each channel, whichever of its accounts it is, so that a dead network is no page of banners."""
    failing, by_channel = check.get("failing"), dict[str, list[tuple[datetime, str, Check]]]()
    for name, said in failing.items() if isinstance(failing, Mapping) else ():
        by_channel.setdefault(said["channel"], []).append((read_back(said["since"]), name, said))
    for channel, found in by_channel.items():
        found.sort(key=lambda each: each[:2])
        zh, en = [], []
        for _, name, said in found[:_NAMED_MAX]:
            worked = str(said["last_success_at"] or "—")[:16].replace("T", " ")
            zh.append(f"{name} 连续 {said['failures']} 次发送失败（上次成功 {worked} UTC）")
            en.append(f"{name} has failed {said['failures']} times in a row (last worked {worked} UTC)")
        if more := len(found) - len(zh):
            zh.append(f"另有 {more} 个")
            en.append(f"and {more} more")
        yield Trouble(
            f"channel_{channel}",
            f"渠道 {'；'.join(zh)}",
            f"The channel {'; '.join(en)}",
            found[0][0],
            is_grave=True,
        )


_TELLERS: Mapping[str, Callable[[Check], Iterator[Trouble]]] = {
    "database": _database,
    "writes": _writes,
    "clocks": _clocks,
    "deadlines": _deadlines,
    "intake": _intake,
    "nats": _nats,
    "backlog": _backlog,
    "outbox": _outbox,
    "sending": _sending,
    "clock": _clock,
    "channels": _channels,
}


def _trouble(check: Check, code: str, zh: str, en: str, *, is_grave: bool = False) -> Trouble:
    since = check.get("since")
    return Trouble(code, zh, en, None if since is None else read_back(str(since)), is_grave)
