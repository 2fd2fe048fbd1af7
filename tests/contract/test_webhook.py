"""What is the webhook's alone: signatures, and every way in which the other side may fail."""

import hmac
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from reporter.channels import ChannelError, load_channels
from reporter.channels.contract import Bounded
from reporter.channels.posting import ANSWER_BYTES_MAX, IDLE_MAX, postable
from reporter.channels.webhook import Webhook, signature
from reporter.core.terms import NoticeState
from reporter.settings import Settings, SettingsError
from reporter.values import Tables
from tests.contract.channelworld import AMPLE_S, TIMEOUT_S, a_message, opened
from tests.contract.channelworld import failing as failing_with
from tests.contract.hooks import OK, Hooks, listening, status
from tests.contract.mailserver import TLS

OLD = "whsec_" + b64encode(b"o" * 32).decode()
NEW = "whsec_" + b64encode(b"n" * 32).decode()


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    channel = Webhook(AMPLE_S)
    yield channel
    await channel.close()


async def failing(webhook: Webhook, url: str) -> ChannelError:
    return await failing_with(webhook, a_message(url))


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


@pytest.mark.parametrize("answer", [status(200), b"HTTP/1.1 204 No Content\r\n\r\n", OK])
async def test_a_short_answer_leaves_the_connection_for_the_next_notice(
    webhook: Webhook, hooks: Hooks, answer: bytes
) -> None:
    hooks.answers["/"] = answer

    for _ in range(3):
        await webhook.send(a_message(hooks.url()))

    assert hooks.connections == 1


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


async def test_who_never_answers_costs_the_time_limit_and_is_tried_again(hooks: Hooks) -> None:
    hooks.answers["/"] = None

    async with opened("webhook", webhook_timeout_s=TIMEOUT_S) as channel:
        error = await failing_with(channel, a_message(hooks.url()))

    assert (error.permanent, str(error)) == (False, "no answer within 0.5 s")


async def test_an_account_has_its_own_time_limit_and_the_channel_promises_the_longest(hooks: Hooks) -> None:
    hooks.answers["/"] = None
    short, plain = ({"url": hooks.url(), **more} for more in ({"timeout_s": 0.3}, {}))
    of_rosters = {"timeout_s": 0.4}

    async with opened(
        "webhook", webhook_timeout_s=0.2, short=short, plain=plain, default=of_rosters, long={"timeout_s": 90}
    ) as channel:
        told = [
            str(await failing_with(channel, a_message(address)))
            for address in ("short", "plain", hooks.url())
        ]
        assert isinstance(channel, Bounded)
        assert channel.timeout_s == 90

    assert told == [f"no answer within {limit_s} s" for limit_s in (0.3, 0.2, 0.4)]


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


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "https://",
        "nonsense",
        "http:///x",
        "http://a:99999/",
        "http://a b/",
        'http://a"b/',
        "http://a%b/",
    ],
)
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


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/a%2Fb%2D?sign=x%2By%3D&t=1+2#f", "/a%2Fb%2D?sign=x%2By%3D&t=1+2"),
        ("/值?k=班", "/%E5%80%BC?k=%E7%8F%AD"),
        ("/a b", "/a%20b"),
    ],
)
async def test_an_address_goes_out_as_it_stands(
    webhook: Webhook, hooks: Hooks, path: str, arrives: str
) -> None:
    await webhook.send(a_message(hooks.url(path)))

    assert [asked.path for asked in hooks.asked] == [arrives]


