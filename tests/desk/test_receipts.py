"""Delivery reports: only from who has the secret, once or ten times, and never lowering what is known."""

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from hmac import digest

import httpx
import pytest
from sqlalchemy import insert

from reporter.core.notice import NoticeResult
from reporter.core.terms import NoticeState
from reporter.desk.app import create_app
from reporter.store.models import Notice
from reporter.timesource import SystemTime
from tests.desk.conftest import World

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + b64encode(KEY).decode()
PLAIN = "a-plain-secret-of-a-gateway"


@pytest.fixture
async def gateway(world: World) -> httpx.AsyncClient:
    """A gateway, and one notice that it took under its number 77."""
    services = replace(world.services, receipt_secrets={"sms": [PLAIN], "webhook": [SECRET]})
    world.app = create_app(services)
    now = world.time.now()
    row = {
        "unit": "city", "mode": "actual", "repeat": 1, "reason": "rejected", "to_role": "unit.duty_officer",
        "person": "王", "address": "138", "state": "queued", "recorded_at": now, "attempts": 1, "next_try_at": now,
    }  # fmt: skip
    async with world.database.transaction() as connection:
        await connection.execute(
            insert(Notice),
            [{**row, "id": "n-sms", "channel": "sms"}, {**row, "id": "n-hook", "channel": "webhook"}],
        )
    accepted = [
        NoticeResult("n-sms", None, "sms", NoticeState.ACCEPTED, 1, provider_id="77"),
        NoticeResult("n-hook", None, "webhook", NoticeState.ACCEPTED, 1),
    ]
    await world.gate.receipts(accepted)
    return await world.browser()


async def state(world: World, id_: str) -> str:
    from sqlalchemy import select

    async with world.database.snapshot() as connection:
        return str(await connection.scalar(select(Notice.state).where(Notice.id == id_)))


def signed(body: bytes, *, key: bytes = KEY, ago_s: int = 0) -> dict[str, str]:
    at = int(SystemTime().now().timestamp()) - ago_s
    mac = b64encode(digest(key, f"msg_1.{at}.".encode() + body, sha256)).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{mac}"}


async def test_a_gateway_reports_by_its_own_number_and_only_upwards(
    world: World, gateway: httpx.AsyncClient
) -> None:
    proof = {"X-Receipt-Secret": PLAIN}
    for stat, expected in (("DELIVRD", "delivered"), ("UNDELIV", "delivered"), ("ACCEPTD", "delivered")):
        answer = await gateway.post("/api/receipts/sms", headers=proof, data={"msgid": "77", "stat": stat})
        assert (answer.status_code, answer.json()) == (200, {"taken": 1, "unknown": []})
        assert await state(world, "n-sms") == expected


async def test_standard_webhooks_are_checked_and_the_old_and_the_forged_refused(
    world: World, gateway: httpx.AsyncClient
) -> None:
    body = b'{"type":"message.delivered","data":{"notice":"n-hook"}}'
    wrong = [
        {},
        {"Authorization": f"Bearer {SECRET}"},
        signed(body, key=b"x" * 24),
        signed(body, ago_s=301),
        signed(body + b" "),
        {**signed(body), "webhook-timestamp": "soon"},
    ]
    for headers in wrong:
        assert (await gateway.post("/api/receipts/webhook", headers=headers, content=body)).status_code == 401
    assert await state(world, "n-hook") == "accepted"

    for _ in range(2):
        answer = await gateway.post("/api/receipts/webhook", headers=signed(body), content=body)
        assert answer.status_code == 200
    assert await state(world, "n-hook") == "delivered"


async def test_a_channel_speaks_of_its_own_notices_only_and_an_unknown_one_may_be_sent_again(
    world: World, gateway: httpx.AsyncClient
) -> None:
    proof = {"Authorization": f"Bearer {PLAIN}"}
    strange = {"id": "n-hook", "state": "failed"}
    assert (await gateway.post("/api/receipts/sms", headers=proof, json=strange)).status_code == 404
    assert (await gateway.post("/api/receipts/mail", headers=proof, json=strange)).status_code == 404
    both = [strange, {"provider_id": 77, "state": "failed", "detail": "空号"}]
    answer = await gateway.post("/api/receipts/sms", headers=proof, json=both)
    assert answer.json() == {"taken": 1, "unknown": ["n-hook"]}
    assert (await state(world, "n-sms"), await state(world, "n-hook")) == ("failed", "accepted")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b'{"id":"n-sms","state":"eaten"}', b"\xff"])
async def test_what_is_no_report_is_refused(gateway: httpx.AsyncClient, body: bytes) -> None:
    answer = await gateway.post("/api/receipts/sms", headers={"X-Receipt-Secret": PLAIN}, content=body)
    assert answer.status_code == 422
