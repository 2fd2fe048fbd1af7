"""What the doctor looks at, one function each; none of them changes anything."""

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: the broker's configuration as it answers it
from zoneinfo import ZoneInfo

import nats
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from sqlalchemy.exc import SQLAlchemyError

from reporter.bus import (
    DUPLICATE_WINDOW_S,
    KEPT_S,
    STREAM_IN,
    STREAM_OUT,
    SUBJECTS_IN,
    SUBJECTS_OUT,
)
from reporter.busclient import Access, access_of
from reporter.channels import close_channels, load_channels
from reporter.cli.doctor import Finding, Health
from reporter.cli.kept import kept
from reporter.cli.machine import machine
from reporter.cli.reach import findings_of, lost_people
from reporter.cli.schedules import catalog_of
from reporter.cli.trouble import Trouble
from reporter.core.instants import parse
from reporter.embedded import EmbeddedNatsError, find_program
from reporter.settings import Settings, SettingsError
from reporter.store.checkup import (
    live_people,
    live_tokens,
    roster_gaps,
    schema_differences,
    units_without_phone,
)
from reporter.store.database import SQLITE_FILE, Database, open_database
from reporter.store.schema import REVISION, SchemaMismatch, revision
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client

    from reporter.core.roster import UnitTree
    from reporter.core.standin import Gap

CONNECT_S = 3
GAP_DAYS = 7
GAPS_SHOWN = 12
CLOCKS_APART_S_MAX = 1.0
STREAMS = {STREAM_IN: SUBJECTS_IN, STREAM_OUT: SUBJECTS_OUT}


async def examine(settings: Settings) -> list[Finding]:
    """Everything, in the order in which it has to work."""
    findings = list(_folder(settings.data_dir, is_sqlite=settings.database is None))
    findings += await _database(settings)
    findings += await _broker(settings)
    findings.append(_schedules(settings))
    findings.append(await _channels(settings))
    return findings


def _folder(folder: Path, *, is_sqlite: bool) -> Iterator[Finding]:
    name = "data_dir"
    if not folder.is_dir():
        there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
        if os.access(there, os.W_OK):
            yield Finding(
                name,
                Health.WARNING,
                f"{folder} 尚不存在，首次运行时创建",
                f"{folder} is not there yet: made at first start",
            )
        else:
            yield Finding(
                name, Health.WRONG, f"{folder} 无法创建：{there} 不可写", f"{folder}: {there} is not writable"
            )
        folder = there
    elif not os.access(folder, os.W_OK):
        yield Finding(
            name, Health.WRONG, f"{folder} 不可写", f"{folder} is not writable: give it to the service's user"
        )
    else:
        yield Finding(name, Health.GOOD, str(folder), str(folder))
    yield from machine(folder, is_sqlite=is_sqlite)


async def _database(settings: Settings) -> list[Finding]:
    name = "database"
    file = settings.data_dir / SQLITE_FILE
    if settings.database is None and not file.is_file():
        return [
            Finding(
                name,
                Health.WRONG,
                f"没有 {file}：运行 `reporter db upgrade` 或 `reporter serve`",
                f"there is no {file}: run `reporter db upgrade` or `reporter serve`",
            )
        ]
    try:
        database = open_database(settings.database, settings.data_dir)
        try:
            return await _opened(database, settings)
        finally:
            await database.close()
    except (SQLAlchemyError, SchemaMismatch, OSError) as reason:
        first = str(reason).splitlines()[0]
        return [Finding(name, Health.WRONG, f"打不开：{first}", f"cannot be opened: {first}")]


async def _opened(database: Database, settings: Settings) -> list[Finding]:
    from reporter.store.people import load_tree

    now = SystemTime().now()
    found = await revision(database)
    async with database.snapshot() as connection:
        missing = await schema_differences(connection)
        if missing or found != REVISION:
            listing = ", ".join(missing) or f"{REVISION} ({found})"
            return [
                Finding(
                    "database",
                    Health.WRONG,
                    f"结构不符，缺 {listing}：运行 `reporter db upgrade`",
                    f"its schema lacks {listing}: run `reporter db upgrade`",
                )
            ]
        tree = await load_tree(connection)
        gaps = await roster_gaps(connection, now, now + timedelta(days=GAP_DAYS))
        silent = await units_without_phone(connection)
        told = await kept(connection, database.kind, settings.data_dir, now, settings.zone)
        lost = await lost_people(connection, settings, now)
        tokens, people = await live_tokens(connection), await live_people(connection)
    where = str(database.path or database.url.render_as_string())
    findings = [Finding("database", Health.GOOD, where, where), *told]
    findings += _phones(silent)
    findings += _rosters(tree, gaps, now, settings.zone)
    findings += findings_of(lost)
    if tokens or people:
        zh = f"{people} 个人员账号，{tokens} 个有效令牌"
        en = f"{people} accounts of people, {tokens} valid tokens"
        findings.append(Finding("tokens", Health.GOOD, zh, en))
    else:
        findings.append(
            Finding(
                "tokens",
                Health.WRONG,
                "没有账号，无人能登录：打开 `reporter serve` 打印的链接，"
                "或运行 `reporter account create 登录名 --role admin`",
                "no account, so nobody can sign in: open the link that `reporter serve` prints, "
                "or run `reporter account create LOGIN --role admin`",
            )
        )
    return findings


