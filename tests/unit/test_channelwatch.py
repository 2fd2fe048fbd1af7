"""What fails twice in a row is told on the board, by account or host, until that one works again; it is kept."""

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any  # stand-ins

import pytest

from reporter.channels import Channel, close_channels, load_channels
from reporter.channels.contract import ByAccount
from reporter.core.notice import NoticeResult, result
from reporter.core.terms import NoticeState
from reporter.engine import channelwatch
from reporter.engine.channelwatch import ChannelWatch, name_of, parts_of
from reporter.engine.heartbeat import tidy
from reporter.engine.troubles import troubles_of
from reporter.health import Health
from reporter.settings import Settings
from reporter.store import channelstates
from reporter.store.channelstates import KEPT, NAME_CHARS_MAX, Faring
from reporter.values import Tables
from tests.contract.hooks import status
from tests.unit.factories import a_taken_notice
from tests.unit.noticeworld import NOW, World, eventually, running

ROBOT = {"token": "t"}
GATEWAY = {"url": "https://sms.example/"}
ACCOUNTS = Tables(
    {
        "webhook": {"ops": {"url": "https://ops.example/"}, "other": {"url": "https://other.example/"}},
        "dingtalk": {"ops-group": ROBOT},
        "feishu": {"ops-group": ROBOT},
        "wecom_bot": {"ops-group": {"key": "k"}},
        "sms": {"default": GATEWAY, "second": GATEWAY},
        "smtp": {"default": {"host": "mail.example", "sender": "duty@r.example"}},
        "command": {"default": {"program": "/bin/true"}},
        "apprise": {"phones": {"url": "tgram://token/1"}},
    }
)


@pytest.fixture
async def channels() -> AsyncIterator[dict[str, Channel]]:
    found = load_channels(Settings(channels=ACCOUNTS))
    yield found
    await close_channels(found.values())


async def faring(world: World) -> dict[str, Faring]:
    async with world.database.snapshot() as connection:
        return {each.channel: each for each in await channelstates.load(connection)}


async def alarms(world: World) -> list[str]:
    return sorted(name for name, each in (await faring(world)).items() if each.failures >= 2)


def came(channel: str, address: str, failure: str | None = None, *, permanent: bool = False) -> NoticeResult:
    """What came of a sending there."""
    notice = a_taken_notice("n", address)._replace(channel=channel)
    if failure is None:
        return result(notice, NoticeState.ACCEPTED, "HTTP 200")
    if permanent:
        return result(notice, NoticeState.FAILED, failure)
    return result(notice, NoticeState.QUEUED, failure, NOW)


async def test_two_failures_in_a_row_are_kept_with_the_last_success(
    world: World, channels: dict[str, Channel]
) -> None:
    watch = ChannelWatch(world.database, world.time, channels)
    await watch.note("sms:default", None)
    await watch.save()
    world.time.advance(timedelta(minutes=1))
    await watch.note("sms:default", "HTTP 500")
    world.time.advance(timedelta(minutes=1))
    await watch.note("sms:default", "HTTP 502")
    await watch.save()

    assert (await faring(world))["sms:default"] == Faring(
        "sms:default", 2, NOW + timedelta(minutes=1), "HTTP 502", NOW, NOW + timedelta(minutes=2)
    )

    after_restart = ChannelWatch(world.database, world.time, channels)
    await after_restart.note("sms:default", None)
    await after_restart.save()
    assert (await faring(world))["sms:default"].failures == 0


@pytest.mark.parametrize(
    ("channel", "dead", "well", "name"),
    [
        ("webhook", "ops", "other", "webhook:ops"),
        (
            "webhook",
            "https://dead.example/x?key=hidden",
            "https://well.example/",
            "webhook https://dead.example",
        ),
        ("sms", "138", "second/139", "sms:default"),
        ("dingtalk", "gone@138", "ops-group", "dingtalk:gone"),
    ],
)
async def test_a_dead_one_is_told_however_well_another_of_its_channel_works_and_until_it_works_itself(
    world: World, channels: dict[str, Channel], channel: str, dead: str, well: str, name: str
) -> None:
    watch = ChannelWatch(world.database, world.time, channels)
    told = []
    for _ in range(50):
        await watch.came([came(channel, dead, "HTTP 500")])
        await watch.came([came(channel, well)])
        told.append(await alarms(world))

    assert told == [[], *[[name]] * 49]

    await watch.came([came(channel, dead)])
    assert await alarms(world) == []


