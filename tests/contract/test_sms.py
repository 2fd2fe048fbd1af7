"""SMS gateways: whatever their interface, nothing a notice says can leave its place in address, header or body."""

import asyncio
import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, quote
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.channels import load_channels
from reporter.channels.gateway import ESCAPES, Medium, template
from reporter.core.terms import NoticeState
from reporter.settings import Settings, SettingsError
from reporter.values import Tables
from tests.contract.channelworld import AMPLE_S, TIMEOUT_S, a_message, failing, opened
from tests.contract.hooks import Hooks, listening, said, status

EVIL = '爆燃", "to": "1"}&to=2\r\nX-Evil: 1<b>\\ {{ secret }}'
KEY = "key-of-the-test"


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


def gateway(hooks: Hooks, **more: object) -> dict[str, object]:
    return {
        "url": hooks.url("/send"),
        "body": '{"to": "{{ phone }}", "content": "{{ text }}"}',
        "timeout_s": AMPLE_S,
        **more,
    }


async def test_json_stays_json_whatever_the_text_holds(hooks: Hooks) -> None:
    async with opened("sms", default=gateway(hooks)) as channel:
        await channel.send(replace(a_message("+86 138-0000-0000"), short=EVIL))

    (asked,) = hooks.asked
    assert asked.headers["content-type"] == "application/json; charset=utf-8"
    assert asked.document == {"to": "+8613800000000", "content": EVIL}


async def test_a_form_and_an_address_stay_what_they_are(hooks: Hooks) -> None:
    account = gateway(
        hooks,
        form="form",
        url=hooks.url("/send?id={{ id }}&t={{ text }}"),
        body="to={{ phone }}&c={{ text }}",
    )
    async with opened("sms", default=account) as channel:
        await channel.send(replace(a_message("138", id_="a&b=c#d"), short=EVIL))

    (asked,) = hooks.asked
    assert asked.query == {"id": "a&b=c#d", "t": EVIL}
    assert parse_qs(asked.body.decode()) == {"to": ["138"], "c": [EVIL]}


async def test_a_header_stays_one_line(hooks: Hooks) -> None:
    account = gateway(hooks, headers={"X-Text": "{{ text | replace('爆燃', 'x') }}"})
    async with opened("sms", default=account) as channel:
        await channel.send(replace(a_message("138"), short=EVIL))

    assert "x-evil" not in hooks.asked[0].headers


async def test_xml_stays_xml(hooks: Hooks) -> None:
    account = gateway(hooks, form="xml", body='<m to="{{ phone }}">{{ text }}</m>')
    async with opened("sms", default=account) as channel:
        await channel.send(replace(a_message("138"), short='<a>&"'))

    assert Xml.fromstring(hooks.asked[0].body).text == '<a>&"'  # noqa: S314 - our own


async def test_a_request_is_signed_over_its_body(hooks: Hooks) -> None:
    account = gateway(
        hooks,
        secrets={"key": KEY},
        headers={
            "X-Time": "{{ timestamp }}",
            "X-Sign": "{{ base64(hmac_sha256(key, timestamp + '\\n' + body)) }}",
            "X-Digest": "{{ hex(md5(body)) }}",
        },
    )
    async with opened("sms", default=account) as channel:
        await channel.send(a_message("138"))

    (asked,) = hooks.asked
    signed = asked.headers["x-time"].encode() + b"\n" + asked.body
    assert asked.headers["x-sign"] == b64encode(hmac.digest(KEY.encode(), signed, "sha256")).decode()
    assert asked.headers["x-digest"] == hashlib.md5(asked.body, usedforsecurity=False).hexdigest()
    assert KEY not in asked.body.decode()


async def test_a_gateway_may_be_asked_by_get(hooks: Hooks) -> None:
    account = gateway(hooks, method="GET", url=hooks.url("/s?to={{ phone }}&c={{ text }}"), body="")
    async with opened("sms", default=account) as channel:
        await channel.send(a_message("138"))

    assert hooks.asked[0].query["c"].startswith("超时 东街道")
    assert hooks.asked[0].body == b""


JUDGED = {
    "ok_path": "result.code",
    "ok_values": ["0", "OK"],
    "id_path": "result.id",
    "message_path": "result.msg",
}


async def test_success_is_the_value_the_settings_name(hooks: Hooks) -> None:
    hooks.answers["/send"] = said({"result": {"code": 0, "id": "m-1"}})

    async with opened("sms", default=gateway(hooks, **JUDGED)) as channel:
        receipt = await channel.send(a_message("138"))

    assert (receipt.state, receipt.provider_id) == (NoticeState.ACCEPTED, "m-1")


