"""What every channel keeps to: one suite, run on each of the folder; then what is the webhook's alone."""

import asyncio
import io
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reporter.channels import Channel, ChannelError, Receipt, close_channels, judge, judging, load_channels
from reporter.channels.console import Console
from reporter.channels.contract import NO_CHANNEL, Discerning
from reporter.channels.folder import channel_names
from reporter.core.terms import Mode, NoticeState
from reporter.settings import Settings, SettingsError
from reporter.values import Tables
from tests.contract.channelworld import AMPLE_S, a_message, failing
from tests.contract.hooks import Hooks, listening, said
from tests.contract.mailserver import posting

NAMES = channel_names()
MODEM = Path(__file__).with_name("modem.py")


@dataclass
class Stage:
    """A channel in a world where `address` works. `arrived` is what people saw; None: they see the board.

    `never`: addresses that can never work, as far as that can be told without sending.
    """

    channel: Channel
    address: str
    arrived: Callable[[], str] | None
    never: tuple[str, ...] = ()


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


@pytest.fixture(params=NAMES)
async def stage(request: pytest.FixtureRequest, hooks: Hooks, tmp_path: Path) -> AsyncIterator[Stage]:
    """Each channel of the folder. A new one needs a case here, and that is all that it needs."""
    async with posting() as post:
        tables: dict[str, object] = {
            "smtp": {
                "default": {
                    "host": "127.0.0.1", "port": post.port, "security": "none", "sender": "值班室 <d@r.example>"
                }
            },
            "dingtalk": {"ops": {"token": "t", "base_url": hooks.url("")}},
            "wecom_bot": {"ops": {"key": "k", "base_url": hooks.url("")}},
            "feishu": {"ops": {"token": "t", "base_url": hooks.url("")}},
            "sms": {"default": {"url": hooks.url("/sms"), "body": '{"text": "{{ text }}"}'}},
            "command": {
                "default": {
                    "program": sys.executable, "args": [str(MODEM), str(tmp_path / "sent"), "{target}"], "at_once": 16
                }
            },
        }  # fmt: skip
        settings = Settings(webhook_timeout_s=AMPLE_S, channels=Tables(tables))
        channel: Channel = load_channels(settings)[request.param]
        hooks.answers |= {"/robot/send": said({"errcode": 0}), "/cgi-bin/webhook/send": said({"errcode": 0})}
        hooks.answers["/open-apis/bot/v2/hook/t"] = said({"code": 0})
        terminal = io.StringIO()
        match request.param:
            case "desk":
                staged = Stage(channel, "", None)
            case "console":
                channel = Console(terminal)
                staged = Stage(channel, "", terminal.getvalue)
            case "webhook":
                staged = Stage(channel, hooks.url(), hooks.bodies, ("opps", "http://:80/", "http://a:99999/"))
            case "smtp":
                staged = Stage(
                    channel,
                    "li@x.example",
                    lambda: "".join(str(m["subject"]) for m in post.letters),
                    ("li", "li@x..example", "opps/li@x.example"),
                )
            case "dingtalk":
                staged = Stage(channel, "ops", lambda: hooks.bodies("markdown", "text"), ("opps", "opps@all"))
            case "wecom_bot":
                staged = Stage(channel, "ops", lambda: hooks.bodies("markdown", "content"), ("opps",))
            case "feishu":
                staged = Stage(
                    channel, "ops", lambda: hooks.bodies("content", "post", "zh_cn", "title"), ("opps",)
                )
            case "sms":
                staged = Stage(
                    channel, "13800000000", lambda: hooks.bodies("text"), ("abc", "opps/13800000000", "")
                )
            case "command":
                staged = Stage(
                    channel,
                    "13800000000",
                    lambda: read_all(tmp_path / "sent"),
                    ("--help", "opps/13800000000"),
                )
            case "apprise":
                staged = Stage(
                    channel,
                    f"json://127.0.0.1:{hooks.port}/x",
                    lambda: hooks.bodies("title"),
                    ("opps", "syslog://", "://x"),
                )
            case name:
                pytest.fail(f"the channel {name} has no stage in this suite")
        yield staged
        await close_channels([channel])


def read_all(folder: Path) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in folder.iterdir())


async def test_its_name_is_what_addresses_begin_with(stage: Stage) -> None:
    assert re.fullmatch("[a-z][a-z0-9_-]{0,31}", stage.channel.name)
    assert stage.channel.name in NAMES