def _phones(silent: list[str]) -> Iterator[Finding]:
    if silent:
        names = ", ".join(silent[:GAPS_SHOWN]) + (", …" if len(silent) > GAPS_SHOWN else "")
        yield Finding(
            "phones",
            Health.WARNING,
            f"单位没有电话：{names}。补入单位表后运行 `reporter unit import`",
            f"units without a phone: {names}. Add it to the file of units, then `reporter unit import`",
        )


def _rosters(tree: "UnitTree", gaps: "list[Gap]", now: datetime, zone: str) -> Iterator[Finding]:
    """Who is on duty now, and the gaps to come. A hole at the root now is wrong: nobody is above."""
    holes = [gap for gap in gaps if gap.starts_at <= now]
    at_root = [gap for gap in holes if gap.unit == tree.root]
    names = ", ".join(f"{gap.unit}.{gap.role.value}" for gap in holes[:GAPS_SHOWN])
    if len(holes) > GAPS_SHOWN:
        names += ", …"
    if at_root:
        yield Finding(
            "on_duty",
            Health.WRONG,
            f"此刻无人值班：{names}。根单位无人，通知只到值班台：运行 `reporter roster import`",
            f"nobody on duty now: {names}. With nobody at the root, notices reach the desk only: "
            "run `reporter roster import`",
        )
    elif holes:
        yield Finding(
            "on_duty", Health.WARNING, f"此刻无人值班，将逐级上报：{names}", f"nobody on duty now: {names}"
        )
    else:
        yield Finding("on_duty", Health.GOOD, "各单位此刻均有人值班", "every unit has somebody on duty now")
    later = [gap for gap in gaps if gap.starts_at > now]
    local = ZoneInfo(zone)
    spans = [
        f"{gap.unit}.{gap.role.value} "
        + " – ".join(f"{at.astimezone(local):%m-%d %H:%M}" for at in (gap.starts_at, gap.ends_at))
        for gap in later[:GAPS_SHOWN]
    ]
    if later:
        listing = "; ".join(spans) + ("; …" if len(later) > GAPS_SHOWN else "")
        yield Finding(
            "rosters",
            Health.WARNING,
            f"今后 {GAP_DAYS} 天值班表有空缺：{listing}",
            f"gaps in the next {GAP_DAYS} days: {listing}",
        )
    elif not holes:
        yield Finding(
            "rosters", Health.GOOD, f"今后 {GAP_DAYS} 天无空缺", f"no gap in the next {GAP_DAYS} days"
        )


async def _broker(settings: Settings) -> list[Finding]:
    if settings.nats is None:
        try:
            program = find_program()
        except EmbeddedNatsError as reason:
            return [Finding("nats", Health.WRONG, f"内置消息服务器：{reason}", f"embedded broker: {reason}")]
        good = Finding("nats", Health.GOOD, f"内置消息服务器 {program}", f"embedded broker {program}")
        url = f"nats://127.0.0.1:{settings.nats_port}"
        running = await _connected(url, Access(), _streams) if settings.nats_port else None
        return [good, *(running or ())]
    shown = Settings(nats=settings.nats)
    try:
        access = access_of(settings)
    except SettingsError as wrong:
        return [Finding("nats", Health.WRONG, str(wrong), str(wrong))]
    found = await _connected(settings.nats, access, _streams)
    if found is None:
        where = repr(shown)[repr(shown).index("nats=") + 5 :].split(",")[0].strip("'")
        return [
            Finding(
                "nats",
                Health.WRONG,
                f"连不上 {where}：检查地址、凭据与网络",
                f"{where} cannot be reached: check address, credentials and network",
            )
        ]
    return [
        Finding("nats", Health.GOOD, "消息服务器可达", "the broker answers"),
        *found,
        Finding(
            "nats.sync",
            Health.WARNING,
            "外部消息服务器是否逐条落盘（sync_interval: always）无法远程得知："
            "请在其配置中确认，否则断电会丢失已确认的事件",
            "whether the broker syncs every write (sync_interval: always) cannot be read from here: "
            "check its configuration, or a power cut may lose events already acknowledged",
        ),
    ]


