"""What may be added to a handover, and when: the rules alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from reporter.core.handover import (
    CHECKS,
    Entry,
    EntryKind,
    HandoverRefused,
    HandoverState,
    Part,
    check_entry,
    entry_text,
    standing_of,
)

AT = datetime(2026, 11, 23, 6, tzinfo=UTC)
ITEMS = ("incident/a", "trouble/broker")


class Record:
    """A handover of two items, to which one says things."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.prev = "0" * 64

    def add(self, kind: EntryKind, subject: str = "", body: Mapping[str, object] | None = None) -> bool:
        body = body or {}
        if not check_entry(standing_of(self.entries), ITEMS, kind, subject, body):
            return False
        number = len(self.entries) + 1
        at = AT + timedelta(seconds=number)
        _, self.prev = entry_text(1, number, kind, at, "account:a", subject, body, self.prev)
        self.entries.append(Entry(number, kind, at, "account:a", subject, body, self.prev))
        return True

    def work_through(self) -> None:
        for item in ITEMS:
            self.add(EntryKind.CONFIRMED, item)
        for name in CHECKS:
            self.add(EntryKind.CHECKED, name, {"ok": True})

    def sign(self, part: Part, login: str) -> bool:
        return self.add(EntryKind.SIGNED, part, {"login": login})

    @property
    def state(self) -> HandoverState:
        return standing_of(self.entries).state


def test_three_signatures_make_it_complete_and_nothing_follows() -> None:
    record = Record()
    record.work_through()
    for part, login in ((Part.INCOMING, "b"), (Part.OUTGOING, "a"), (Part.LEADER, "c")):
        assert record.state is HandoverState.OPEN
        assert record.sign(part, login)

    assert record.state is HandoverState.SIGNED
    assert not record.sign(Part.LEADER, "c")  # pressed twice
    for kind, subject in ((EntryKind.STATED, ""), (EntryKind.CONFIRMED, ITEMS[0]), (EntryKind.CANCELLED, "")):
        with pytest.raises(HandoverRefused, match="已交接完毕"):
            record.add(kind, subject, {"reason": "x"})


@pytest.mark.parametrize(
    ("kind", "subject", "body", "path"),
    [
        (EntryKind.CONFIRMED, "incident/b", {}, "items"),
        (EntryKind.CHECKED, "smell", {"ok": True}, "checks"),
        (EntryKind.CHECKED, "sound", {"ok": False, "note": " "}, "sound"),
        (EntryKind.CHECKED, "sound", {"ok": True, "note": "x" * 2001}, "sound"),
        (EntryKind.STATED, "", {"network": "x" * 2001}, "network"),
        (EntryKind.SIGNED, "boss", {"login": "a"}, "part"),
        (EntryKind.SIGNED, "incoming", {"login": "a"}, "items"),
        (EntryKind.SIGNED, "leader", {"login": "a"}, "part"),
        (EntryKind.CANCELLED, "", {}, "reason"),
    ],
)
def test_what_is_refused_says_which_field(
    kind: EntryKind, subject: str, body: dict[str, object], path: str
) -> None:
    with pytest.raises(HandoverRefused) as refused:
        Record().add(kind, subject, body)

    assert refused.value.path == path


def test_what_is_said_is_fixed_by_the_signature_of_who_said_it() -> None:
    record = Record()
    assert record.add(EntryKind.STATED, "", {"network": "正常"})
    assert not record.add(EntryKind.STATED, "", {"network": "正常"})
    record.sign(Part.OUTGOING, "a")
    with pytest.raises(HandoverRefused):
        record.add(EntryKind.STATED, "", {"network": "断"})
    record.work_through()
    record.sign(Part.INCOMING, "b")

    assert not record.add(EntryKind.CONFIRMED, ITEMS[0])
    with pytest.raises(HandoverRefused):
        record.add(EntryKind.CHECKED, "sound", {"ok": False, "note": "坏了"})


def test_outgoing_and_incoming_are_two_people_in_either_order() -> None:
    record = Record()
    record.work_through()
    record.sign(Part.INCOMING, "a")

    with pytest.raises(HandoverRefused, match="不能是同一人"):
        record.sign(Part.OUTGOING, "a")
    with pytest.raises(HandoverRefused, match="已签字"):
        record.sign(Part.INCOMING, "b")


def test_a_cancelled_one_takes_nothing_more() -> None:
    record = Record()
    record.add(EntryKind.CANCELLED, "", {"reason": "误点"})

    assert record.state is HandoverState.CANCELLED
    with pytest.raises(HandoverRefused, match="已取消"):
        record.sign(Part.OUTGOING, "a")
