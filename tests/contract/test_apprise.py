"""Apprise: its word taken for what it is, its addresses kept out of every log, its threads bounded."""

import logging
from collections.abc import AsyncIterator

import pytest

from reporter.channels.apprise import Apprise
from reporter.core.terms import NoticeState
from tests.contract.channelworld import TIMEOUT_S, a_message, failing, opened
from tests.contract.hooks import Hooks, listening, status


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


async def test_an_account_keeps_its_address_out_of_the_roster(hooks: Hooks) -> None:
    url = f"json://user:hidden-word@127.0.0.1:{hooks.port}/x"

    async with opened("apprise", ops={"url": url, "timeout_s": 10}) as channel:
        receipt = await channel.send(a_message("ops"))

    assert (receipt.state, receipt.detail) == (NoticeState.ACCEPTED, "by Apprise, unproved")
    assert hooks.asked[0].document["title"] == "超时 东街道 初报 / Deadline passed, initial report"


async def test_a_failure_is_tried_again_and_no_log_tells_the_address(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    hooks.answers["/hidden-path"] = status(500)
    caplog.set_level(logging.DEBUG)

    async with opened("apprise", ops={"url": "json://h", "timeout_s": 10}) as channel:
        error = await failing(
            channel, a_message(f"json://user:hidden-word@127.0.0.1:{hooks.port}/hidden-path")
        )

    assert not error.permanent
    assert "hidden" not in caplog.text + str(error)


@pytest.mark.parametrize(
    "address", ["nosuchscheme://x", "syslog://", "dingtalk://token", "json://", "json://a b"]
)
async def test_what_is_no_address_is_for_good(address: str) -> None:
    async with opened("apprise", ops={"url": "json://h", "timeout_s": 10}) as channel:
        assert (await failing(channel, a_message(address))).permanent


async def test_who_never_answers_costs_the_time_limit(hooks: Hooks) -> None:
    hooks.answers["/x"] = None

    async with opened("apprise", webhook_timeout_s=TIMEOUT_S) as channel:
        assert isinstance(channel, Apprise)
        error = await failing(channel, a_message(f"json://127.0.0.1:{hooks.port}/x"))

    assert (error.permanent, str(error)) == (False, "no answer within 0.5 s")
