"""The robots of chat groups, against servers that answer as each maker's documentation says theirs do."""

import hmac
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.channels import dingtalk, feishu
from reporter.channels.posting import ANSWER_BYTES_MAX
from reporter.channels.robots import cut, harmless, markdown
from reporter.core.terms import NoticeState
from tests.contract.channelworld import AMPLE_S, TIMEOUT_S, a_message, failing, opened
from tests.contract.hooks import Asked, Hooks, listening, said, status

TOKEN = "to/ken+1"
SECRET = "SEC-of-the-test"
ROBOTS = {
    "dingtalk": ({"token": TOKEN}, "/robot/send"),
    "wecom_bot": ({"key": TOKEN}, "/cgi-bin/webhook/send"),
    "feishu": ({"token": TOKEN}, "/open-apis/bot/v2/hook/to%2Fken%2B1"),
}


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with listening() as found:
        yield found


def refusing(robot: str, code: int, text: str) -> bytes:
    """HTTP 200 with that number, as the maker writes it."""
    return said({"code": code, "msg": text} if robot == "feishu" else {"errcode": code, "errmsg": text})


def robot_of(name: str, hooks: Hooks, **more: object) -> dict[str, object]:
    return {**ROBOTS[name][0], "base_url": hooks.url(""), "timeout_s": AMPLE_S, **more}


def judge_dingtalk(asked: Asked) -> bytes:
    """Checks as DingTalk does: token, then age and signature, then the keyword."""
    query = asked.query
    if query.get("access_token") != TOKEN:
        return said({"errcode": 300005, "errmsg": "token is not exist"})
    if abs(int(query["timestamp"]) / 1000 - time.time()) > 3600:
        return said({"errcode": 310000, "errmsg": "invalid timestamp"})
    signed = f"{query['timestamp']}\n{SECRET}".encode()
    if query["sign"] != b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode():
        return said({"errcode": 310000, "errmsg": "sign not match"})
    if "时限" not in json.dumps(asked.document, ensure_ascii=False):
        return said({"errcode": 310000, "errmsg": "keywords not in content"})
    return said({"errcode": 0, "errmsg": "ok"})


def judge_feishu(asked: Asked) -> bytes:
    """Checks as Feishu does: age and signature, then the keyword."""
    document = asked.document
    made = hmac.digest(f"{document['timestamp']}\n{SECRET}".encode(), b"", "sha256")
    fresh = abs(int(str(document["timestamp"])) - time.time()) < 3600
    if document["sign"] != b64encode(made).decode() or not fresh:
        text = "sign match fail or timestamp is not within one hour from current time"
        return said({"code": 19021, "msg": text})
    if "时限" not in json.dumps(document, ensure_ascii=False):
        return said({"code": 19024, "msg": "Key Words Not Found"})
    return said({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})


@pytest.mark.parametrize(("name", "judge"), [("dingtalk", judge_dingtalk), ("feishu", judge_feishu)])
async def test_a_signed_message_is_taken(name: str, judge: Callable[[Asked], bytes], hooks: Hooks) -> None:
    hooks.answers[ROBOTS[name][1]] = judge

    async with opened(name, ops=robot_of(name, hooks, secret=SECRET)) as channel:
        receipt = await channel.send(a_message("ops"))

    assert receipt.state is NoticeState.ACCEPTED


@pytest.mark.parametrize(
    ("name", "judge", "code"), [("dingtalk", judge_dingtalk, "310000"), ("feishu", judge_feishu, "19021")]
)
async def test_a_wrong_secret_is_for_good(
    name: str, judge: Callable[[Asked], bytes], code: str, hooks: Hooks
) -> None:
    hooks.answers[ROBOTS[name][1]] = judge

    async with opened(name, ops=robot_of(name, hooks, secret="another")) as channel:
        error = await failing(channel, a_message("ops"))

    assert error.permanent and str(error).startswith(code)


def test_the_signatures_are_those_of_the_makers_formulas() -> None:
    """Computed apart, with OpenSSL: `printf '1599360473000\\nSECabc' | openssl dgst -sha256 -hmac SECabc`."""
    assert dingtalk.sign("SECabc", 1599360473000) == DINGTALK_SIGN
    assert feishu.sign("demo", 1599360473) == FEISHU_SIGN


