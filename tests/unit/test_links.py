"""One-tap links: what a token says, how long, and that nobody makes one without the key."""

import asyncio
from datetime import timedelta

import pytest

from reporter.channels.contract import Message, Receipt
from reporter.core.instants import parse
from reporter.core.notice import IncidentWords, UnitContact, Words
from reporter.core.terms import NoticeReason, NoticeState
from reporter.render import Renderer
from reporter.sending import links
from reporter.sending.lane import Load
from reporter.sending.sender import Sender
from reporter.timesource import ManualTime
from tests.unit.factories import a_taken_notice

KEY, OTHER = b"k" * 32, b"o" * 32
NOTICE = "019a1b2c-3d4e-8f5a-9b6c-7d8e9f000001"
AT = parse("2026-11-23T06:00:00Z")


def test_a_token_names_its_notice_for_two_hours() -> None:
    signed = links.token(KEY, NOTICE, AT)

    assert signed is not None
    assert links.read(KEY, signed) == (NOTICE, AT + timedelta(hours=2))
    assert links.url("https://desk.example/", KEY, NOTICE, AT) == f"https://desk.example/a/{signed}"
    assert len(signed) <= links.TOKEN_CHARS


@pytest.mark.parametrize("index", range(0, 50, 7))
def test_a_token_changed_anywhere_or_signed_by_another_key_is_none(index: int) -> None:
    signed = links.token(KEY, NOTICE, AT)
    assert signed is not None
    index %= len(signed)
    changed = signed[:index] + ("A" if signed[index] != "A" else "B") + signed[index + 1 :]

    before = links.read(KEY, changed)
    assert before is None or changed[:-1] == signed[:-1]  # the last character holds two spare bits
    assert links.read(OTHER, signed) is None


@pytest.mark.parametrize("text", ["", "x", "!!!!", "A" * 49, "A" * 50, "A" * 52, "é" * 50])
def test_what_is_no_token_is_none(text: str) -> None:
    assert links.read(KEY, text) is None


def test_an_id_that_is_no_uuid_has_no_link() -> None:
    assert links.token(KEY, "webhook-1", AT) is None


class Pigeon:
    """Keeps what it is handed."""

    name = "webhook"

    def __init__(self) -> None:
        self.carried: list[Message] = []

    async def send(self, message: Message) -> Receipt:
        self.carried.append(message)
        return Receipt(NoticeState.ACCEPTED)


@pytest.mark.parametrize(
    ("reason", "incident", "has_link"),
    [
        (NoticeReason.BREACH, "i-1", True),
        (NoticeReason.REHEARSAL, None, True),
        (NoticeReason.REJECTED, None, False),
        (NoticeReason.HELD, None, False),
        (NoticeReason.ROSTER_GAP, None, False),
    ],
)
async def test_only_what_can_be_acknowledged_goes_out_with_a_link(
    reason: NoticeReason, incident: str | None, has_link: bool
) -> None:
    pigeon = Pigeon()
    sender = Sender(
        {"webhook": pigeon},
        Renderer("Asia/Shanghai"),
        ManualTime(AT),
        send_timeout_s=5,
        public_url="https://desk.example",
    )
    notice = a_taken_notice(NOTICE)._replace(reason=reason, incident_id=incident)
    incidents = {"i-1": IncidentWords("i-1", "1123-7KQF", "爆燃", notice.unit, "s", "d")}
    words = Words(incidents, {}, {notice.unit: UnitContact("东街道", "")}, {})

    running = asyncio.create_task(sender.run())
    await sender.send(Load("webhook", [notice], words, KEY))
    await sender.back()
    running.cancel()

    (message,) = pigeon.carried
    assert (message.ack_url is not None) is has_link