@pytest.mark.parametrize(
    ("answer", "permanent", "told"),
    [
        (said({"result": {"code": "SIGN", "msg": "签名错误"}}), True, "SIGN 签名错误"),
        (said({"result": {"code": "BUSY", "msg": "流控"}}), False, "BUSY 流控"),
        (said({"result": {"code": "SIGN"}}, 401), True, "SIGN"),
        (said({"result": {"code": "0"}}, 503), False, "HTTP 503 0"),
        (status(403), True, "HTTP 403"),
        (status(429, "retry-after: 3"), False, "HTTP 429"),
        (said([]), False, "the gateway's answer is not the one of success"),
        (status(200, body=b'{"result": '), False, "the gateway's answer is not the one of success"),
        (status(200, body=b"<html>"), False, "the gateway's answer is not the one of success"),
        (None, False, "no answer within 0.5 s"),
    ],
)
async def test_any_other_answer_is_a_failure(
    hooks: Hooks, answer: bytes | None, permanent: bool, told: str
) -> None:
    hooks.answers["/send"] = answer

    timeout_s = TIMEOUT_S if answer is None else AMPLE_S
    account = gateway(hooks, never_values=["SIGN"], timeout_s=timeout_s, **JUDGED)
    async with opened("sms", default=account) as channel:
        error = await failing(channel, a_message("138"))

    assert (error.permanent, str(error)) == (permanent, told)


async def test_success_may_be_a_pattern(hooks: Hooks) -> None:
    async with opened("sms", default=gateway(hooks, ok_pattern=r"^0,\d+")) as channel:
        hooks.answers["/send"] = status(200, body=b"0,77")
        await channel.send(a_message("138"))
        hooks.answers["/send"] = status(200, body=b"-7,0,77")
        assert not (await failing(channel, a_message("138"))).permanent


@pytest.mark.parametrize("number", ["", "abc", "1", "138@x", "138\n139", "１３８００"])
async def test_what_is_no_number_is_for_good(hooks: Hooks, number: str) -> None:
    async with opened("sms", default=gateway(hooks)) as channel:
        assert (await failing(channel, a_message(number))).permanent

    assert hooks.asked == []


async def test_a_template_that_asks_for_what_there_is_not_is_for_good_and_tells_nothing(hooks: Hooks) -> None:
    account = gateway(hooks, secrets={"key": KEY}, body="{{ hmac_sha256(key, nothing) }} {{ key }}")
    async with opened("sms", default=account) as channel:
        error = await failing(channel, a_message("138"))

    assert error.permanent
    assert str(error) == "the gateway's templates cannot be filled: UndefinedError"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": "https://{{ phone }}"}, "url"),
        ({"body": "{{ text"}, "default"),
        ({"ok_path": "code"}, "default"),
        ({"ok_pattern": "("}, "ok_pattern"),
        ({"secret": KEY}, "secret"),
        ({"form": "url"}, "default"),
    ],
)
def test_a_gateway_that_cannot_work_is_a_mistake_of_the_settings(wrong: dict[str, object], path: str) -> None:
    account = {"url": "https://gateway.example/send", **wrong}

    with pytest.raises(SettingsError) as caught:
        load_channels(Settings(channels=Tables({"sms": {"default": account}})))

    assert path in str(caught.value) and KEY not in str(caught.value)


@given(st.text())
def test_every_medium_gives_back_what_was_put_in(text: str) -> None:
    assert json.loads(f'"{ESCAPES[Medium.JSON](text)}"') == text
    if text.isprintable():
        assert ESCAPES[Medium.URL](text) == quote(text, safe="")
        assert ESCAPES[Medium.HEADER](text) == text
    assert "\n" not in ESCAPES[Medium.HEADER](text) and "\r" not in ESCAPES[Medium.HEADER](text)


def test_a_template_runs_nothing_of_pythons() -> None:
    from jinja2.exceptions import SecurityError

    with pytest.raises(SecurityError):
        template("{{ ''.__class__.__mro__[1].__subclasses__() }}", Medium.JSON).render()


async def test_a_gateway_gets_no_more_at_once_than_it_takes_and_waiting_costs_no_time_of_the_sending() -> (
    None
):
    under_way, most = 0, []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        await reader.readuntil(b"\r\n\r\n")
        under_way += 1
        most.append(under_way)
        await asyncio.sleep(0.4)
        under_way -= 1
        writer.write(status(200, "connection: close"))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send"
        one, many = ({"url": url, "method": "GET", "timeout_s": 1.5, "at_once": n} for n in (1, 31))
        async with opened("sms", default=one, b=many) as channel:
            messages = (a_message("138", id_=f"n-{number}") for number in range(6))
            await asyncio.gather(*map(channel.send, messages))

    assert most == [1] * 6