async def test_a_recipient_that_can_never_be_reached_makes_no_alarm_of_an_account_that_works(
    world: World, channels: dict[str, Channel]
) -> None:
    watch = ChannelWatch(world.database, world.time, channels)
    for _ in range(10):
        await watch.came([came("smtp", "nobody@x.example", "550 unknown", permanent=True)])
        await watch.came([came("smtp", "li@x.example")])
        assert await alarms(world) == []


async def test_what_comes_back_since_the_sending_process_ended_is_no_failure(
    world: World, channels: dict[str, Channel]
) -> None:
    watch = ChannelWatch(world.database, world.time, channels)

    await watch.came([came("webhook", "ops", "it ended")._replace(tells_of_channel=False)] * 9)

    assert await faring(world) == {}


@pytest.mark.parametrize(
    ("channel", "address", "name"),
    [
        ("console", "", "console"),
        ("webhook", "ops", "webhook:ops"),
        (
            "webhook",
            "HTTPS://user:hidden@Hook.Example:8443/hidden?hidden#hidden",
            "webhook https://hook.example:8443",
        ),
        ("webhook", "http://[::1]:80/hidden", "webhook http://[::1]:80"),
        ("webhook", "https://例子.example/hidden", "webhook https://xn--fsqu00a.example"),
        ("webhook", "https://hid den/", "webhook:…"),
        ("webhook", "https://h:hidden/", "webhook:…"),
        ("smtp", "hidden@x.example", "smtp:default"),
        ("smtp", "second/hidden@x.example", "smtp:second"),
        ("sms", "13800000000", "sms:default"),
        ("sms", "HIDDEN/13800000000", "sms:…"),
        ("command", "slow/13800000000", "command:slow"),
        ("dingtalk", "ops-group@13800000000@all", "dingtalk:ops-group"),
        ("wecom_bot", "ops-group@13800000000", "wecom_bot:ops-group"),
        ("feishu", "ops-group@ou_hidden", "feishu:ops-group"),
        ("dingtalk", "HIDDEN", "dingtalk:…"),
        ("apprise", "phones", "apprise:phones"),
        ("apprise", "tgram://hidden/hidden", "apprise tgram://…"),
        ("apprise", "hid den://hidden", "apprise:…"),
    ],
)
def test_it_is_named_without_what_may_be_secret(
    channels: dict[str, Channel], channel: str, address: str, name: str
) -> None:
    found = channels[channel]

    account = found.account_of(address) if isinstance(found, ByAccount) else ""

    assert name_of(channel, account) == name
    assert parts_of(name) == (channel, account)


async def test_a_long_host_is_cut_to_what_the_table_holds_and_taken_for_no_other(
    world: World, channels: dict[str, Channel]
) -> None:
    watch = ChannelWatch(world.database, world.time, channels)
    host = ".".join(["a" * 60] * 3)

    await watch.came([came("webhook", f"https://{host}.{end}/") for end in ("cn", "example")])

    names = list(await faring(world))
    assert len(set(names)) == 2
    assert {len(each) for each in names} == {NAME_CHARS_MAX}
    assert all(each.startswith("webhook https://aaaa") for each in names)


