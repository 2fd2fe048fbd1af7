"""What every channel keeps to: one suite, run on each of the folder; then what is the webhook's alone."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from reporter.channels import Channel, ChannelError, Message, Receipt, close_channels, load_channels
from reporter.channels.console import Console
from reporter.channels.webhook import ANSWER_BYTES_MAX, Webhook
from reporter.core.terms import Mode, NoticeReason, NoticeState
from reporter.settings import Settings
from tests.contract.hooks import OK, Hooks, listening, status

NAMES = sorted(load_channels(Settings()))
TIMEOUT_S = 0.5


def a_message(address: str = "", *, mode: Mode = Mode.ACTUAL, id_: str = "n-1") -> Message:
    return Message(
        id=id_,
        mode=mode,
        reason=NoticeReason.BREACH,
        subject="超时 东街道 初报 / Deadline passed, initial report",
        text="时限已过。\n\nThe deadline has passed.\n",
        to="unit.duty_officer",
        person="李东",
        address=address,
        payload={"notice": id_, "title": "爆燃", "due_at": None},
    )


@dataclass
class Stage:
    """A channel in a world where `address` works. `arrived` is what people saw; None: they see the board."""

    channel: Channel
    address: str
    arrived: Callable[[], str] | None


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


@pytest.fixture(params=NAMES)
async def stage(request: pytest.FixtureRequest, hooks: Hooks) -> AsyncIterator[Stage]:
    """Each channel of the folder. A new one needs a line here, and that is all that it needs."""
    channel: Channel = load_channels(Settings(webhook_timeout_s=TIMEOUT_S))[request.param]
    terminal = io.StringIO()
    match request.param:
        case "desk":
            staged = Stage(channel, "", None)
        case "console":
            channel = Console(terminal)
            staged = Stage(channel, "", terminal.getvalue)
        case "webhook":
            staged = Stage(
                channel, hooks.url(), lambda: "".join(asked.body.decode() for asked in hooks.asked)
            )
        case name:
            pytest.fail(f"the channel {name} has no stage in this suite")
    yield staged
    await close_channels([channel])


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


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    channel = Webhook(TIMEOUT_S)
    yield channel
    await channel.close()


async def failing(webhook: Webhook, url: str) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        await webhook.send(a_message(url))
    return caught.value


async def test_a_webhook_gets_json_with_the_notices_id_and_the_second(webhook: Webhook, hooks: Hooks) -> None:
    await webhook.send(a_message(hooks.url("/x?y=z"), id_="n-7"))
    await webhook.send(a_message(hooks.url("/x?y=z"), id_="n-7"))

    first, second = hooks.asked
    assert first.path == "/x?y=z"
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "n-7"
    assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
    assert first.headers["content-type"] == "application/json"
    assert first.document["title"] == "爆燃"
    assert str(first.document["subject"]).startswith("超时")
    assert hooks.connections == 1


@pytest.mark.parametrize("code", [200, 201, 202, 204])
async def test_success_is_accepted_and_no_more(webhook: Webhook, hooks: Hooks, code: int) -> None:
    hooks.answers["/"] = status(code)

    assert (await webhook.send(a_message(hooks.url()))).state is NoticeState.ACCEPTED


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 413, 422])
async def test_what_the_other_side_will_never_take_is_permanent(
    webhook: Webhook, hooks: Hooks, code: int
) -> None:
    hooks.answers["/"] = status(code)

    error = await failing(webhook, hooks.url())

    assert error.permanent
    assert str(error) == f"HTTP {code}"


@pytest.mark.parametrize("code", [302, 307, 408, 425, 429, 500, 502, 503])
async def test_what_may_pass_is_tried_again(webhook: Webhook, hooks: Hooks, code: int) -> None:
    hooks.answers["/"] = status(code)

    assert not (await failing(webhook, hooks.url())).permanent


async def test_a_redirect_is_not_followed(webhook: Webhook, hooks: Hooks) -> None:
    hooks.answers["/"] = status(307, f"location: {hooks.url('/elsewhere')}")

    await failing(webhook, hooks.url())

    assert hooks.about("/elsewhere") == []


async def test_who_never_answers_costs_the_time_limit_and_is_tried_again(
    webhook: Webhook, hooks: Hooks
) -> None:
    hooks.answers["/"] = None
    started = time.monotonic()

    error = await failing(webhook, hooks.url())

    assert not error.permanent
    assert time.monotonic() - started < TIMEOUT_S + 1


async def test_who_drips_an_endless_answer_is_cut_off(webhook: Webhook, hooks: Hooks) -> None:
    hooks.answers["/"] = b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + b"x" * (2 * ANSWER_BYTES_MAX)
    hooks.answers["/more"] = OK

    assert (await webhook.send(a_message(hooks.url()))).state is NoticeState.ACCEPTED
    await webhook.send(a_message(hooks.url("/more")))


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
async def test_who_speaks_no_http_is_tried_again(webhook: Webhook, hooks: Hooks, answer: bytes) -> None:
    hooks.answers["/"] = answer

    assert not (await failing(webhook, hooks.url())).permanent


async def test_nobody_listening_is_tried_again(webhook: Webhook) -> None:
    assert not (await failing(webhook, "http://127.0.0.1:9/")).permanent


@pytest.mark.parametrize("url", ["ftp://a.example/", "https://", "nonsense"])
async def test_what_is_no_web_address_is_permanent(webhook: Webhook, url: str) -> None:
    assert (await failing(webhook, url)).permanent


async def test_an_error_does_not_tell_the_password_in_an_address(webhook: Webhook) -> None:
    assert "secret" not in str(await failing(webhook, "http://user:secret@127.0.0.1:9/?key=secret"))


async def test_proxies_of_the_environment_are_not_used(
    webhook: Webhook, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    await webhook.send(a_message(hooks.url()))

    assert len(hooks.asked) == 1


async def test_cookies_are_not_kept(webhook: Webhook, hooks: Hooks) -> None:
    hooks.answers["/"] = status(200, "set-cookie: a=b; path=/")

    await webhook.send(a_message(hooks.url()))
    await webhook.send(a_message(hooks.url()))

    assert "cookie" not in hooks.asked[1].headers