DINGTALK_SIGN = "3SJkK5Fm70JVVkwmvZFkgdPlr53Kn2utLHLz9DzuOSc="
FEISHU_SIGN = "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="


@pytest.mark.parametrize(
    ("name", "code", "text", "permanent", "pause_s"),
    [
        ("dingtalk", 310000, "keywords not in content", True, 0),
        ("dingtalk", 300005, "token is not exist", True, 0),
        ("dingtalk", 130101, "send too fast, exceed 20 times per minute", False, 60),
        ("dingtalk", -1, "系统繁忙", False, 1),
        ("dingtalk", 987654, "something new", False, 0),
        ("wecom_bot", 93000, "invalid webhook url, hint: [1]", True, 0),
        ("wecom_bot", 45009, "api freq out of limit", False, 60),
        ("wecom_bot", 40058, "invalid Request Parameter", True, 0),
        ("feishu", 19001, "param invalid: incoming webhook access token invalid", True, 0),
        ("feishu", 19024, "Key Words Not Found", True, 0),
        ("feishu", 11232, "frequency limited psm", False, 5),
    ],
)
async def test_http_200_is_no_success_the_number_in_the_body_says(
    name: str, code: int, text: str, permanent: bool, pause_s: float, hooks: Hooks
) -> None:
    hooks.answers[ROBOTS[name][1]] = refusing(name, code, text)

    async with opened(name, ops=robot_of(name, hooks)) as channel:
        error = await failing(channel, a_message("ops"))

    assert (error.permanent, error.retry_after_s) == (permanent, pause_s)
    assert str(error) == f"{code} {text}"


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        None,
        status(200, body=b"<html>please log in</html>"),
        status(200, body=b'{"errcode":'),
        status(200, body=b"[0]"),
        status(200, body=b"{}"),
        status(200, body=b"[" * 30_000),
        status(200, body=b'{"errcode": 0, "code": 0, "x": "' + b"x" * ANSWER_BYTES_MAX + b'"}'),
        status(502),
    ],
    ids=["hangs-up", "hangs", "html", "cut", "list", "empty", "deep", "huge", "502"],
)
async def test_what_is_no_answer_of_a_robot_is_tried_again(
    name: str, answer: bytes | None, hooks: Hooks
) -> None:
    hooks.answers[ROBOTS[name][1]] = answer

    timeout_s = TIMEOUT_S if answer is None else AMPLE_S
    async with opened(name, ops=robot_of(name, hooks, timeout_s=timeout_s)) as channel:
        error = await failing(channel, a_message("ops"))

    assert not error.permanent


@pytest.mark.parametrize("name", ROBOTS)
async def test_what_the_other_side_repeats_of_a_secret_is_not_told(name: str, hooks: Hooks) -> None:
    hooks.answers[ROBOTS[name][1]] = refusing(name, 1, f"bad token {TOKEN}\n\x1b[2J")

    async with opened(name, ops=robot_of(name, hooks)) as channel:
        error = await failing(channel, a_message("ops"))
        unknown = await failing(channel, a_message("elsewhere"))

    assert TOKEN not in str(error) and "\x1b" not in str(error) and "***" in str(error)
    assert unknown.permanent and f"[channels.{name}.elsewhere]" in str(unknown)