async def test_what_is_sent_gets_a_receipt(stage: Stage) -> None:
    receipt = await stage.channel.send(a_message(stage.address))

    assert receipt.state in {NoticeState.ACCEPTED, NoticeState.DELIVERED}
    if stage.arrived:
        assert "超时 东街道 初报 / Deadline passed" in stage.arrived()


@pytest.mark.parametrize(("mode", "mark"), [(Mode.EXERCISE, "【演练】"), (Mode.TEST, "【测试】")])
async def test_a_drill_is_marked_wherever_it_arrives(stage: Stage, mode: Mode, mark: str) -> None:
    await stage.channel.send(a_message(stage.address, mode=mode))

    if stage.arrived:
        assert f"{mark}超时" in stage.arrived()


async def test_many_may_be_under_way_at_once(stage: Stage) -> None:
    messages = [a_message(stage.address, id_=f"n-{number}") for number in range(60)]

    receipts = await asyncio.gather(*map(stage.channel.send, messages))

    assert len(receipts) == 60
    if stage.arrived:
        assert stage.arrived().count("Deadline passed") == 60


async def test_a_sending_may_be_cancelled_and_the_next_one_arrives(stage: Stage) -> None:
    with suppress(TimeoutError):  # the desk is done before it can be cancelled
        async with asyncio.timeout(0):
            await stage.channel.send(a_message(stage.address))

    await stage.channel.send(a_message(stage.address, id_="n-2"))


async def test_an_address_that_can_never_work_is_known_before_and_fails_so(stage: Stage) -> None:
    flaw_of = judge({stage.channel.name: stage.channel})
    assert flaw_of(f"{stage.channel.name}:{stage.address}") is None
    assert isinstance(stage.channel, Discerning) == bool(stage.never)
    for address in stage.never:
        error = await failing(stage.channel, a_message(address))
        assert (flaw_of(f"{stage.channel.name}:{address}"), error.permanent) == (str(error), True)


async def test_addresses_of_a_roster_are_judged_by_the_accounts_there_are() -> None:
    tables = {"webhook": {"ops": {"url": "https://h.example/"}}, "dingtalk": {"group": {"token": "hidden"}}}
    async with judging(Settings(channels=Tables(tables))) as flaw_of:
        assert {each: flaw_of(each) for each in (
            "desk", "webhook:ops", "webhook:opps", "https://h.example/x", "dingtalk:group@all", "dingtalk:gruop",
            "dingtalk:Token-Of-Somebody", "sms:138", "apprise+syslog://hidden",
        )} == {
            "desk": None,
            "webhook:ops": None,
            "webhook:opps": "no account [channels.webhook.opps] in the settings",
            "https://h.example/x": None,
            "dingtalk:group@all": None,
            "dingtalk:gruop": "no account [channels.dingtalk.gruop] in the settings",
            "dingtalk:Token-Of-Somebody": "no account [channels.dingtalk.…] in the settings",
            "sms:138": NO_CHANNEL,
            "apprise+syslog://hidden": "syslog:// has no place here",
        }  # fmt: skip


async def test_without_accounts_that_can_be_read_nothing_is_judged() -> None:
    with pytest.raises(SettingsError):
        async with judging(Settings(channels=Tables({"webhook": {"ops": {"uri": "https://h.example/"}}}))):
            pytest.fail("these accounts are wrong")


def test_a_channel_that_fails_to_judge_gives_no_address_up(caplog: pytest.LogCaptureFixture) -> None:
    class Confused(Console):
        def flaw_of(self, address: str) -> str | None:
            raise RuntimeError(address)

    flaw_of = judge({"console": Confused()})

    assert [flaw_of("console"), flaw_of("console")] == [None, None]
    assert caplog.text.count("the channel console cannot tell") == 1


def test_a_channel_that_needs_an_account_and_has_none_is_not_there() -> None:
    assert sorted(load_channels(Settings())) == ["apprise", "console", "desk", "webhook"]


def test_a_receipt_says_accepted_or_delivered() -> None:
    with pytest.raises(ValueError, match="ChannelError"):
        Receipt(NoticeState.FAILED)


async def test_a_terminal_obeys_nothing_that_came_from_outside() -> None:
    terminal = io.StringIO()
    console = Console(terminal)

    await console.send(replace(a_message(), subject="爆燃\x1b[2J\n第二行"))

    assert terminal.getvalue() == "爆燃\N{REPLACEMENT CHARACTER}[2J 第二行 → 李东\n"


async def test_a_closed_terminal_is_worth_another_try() -> None:
    terminal = io.StringIO()
    terminal.close()

    with pytest.raises(ChannelError) as caught:
        await Console(terminal).send(a_message())
    assert not caught.value.permanent