async def test_a_certificate_of_an_authority_of_ones_own_holds_once_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")

    async with listening(context) as secure:
        url = f"https://localhost:{secure.port}/"
        async with opened("webhook") as stranger:
            error = await failing_with(stranger, a_message(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
        async with opened("webhook") as friend:
            await friend.send(a_message(url))

    assert not error.permanent
    assert len(secure.asked) == 1


async def test_an_authority_that_cannot_be_read_is_told_and_tried_again(
    webhook: Webhook, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    error = await failing(webhook, hooks.url())
    monkeypatch.delenv("SSL_CERT_FILE")

    assert (error.permanent, "certificates" in str(error)) == (False, True)
    await webhook.send(a_message(hooks.url()))


@pytest.mark.parametrize(
    ("where", "goes_to"),
    [
        ("u:p@例子.localhost:8080", "u:p@xn--fsqu00a.localhost:8080"),
        ("例子.localhost", "xn--fsqu00a.localhost"),
    ],
)
def test_a_host_in_chinese_is_asked_for_in_the_letters_of_the_net(where: str, goes_to: str) -> None:
    assert postable(f"https://{where}/x") == f"https://{goes_to}/x"


async def test_an_answer_with_trailers_is_an_answer(webhook: Webhook, hooks: Hooks) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
    hooks.answers["/"] = head + b"2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"

    assert (await webhook.send(a_message(hooks.url()))).state is NoticeState.ACCEPTED


@pytest.mark.parametrize("damage", ["-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "nothing"])
async def test_certificates_that_are_none_are_told_and_tried_again(
    webhook: Webhook, hooks: Hooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "ca.pem").write_text(damage)
    (tmp_path / "folder").mkdir()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    error = await failing(webhook, hooks.url())

    assert (error.permanent, "certificates" in str(error)) == (False, True)


async def test_of_many_hosts_only_some_keep_connections_open(webhook: Webhook) -> None:
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(listening()) for _ in range(IDLE_MAX + 4)]
        for host in (*hosts, *hosts):
            await webhook.send(a_message(host.url()))

        assert sum(host.connections for host in hosts) >= len(hosts) + 4


async def test_cookies_are_not_kept(webhook: Webhook, hooks: Hooks) -> None:
    hooks.answers["/"] = status(200, "set-cookie: a=b; path=/")

    await webhook.send(a_message(hooks.url()))
    await webhook.send(a_message(hooks.url()))

    assert "cookie" not in hooks.asked[1].headers


def test_the_signature_is_the_one_of_the_published_vector() -> None:
    """The vector that the reference libraries of Standard Webhooks are tested with."""
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_receiver_by_name_is_signed_for_with_every_secret(hooks: Hooks) -> None:
    async with opened("webhook", ops={"url": hooks.url("/ops"), "secrets": [NEW, OLD]}) as channel:
        await channel.send(a_message("ops"))
        await channel.send(a_message(hooks.url("/bare")))

    (asked,) = hooks.about("/ops")
    signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    made = [part.removeprefix("v1,") for part in asked.headers["webhook-signature"].split(" ")]
    assert [b64decode(each) for each in made] == [
        hmac.digest(key * 32, signed, "sha256") for key in (b"n", b"o")
    ]
    (bare,) = hooks.about("/bare")
    assert "webhook-signature" not in bare.headers


async def test_the_default_account_signs_for_addresses_of_the_roster(hooks: Hooks) -> None:
    async with opened("webhook", default={"secrets": [NEW]}) as channel:
        await channel.send(a_message(hooks.url()))

    assert hooks.asked[0].headers["webhook-signature"].startswith("v1,")


async def test_links_go_along_where_there_are_any(hooks: Hooks, webhook: Webhook) -> None:
    await webhook.send(
        replace(a_message(hooks.url()), link="https://r.example/i", ack_url="https://r.example/a")
    )
    await webhook.send(a_message(hooks.url()))

    first, second = (asked.document for asked in hooks.asked)
    assert (first["link"], first["ack_url"]) == ("https://r.example/i", "https://r.example/a")
    assert "link" not in second and "ack_url" not in second


@pytest.mark.parametrize("secret", ["whsec_short", "whsec_not base64!", b64encode(b"x" * 10).decode()])
def test_a_secret_that_cannot_sign_is_a_mistake_of_the_settings(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_channels(Settings(channels=Tables({"webhook": {"ops": {"secrets": [secret]}}})))

    assert "channels.webhook.ops.secrets.0" in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(("said", "least", "most"), [("7", 7, 7), ("99999999", 3600, 3600), ("soon", 0, 0)])
async def test_who_asks_for_a_pause_is_heard(
    webhook: Webhook, hooks: Hooks, said: str, least: float, most: float
) -> None:
    hooks.answers["/"] = status(429, f"retry-after: {said}")

    error = await failing(webhook, hooks.url())

    assert not error.permanent
    assert least <= error.retry_after_s <= most


async def test_a_pause_may_be_asked_for_by_date(webhook: Webhook, hooks: Hooks) -> None:
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    hooks.answers["/"] = status(503, f"retry-after: {at}")

    assert 90 < (await failing(webhook, hooks.url())).retry_after_s <= 100