async def test_dingtalk_mentions_whom_the_address_names_or_else_who_is_on_duty(hooks: Hooks) -> None:
    hooks.answers["/robot/send"] = said({"errcode": 0})

    async with opened("dingtalk", ops=robot_of("dingtalk", hooks)) as channel:
        await channel.send(a_message("ops@13900000001@13900000002"))
        await channel.send(replace(a_message("ops"), phone="13800000000"))
        await channel.send(replace(a_message("ops@all"), phone="0632-1"))

    named, on_duty, everybody = (asked.document for asked in hooks.asked)
    assert named["at"] == {"atMobiles": ["13900000001", "13900000002"], "isAtAll": False}
    assert "@13900000001" in str(named["markdown"])
    assert on_duty["at"] == {"atMobiles": ["13800000000"], "isAtAll": False}
    assert everybody["at"] == {"atMobiles": [], "isAtAll": True}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("13800000000", "13800000000"),
        ("+86 138 0000 0000", "13800000000"),
        ("138-0000-0000", "13800000000"),
        ("0086\u00a0138\u20130000\u20130000", "13800000000"),
        ("8613800000000", "13800000000"),
        ("0632-8600-1380", None),
        ("+852 1380 0000", None),
        ("13800000000 / 13900000000", None),
    ],
)
async def test_numbers_are_mentioned_however_a_roster_writes_them(
    hooks: Hooks, written: str, meant: str | None
) -> None:
    hooks.answers |= {"/robot/send": said({"errcode": 0}), "/cgi-bin/webhook/send": said({"errcode": 0})}

    for name in ("dingtalk", "wecom_bot"):
        async with opened(name, ops=robot_of(name, hooks)) as channel:
            await channel.send(replace(a_message("ops"), phone=written))
            await channel.send(a_message(f"ops@{written}"))

    of_duty, named, of_duty_there, named_there = (str(asked.document) for asked in hooks.asked)
    assert f"'atMobiles': {[meant] if meant else []}" in of_duty
    assert f"'atMobiles': {[meant or written]}" in named
    assert ("mentioned_mobile_list" in of_duty_there, str(meant) in of_duty_there) == (bool(meant),) * 2
    assert f"'mentioned_mobile_list': {[meant or written]}" in named_there


async def test_wecom_says_it_plainly_to_whom_it_mentions(hooks: Hooks) -> None:
    hooks.answers["/cgi-bin/webhook/send"] = said({"errcode": 0})

    async with opened("wecom_bot", ops=robot_of("wecom_bot", hooks)) as channel:
        await channel.send(a_message("ops@13900000001@all"))
        await channel.send(replace(a_message("ops"), text="长" * 3000))
        await channel.send(replace(a_message("ops@all"), text="长" * 3000))

    mentioned, long, long_text = (asked.document for asked in hooks.asked)
    assert mentioned["msgtype"] == "text"
    assert "'mentioned_mobile_list': ['13900000001', '@all']" in str(mentioned["text"])
    assert isinstance(long["markdown"], dict) and len(long["markdown"]["content"].encode()) <= 4096
    assert isinstance(long_text["text"], dict) and len(long_text["text"]["content"].encode()) <= 2048


async def test_a_title_cannot_mention_or_link_in_feishu(hooks: Hooks) -> None:
    hooks.answers[ROBOTS["feishu"][1]] = said({"code": 0})
    evil = '<at user_id="all">所有人</at> [点我](https://evil.example)'
    message = replace(
        a_message("ops@ou_1"), text=f"事件：{evil}\n签收：https://r.example/a", ack_url="https://r.example/a"
    )

    async with opened("feishu", ops=robot_of("feishu", hooks)) as channel:
        await channel.send(message)

    document = json.loads(hooks.asked[0].body)
    assert document["content"]["post"]["zh_cn"]["content"] == [
        [{"tag": "text", "text": f"事件：{evil}"}],
        [
            {"tag": "text", "text": "签收："},
            {"tag": "a", "text": "https://r.example/a", "href": "https://r.example/a"},
        ],
        [{"tag": "at", "user_id": "ou_1"}],
    ]


def test_only_our_own_links_are_links_in_markdown() -> None:
    evil = "# 大标题 [点我](https://evil.example) <@all> **加粗** `x`"
    message = replace(
        a_message(), text=f"{evil}\n1. 一\n签收：https://r.example/a_b", ack_url="https://r.example/a_b"
    )

    made = markdown(message, "\n")

    assert made.splitlines()[1:] == [
        "＃ 大标题 ［点我］(https://evil.example) ＜@all＞ ＊＊加粗＊＊ ｀x｀",
        "１． 一",
        "签收：[https://r.example/a＿b](https://r.example/a_b)",
    ]


@given(st.text())
def test_nothing_that_markdown_reads_is_left_of_any_text(text: str) -> None:
    made = harmless(text)

    assert not set(made) & set("<>[]*_`~\\|")
    assert len(made) == len(text)
    assert not made.lstrip().startswith(("#", "-", "+", "=", "!"))


@given(st.text(), st.integers(3, 50))
def test_a_cut_text_fits_and_is_whole_characters(text: str, bytes_max: int) -> None:
    made = cut(text, bytes_max)

    assert len(made.encode()) <= bytes_max
    assert made == text or text.startswith(made.removesuffix("…"))
