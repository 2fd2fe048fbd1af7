"""Trying a channel: one marked test message to an address, and what came of it. Logged, and of no incident."""

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from reporter.channels.contract import NO_CHANNEL, Channel, ChannelError, Message
from reporter.core.notice import Taken, UnitContact, Words
from reporter.core.roster import ROOT, channel_of, shown
from reporter.core.terms import DutyRole, Mode, NoticeReason, NoticeState
from reporter.sending.texts import Renders, Texts
from reporter.sending.wording import message
from reporter.timesource import TimeSource

log = logging.getLogger(__name__)

ADDRESSES_MAX: Final = 16
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reporter:channel-test")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one message. `state` is accepted, delivered or failed; `address` as it may be shown."""

    id: str
    address: str
    channel: str
    state: NoticeState
    detail: str
    permanent: bool
    took_ms: int

    @property
    def is_sent(self) -> bool:
        return self.state is not NoticeState.FAILED


async def attempt(
    channels: Mapping[str, Channel],
    renderer: Renders,
    time: TimeSource,
    addresses: Sequence[str],
    *,
    by: str,
    unit: str = "",
    person: str | None = None,
    phone: str | None = None,
    public_url: str | None = None,
    key: str | None = None,
) -> list[Trial]:
    """Sends one test message to each of the addresses, all at once, at most `ADDRESSES_MAX`.

    `by` says in the log who asked; `unit` is the name the message gives as the sender's. The same `key` of the
    same asker gives each message the same id: a receiver can tell that it was asked for twice.
    """
    words = Words({}, {}, {ROOT: UnitContact(unit or "Reporter", "")}, {})
    texts = Texts(renderer)

    async def one(address: str) -> Trial:
        name, target = channel_of(address)
        id_ = uuid.uuid4() if key is None else uuid.uuid5(_NAMESPACE, f"{by}\n{key}\n{address}")
        notice = _notice(str(id_), time, name, target, person, phone)
        text = message(notice, words, texts, time.now(), public_url=public_url)
        started = monotonic()
        state, detail, permanent = await _send(channels.get(name), text)
        took_ms = round((monotonic() - started) * 1000)
        trial = Trial(notice.id, shown(address), name, state, detail, permanent, took_ms)
        log.info(
            "channel test %s by %s: %s to %s: %s %s (%d ms)",
            trial.id, by, name, trial.address, state.value, detail, took_ms,
        )  # fmt: skip
        return trial

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(address)) for address in addresses[:ADDRESSES_MAX]]
    return [task.result() for task in tasks]


async def _send(channel: Channel | None, text: Message) -> tuple[NoticeState, str, bool]:
    """State, detail, and whether trying again cannot help."""
    if channel is None:
        return NoticeState.FAILED, NO_CHANNEL, True
    try:
        receipt = await channel.send(text)
    except ChannelError as error:
        return NoticeState.FAILED, str(error), error.permanent
    return receipt.state, " ".join(part for part in (receipt.detail, receipt.provider_id) if part), False


def _notice(
    id_: str, time: TimeSource, channel: str, target: str, person: str | None, phone: str | None
) -> Taken:
    now = time.now()
    return Taken(
        id=id_,
        incident_id=None,
        unit=ROOT,
        mode=Mode.TEST,
        obligation=None,
        step=None,
        repeat=1,
        reason=NoticeReason.TEST,
        to_role=f"unit.{DutyRole.DUTY_OFFICER}",
        person=person,
        phone=phone,
        channel=channel,
        address=target,
        due_at=now,
        recorded_at=now,
        attempts=1,
        note=None,
    )
