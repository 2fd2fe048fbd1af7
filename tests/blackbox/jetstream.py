"""The few JetStream requests the suite needs, as JSON over the bare client."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from .moments import EPOCH, Json, eventually, now
from .natsclient import Message, Nats, NatsError

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Stored:
    """One message as the stream holds it; `stored_at` is the broker's timestamp cut to microseconds."""

    sequence: int
    subject: str
    header: bytes
    data: bytes
    stored_at: datetime
    nanoseconds: str


def publish(nats: Nats, subject: str, data: bytes, headers: Mapping[str, str] | bytes | None = None) -> int:
    """Publishes, waits for the broker's acknowledgement, and returns the stream sequence."""
    ack: Json = nats.request(subject, data, headers).json
    if "error" in ack:
        raise NatsError(f"{subject}: {ack['error']}")
    return int(ack["seq"])


def api(nats: Nats, name: str, body: object | None = None) -> Json:
    """One call of `$JS.API`. NatsError on an error answer."""
    answer: Json = nats.request(
        f"$JS.API.{name}", json.dumps(body).encode() if body is not None else b""
    ).json
    if "error" in answer:
        raise NatsError(f"{name}: {answer['error']}")
    return answer


def stored(nats: Nats, stream: str, sequence: int) -> Stored:
    """The message at one sequence, read from the stream itself."""
    held: Json = api(nats, f"STREAM.MSG.GET.{stream}", {"seq": sequence})["message"]
    return Stored(
        sequence=held["seq"],
        subject=held["subject"],
        header=base64.b64decode(held.get("hdrs", "")),
        data=base64.b64decode(held.get("data", "")),
        stored_at=cut(held["time"]),
        nanoseconds=held["time"],
    )


def cut(stamp: str) -> datetime:
    """The broker's nanosecond stamp cut, never rounded, to microseconds."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    micro = int(fraction.ljust(6, "0")[:6] or 0)
    return datetime.fromisoformat(whole + "+00:00") + timedelta(microseconds=micro)


def stored_at(message: Message) -> datetime:
    """When the broker stored a message that a consumer handed over: in its reply subject, cut to microseconds."""
    return EPOCH + timedelta(microseconds=int(message.reply.split(".")[-2]) // 1000)


def _created(nats: Nats, stream: str, config: Mapping[str, object]) -> Json:
    """A new ephemeral consumer; nothing while the cluster elects who answers."""
    with suppress(NatsError):
        return api(nats, f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
    return None


def messages(nats: Nats, stream: str, subject: str = ">", within: float = 20.0) -> list[Message]:
    """Every message now in the stream on `subject`, in stream order, through an ephemeral consumer.

    Pulled page by page: pushed all at once, a million would end the connection as a slow consumer's.
    """
    config: dict[str, object] = {"deliver_policy": "all", "ack_policy": "none"}
    if subject != ">":
        config["filter_subject"] = subject
    made: Json = eventually(partial(_created, nats, stream, config), within=within, every=0.2)
    arriving = nats.subscribe(inbox := nats.inbox())
    until = now() + timedelta(seconds=within)
    got: list[Message] = []
    while left := int(made["num_pending"]) - len(got):
        page = len(got) + min(left, PAGE)
        ask = {"batch": min(left, PAGE), "expires": int(within * 1e9)}
        nats.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{made['name']}", json.dumps(ask).encode(), reply=inbox
        )
        while len(got) < page:
            got.append(arriving.next(max((until - now()).total_seconds(), 0.01)))
    arriving.close()
    api(nats, f"CONSUMER.DELETE.{stream}.{made['name']}")
    return got