async def _connected(
    url: str, access: Access, look: "Callable[[Client], Awaitable[list[Finding]]]"
) -> list[Finding] | None:
    """What `look` finds, or None if no broker answers at `url`."""
    try:
        async with _client(url, access) as client:
            return await look(client)
    except (NatsError, OSError, TimeoutError):
        return None


@asynccontextmanager
async def _client(url: str, access: Access) -> "AsyncIterator[Client]":
    async def quiet(_reason: Exception) -> None:
        """The verb says itself what went wrong."""

    client = await nats.connect(
        url.split(","),
        connect_timeout=CONNECT_S,
        allow_reconnect=False,
        max_reconnect_attempts=1,  # at first too the client would try 60 times, for two minutes
        reconnect_time_wait=0.1,
        error_cb=quiet,
        name="reporter-doctor",
        **access.options,
    )
    try:
        yield client
    finally:
        await client.close()


async def _streams(client: "Client") -> list[Finding]:
    findings = await _clocks_apart(client)
    for stream, subject in STREAMS.items():
        name = f"nats.{stream}"
        try:
            config = (await client.jetstream(timeout=CONNECT_S).stream_info(stream)).config
        except NotFoundError:
            findings.append(
                Finding(
                    name, Health.WARNING, "尚未创建，服务启动时创建", "not there yet: the service creates it"
                )
            )
            continue
        odd = differences(stream, subject, config)
        health = Health.WARNING if odd else Health.GOOD
        zh = "与建议不同：" + "; ".join(odd) if odd else "配置相符"
        findings.append(Finding(name, health, zh, "differs: " + "; ".join(odd) if odd else "as it should be"))
    return findings


async def _clocks_apart(client: "Client") -> list[Finding]:
    """How far the broker's clock is from ours, by the middle of one round trip; nothing where it does not say."""
    time = SystemTime()
    asked_at = time.now()
    answer = await client.request(f"$JS.API.STREAM.INFO.{STREAM_IN}", b"", timeout=CONNECT_S)
    answered_at = time.now()
    stamp = json.loads(answer.data).get("ts")
    if stamp is None:
        return []
    apart_s = abs((parse(stamp) - (asked_at + (answered_at - asked_at) / 2)).total_seconds())
    if apart_s <= CLOCKS_APART_S_MAX:
        return [
            Finding("nats.clock", Health.GOOD, f"与本机相差 {apart_s:.3f} 秒", f"{apart_s:.3f} s from ours")
        ]
    return [
        Finding(
            "nats.clock",
            Health.WARNING,
            f"消息服务器的钟与本机相差 {apart_s:.1f} 秒，接报时间由它记：两边都要同步 NTP",
            f"the broker's clock is {apart_s:.1f} s from ours, and it stamps what is received: keep both on NTP",
        )
    ]


def differences(stream: str, subject: str, config: Any) -> list[str]:  # Any: nats-py's, all of it optional
    """What of a stream's configuration is weaker than ours: `storage=memory, expected file`."""
    odd = []
    if subject not in (config.subjects or ()):
        odd.append(f"subjects={config.subjects}, expected {subject}")
    if config.storage != "file":
        odd.append(f"storage={config.storage}, expected file")
    if config.max_age and config.max_age < KEPT_S:
        odd.append(f"max_age={config.max_age:g} s, expected at least {KEPT_S} s")
    if stream == STREAM_IN and config.duplicate_window and config.duplicate_window > DUPLICATE_WINDOW_S:
        odd.append(f"duplicate_window={config.duplicate_window:g} s, expected {DUPLICATE_WINDOW_S} s")
    for name in ("max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size"):
        limit = getattr(config, name, None)
        if limit is not None and limit > 0:
            odd.append(f"{name}={limit}, expected none: messages would be dropped or refused")
    if config.retention and config.retention != "limits":
        odd.append(f"retention={config.retention}, expected limits")
    if config.no_ack or config.sealed:
        odd.append(f"no_ack={config.no_ack}, sealed={config.sealed}, expected neither")
    return odd


def _schedules(settings: Settings) -> Finding:
    try:
        catalog = catalog_of(settings)
    except Trouble as trouble:
        return Finding("schedules", Health.WRONG, trouble.zh, trouble.en)
    ids = ", ".join(catalog.schedules)
    return Finding("schedules", Health.GOOD, ids, ids)


async def _channels(settings: Settings) -> Finding:
    """Whether every account can be used as it is written; whether anything arrives, `channel test` says."""
    try:
        channels = load_channels(settings)
    except SettingsError as wrong:
        listing = "; ".join(wrong.problems)
        return Finding("channels", Health.WRONG, f"渠道账户有误：{listing}", f"accounts are wrong: {listing}")
    await close_channels(channels.values())
    names = ", ".join(sorted(channels))
    return Finding("channels", Health.GOOD, names, names)