async def test_of_so_many_only_those_heard_of_last_are_kept(
    world: World, channels: dict[str, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channelwatch, "KEPT_MAX", 3)
    watch = ChannelWatch(world.database, world.time, channels)

    for number in (0, 1, 2, 0, 3):
        world.time.advance(timedelta(seconds=1))
        await watch.came([came("webhook", f"https://{number}.example/", "HTTP 500")])

    assert sorted(await faring(world)) == [f"webhook https://{number}.example" for number in (0, 2, 3)]

    monkeypatch.setattr(channelwatch, "KEPT_MAX", 2)
    await ChannelWatch(world.database, world.time, channels).came([])
    assert sorted(await faring(world)) == [f"webhook https://{number}.example" for number in (0, 3)]


async def test_what_nothing_can_be_sent_through_any_more_is_forgotten_at_the_start(world: World) -> None:
    stays = {"console", "sms:default", "webhook https://hook.example", "webhook:ops", "webhook:…"}
    before = {"sms", "webhook"}  # as versions before this one counted
    gone = {"sms:gone", "console:x", "pigeon", "pigeon:one"}
    async with world.database.transaction() as connection:
        stored = [Faring(name, 7, NOW, "HTTP 500") for name in stays | before | gone]
        await channelstates.save(connection, stored)

    async def forgotten() -> bool:
        return (await faring(world)).keys() == stays

    async with running(world.notifier(accounts=ACCOUNTS)):
        await eventually(forgotten)


async def test_what_has_not_been_used_for_long_is_forgotten(world: World) -> None:
    old, late = NOW - KEPT - timedelta(seconds=1), NOW - KEPT
    async with world.database.transaction() as connection:
        stored = [
            Faring("sms:a", 7, old, "HTTP 500", None, old),
            Faring("sms:b", 0, None, None, old, None),
            Faring("sms:c", 7, old, "HTTP 500", old, late),
            Faring("sms:d", 0, None, None, late, old),
        ]
        await channelstates.save(connection, stored)

    await tidy(world.gate)

    assert sorted(await faring(world)) == ["sms:c", "sms:d"]


async def test_the_checks_name_it_and_so_does_the_board(world: World, channels: dict[str, Channel]) -> None:
    watch = ChannelWatch(world.database, world.time, channels)
    await watch.came([came("webhook", "other"), came("webhook", "https://dead.example/hidden")])
    world.time.advance(timedelta(minutes=1))
    for address in ("ops", "https://dead.example/hidden"):
        await watch.came([came("webhook", address, "HTTP 500")] * 2)
    bus: Any = SimpleNamespace(is_connected=True)
    loop: Any = None  # of an engine that is not there

    checks = await Health(world.database, bus, loop, loop, loop, world.time, frozenset({"desk"})).checks()

    assert checks["channels"]["ok"] is True
    assert checks["channels"]["last_success_at"] == {"webhook": "2026-11-23T06:00:00.000000Z"}
    failing: Any = checks["channels"]["failing"]
    assert failing.keys() == {"webhook:ops", "webhook https://dead.example"}
    assert failing["webhook https://dead.example"] == {
        "channel": "webhook",
        "failures": 2,
        "since": "2026-11-23T06:01:00.000000Z",
        "reason": "HTTP 500",
        "last_success_at": "2026-11-23T06:00:00.000000Z",
    }
    [trouble] = troubles_of(checks)
    assert (trouble.code, trouble.is_grave) == ("channel_webhook", True)
    assert "webhook:ops 连续 2 次发送失败" in trouble.zh
    assert (
        "webhook https://dead.example has failed 2 times in a row (last worked 2026-11-23 06:00 UTC)"
        in trouble.en
    )
    assert "hidden" not in str(checks)


async def test_the_loop_tells_of_what_it_sends(world: World) -> None:
    world.hooks.answers["/"] = status(500)
    await world.add(2, "webhook", world.hooks.url())
    name = name_of("webhook", world.hooks.url("").rstrip("/"))

    async def failing() -> bool:
        return (found := (await faring(world)).get(name)) is not None and found.failures == 2

    async def working() -> bool:
        return (await faring(world))[name].failures == 0

    async with running(world.notifier()):
        await eventually(failing)
        world.hooks.answers.clear()
        world.time.advance(timedelta(seconds=5))
        await eventually(working)
    assert (await faring(world))[name].last_success_at == NOW + timedelta(seconds=5)


async def test_a_channel_that_hangs_holds_up_no_other_and_opens_no_more_than_its_bound(world: World) -> None:
    world.hooks.answers["/hangs"] = None
    await world.add(200, "webhook", world.hooks.url("/hangs"))
    await world.add(40, "webhook", world.hooks.url("/well"))
    await world.add(1, "console")

    async def others() -> bool:
        return await world.states(channel="console") == ["delivered"] and set(
            await world.states(address=world.hooks.url("/well"))
        ) == {"accepted"}

    async with running(world.notifier(send_timeout_s=30)):
        await eventually(others, within_s=10)
        assert len(world.hooks.about("/hangs")) <= 8
        assert world.hooks.connections <= 32
