"""Mail, against a real server: encryption, log-in, and every kind of no."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic

import pytest

from reporter.channels import load_channels
from reporter.channels.contract import Bounded, Parted
from reporter.core.terms import Mode, NoticeState
from reporter.settings import Settings, SettingsError
from reporter.values import Tables
from tests.contract.channelworld import AMPLE_S, a_message, failing, opened
from tests.contract.mailserver import CERTIFICATE, PASSWORD, Post, posting


def server(post: Post, **more: object) -> dict[str, object]:
    return {
        "host": "127.0.0.1", "port": post.port, "sender": "值班室 <duty@r.example>", "timeout_s": AMPLE_S, **more
    }  # fmt: skip


def trusting(post: Post, **more: object) -> dict[str, object]:
    return server(post, ca_file=str(CERTIFICATE), **more)


@pytest.fixture
async def plain() -> AsyncIterator[Post]:
    async with posting() as post:
        yield post


async def test_a_letter_says_all_and_keeps_its_id(plain: Post) -> None:
    async with opened("smtp", default=server(plain, security="none")) as channel:
        first = await channel.send(a_message("li@x.example", mode=Mode.EXERCISE, id_="n-7"))
        await channel.send(a_message("li@x.example", id_="n-7"))

    letter, again = plain.letters
    assert first.state is NoticeState.ACCEPTED
    assert first.detail == "250 2.0.0 OK queued as 7KQF"
    assert letter["subject"] == "【演练】超时 东街道 初报 / Deadline passed, initial report"
    assert letter["from"] == "值班室 <duty@r.example>"
    assert (letter["to"], letter["auto-submitted"]) == ("li@x.example", "auto-generated")
    assert letter.get_content().startswith("【演练】时限已过。\r\n")
    assert letter["message-id"] == again["message-id"] == "<n-7@r.example>"


async def test_letters_go_out_encrypted_and_logged_in() -> None:
    async with (
        posting(starttls=True, auth=True) as post,
        opened("smtp", default=trusting(post, username="duty", password=PASSWORD)) as channel,
    ):
        await channel.send(a_message("li@x.example"))

    assert (post.logins, post.secured) == (["duty"], [True])


async def test_letters_go_out_by_tls_from_the_start() -> None:
    async with (
        posting(tls=True) as post,
        opened("smtp", default=trusting(post, security="tls")) as channel,
    ):
        await channel.send(a_message("li@x.example"))

    assert len(post.letters) == 1


async def test_a_wrong_password_is_for_good_and_is_not_told() -> None:
    async with posting(starttls=True, auth=True) as post:
        account = trusting(post, username="duty", password="wrong-password")
        async with opened("smtp", default=account) as channel:
            error = await failing(channel, a_message("li@x.example"))

    assert error.permanent
    assert str(error).startswith("535") and "wrong-password" not in str(error)


async def test_a_server_without_encryption_gets_nothing(plain: Post) -> None:
    async with opened("smtp", default=trusting(plain)) as channel:
        error = await failing(channel, a_message("li@x.example"))

    assert error.permanent
    assert plain.recipients == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_whose_certificate_does_not_hold_gets_nothing(security: str) -> None:
    async with (
        posting(starttls=security == "starttls", tls=security == "tls") as post,
        opened("smtp", default=server(post, security=security)) as channel,
    ):
        error = await failing(channel, a_message("li@x.example"))

    assert error.permanent, str(error)
    assert post.recipients == []


@pytest.mark.parametrize(
    ("to", "data", "permanent", "told"),
    [
        ("550 5.1.1 no such mailbox", "250 OK", True, "550 5.1.1 no such mailbox"),
        ("450 4.2.0 greylisted", "250 OK", False, "450 4.2.0 greylisted"),
        ("250 OK", "554 5.7.1 refused as spam", True, "554 5.7.1 refused as spam"),
        ("250 OK", "452 4.3.1 no room", False, "452 4.3.1 no room"),
    ],
)
async def test_5xx_is_for_good_and_4xx_may_pass(
    plain: Post, to: str, data: str, permanent: bool, told: str
) -> None:
    plain.to["li@x.example"], plain.data = to, data

    async with opened("smtp", default=server(plain, security="none")) as channel:
        error = await failing(channel, a_message("li@x.example"))

    assert (error.permanent, str(error)) == (permanent, told)


async def test_a_server_that_hangs_costs_the_time_limit_and_no_more(plain: Post) -> None:
    plain.hangs = True
    plain.hangs_at_quit = True

    async with opened("smtp", default=server(plain, security="none", timeout_s=1)) as channel:
        started_s = monotonic()
        error = await failing(channel, a_message("li@x.example"))
        took_s = monotonic() - started_s

    assert (error.permanent, str(error)) == (False, "no answer within 1 s")
    assert 1 <= took_s < 1.8


async def test_a_letter_that_was_taken_is_sent_whatever_comes_of_quit(plain: Post) -> None:
    plain.hangs_at_quit = True

    async with opened("smtp", default=server(plain, security="none", timeout_s=2)) as channel:
        started_s = monotonic()
        receipt = await channel.send(a_message("li@x.example"))
        took_s = monotonic() - started_s

    assert receipt.state is NoticeState.ACCEPTED
    assert took_s < 2
    assert len(plain.letters) == 1


async def test_one_who_is_cancelled_waits_for_no_quit(plain: Post) -> None:
    plain.hangs = True

    async with opened("smtp", default=server(plain, security="none")) as channel:
        started_s = monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await channel.send(a_message("li@x.example"))
        took_s = monotonic() - started_s

    assert plain.recipients
    assert took_s < 2


async def test_waiting_for_a_connection_costs_no_time_of_the_sending(plain: Post) -> None:
    plain.takes_s = 0.6
    account = server(plain, security="none", timeout_s=1.5, connections=2)

    async with opened("smtp", default=account) as channel:
        messages = (a_message("li@x.example", id_=f"n-{number}") for number in range(8))
        receipts = await asyncio.gather(*map(channel.send, messages))

    assert len(receipts) == len(plain.letters) == 8


async def test_the_channel_carries_what_its_servers_do(plain: Post) -> None:
    few, more = server(plain, connections=3), server(plain, connections=4)

    async with opened("smtp", default=few, backup=more) as channel:
        assert isinstance(channel, Bounded) and isinstance(channel, Parted)
        assert (channel.at_once, channel.timeout_s) == (7, AMPLE_S)
        assert channel.part("li@x.example") == channel.part("default/wang@x.example") == ("default", 3)
        assert channel.part("backup/li@x.example") == ("backup", 4)


async def test_one_that_hangs_up_and_one_that_is_not_there_are_tried_again() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    for gone in (False, True):
        if gone:
            listener.close()
            await listener.wait_closed()
        async with opened("smtp", default=server(Post(port), security="none")) as channel:
            assert not (await failing(channel, a_message("li@x.example"))).permanent


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b@c",
        "a b@x.example",
        "a@x.example\r\nRCPT TO:<b@x>",
        "@x",
        "",
        "a@x..example",
        "a..b@x.example",
    ],
)
async def test_what_is_no_mail_address_is_for_good(plain: Post, address: str) -> None:
    async with opened("smtp", default=server(plain, security="none")) as channel:
        assert (await failing(channel, a_message(address))).permanent

    assert plain.recipients == []


async def test_a_subject_cannot_add_headers(plain: Post) -> None:
    async with opened("smtp", default=server(plain, security="none")) as channel:
        await channel.send(replace(a_message("li@x.example"), subject="爆燃\r\nBcc: all@x.example\r\n"))

    assert plain.letters[0]["bcc"] is None
    assert plain.letters[0]["subject"] == "爆燃 Bcc: all@x.example"


async def test_another_account_is_named_before_the_address(plain: Post) -> None:
    async with opened("smtp", backup=server(plain, security="none")) as channel:
        await channel.send(a_message("backup/li@x.example"))
        error = await failing(channel, a_message("li@x.example"))

    assert plain.recipients == ["li@x.example"]
    assert error.permanent and "[channels.smtp.default]" in str(error)


def test_a_sender_that_is_none_is_a_mistake_of_the_settings() -> None:
    account = {"host": "h", "sender": "nobody", "password": "do-not-tell"}

    with pytest.raises(SettingsError) as caught:
        load_channels(Settings(channels=Tables({"smtp": {"default": account}})))

    assert "channels.smtp.default.sender" in str(caught.value)
    assert "do-not-tell" not in str(caught.value)
