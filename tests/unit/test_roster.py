"""Whom a step of a ladder reaches: on duty, standing in, or nobody."""

from collections.abc import Sequence

import pytest

from reporter.core.roster import Directory, Duty, Recipient, UnitNode, UnitTree, channel_of, recipients
from tests.addresses import only_on

HOOK = "https://phones.example/hook"


def a_unit(code: str, parent: str | None = None, *, phone: str = "", is_active: bool = True) -> UnitNode:
    return UnitNode(code, f"{code} office", parent, phone, "370400", is_active)


def a_duty(unit: str, role: str, person: str, *channels: str, phone: str = "138") -> Duty:
    return Duty(unit, role, person, phone, channels)


def on_duty(*duties: Duty) -> dict[tuple[str, str], list[Duty]]:
    found: dict[tuple[str, str], list[Duty]] = {}
    for duty in duties:
        found.setdefault((duty.unit, duty.role), []).append(duty)
    return found


TREE = UnitTree(
    [
        a_unit("city", phone="0632-1"),
        a_unit("east", "city", phone="0632-2"),
        a_unit("park", "east"),
        a_unit("west", "city"),
    ]
)


def who(found: Sequence[Recipient]) -> list[tuple[str, str | None, str, str | None]]:
    return [(each.to, each.person, each.channel, each.note) for each in found]


def test_without_units_there_is_one_and_its_code_is_root() -> None:
    tree = UnitTree()

    assert tree.root == "root"
    assert tree.resolve("root") == "root"
    assert tree.resolve("anything") is None
    assert tree.parent("root") == "root"


def test_root_is_an_alias_of_whatever_the_root_is() -> None:
    assert TREE.resolve("root") == "city"
    assert TREE.node("root").code == "city"
    assert TREE.is_related("root", "park")
    assert TREE.subtree("root") == TREE.subtree("city") == {"city", "east", "park", "west", "root"}


def test_relatives_stand_on_one_line_up_or_down() -> None:
    assert TREE.is_related("park", "city")
    assert TREE.is_related("city", "park")
    assert TREE.is_related("east", "east")
    assert not TREE.is_related("east", "west")
    assert not TREE.is_related("east", "nobody-knows")
    assert TREE.subtree("east") == {"east", "park"}
    assert TREE.subtree("nobody-knows") == frozenset()


def test_a_former_root_hangs_under_the_present_one() -> None:
    tree = UnitTree([a_unit("new"), a_unit("old", is_active=False), a_unit("below", "old", is_active=False)])

    assert tree.path("below") == ("below", "old", "new")


def test_a_former_root_called_root_gives_its_name_to_the_new_one() -> None:
    tree = UnitTree(
        [a_unit("root", is_active=False), a_unit("new"), a_unit("below", "root", is_active=False)]
    )

    assert tree.resolve("root") == "new"
    assert tree.path("below") == ("below", "new")


@pytest.mark.parametrize(
    "nodes",
    [
        [a_unit("one"), a_unit("other")],
        [a_unit("one", "other"), a_unit("other", "one")],
        [a_unit("one"), a_unit("two", "three"), a_unit("three", "two")],
        [a_unit("one"), a_unit("two", "two")],
        [a_unit("one"), a_unit("two", "gone")],
    ],
)
def test_what_is_no_tree_is_refused(nodes: list[UnitNode]) -> None:
    with pytest.raises(ValueError, match="root|cycle|parent"):
        UnitTree(nodes)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("desk", ("desk", "")),
        ("console", ("console", "")),
        ("https://a.example/x", ("webhook", "https://a.example/x")),
        ("HTTP://a.example", ("webhook", "HTTP://a.example")),
        ("webhook:https://a.example/x", ("webhook", "https://a.example/x")),
        ("sms:13800000000", ("sms", "13800000000")),
        ("webhook:ops", ("webhook", "ops")),
        ("mailto:li@x.example", ("smtp", "li@x.example")),
        ("smtp:backup/li@x.example", ("smtp", "backup/li@x.example")),
        ("apprise+tgram://bot/chat", ("apprise", "tgram://bot/chat")),
        ("apprise://host/key", ("apprise", "apprise://host/key")),
        ("apprise:ops", ("apprise", "ops")),
        ("dingtalk:ops-group@13800000000", ("dingtalk", "ops-group@13800000000")),
    ],
)
def test_an_address_names_its_channel(address: str, expected: tuple[str, str]) -> None:
    assert channel_of(address) == expected


def test_one_notice_for_each_person_and_address() -> None:
    people = on_duty(
        a_duty("park", "duty_officer", "李", "desk", HOOK),
        a_duty("park", "leader", "周"),
        a_duty("east", "duty_officer", "钱", "console"),
    )

    found = recipients(TREE, people, "park", ["unit.duty_officer", "unit.leader", "superior.duty_officer"])

    assert who(found) == [
        ("unit.duty_officer", "李", "desk", None),
        ("unit.duty_officer", "李", "webhook", None),
        ("unit.leader", "周", "desk", None),
        ("superior.duty_officer", "钱", "console", None),
    ]
    assert [each.address for each in found] == ["", HOOK, "", ""]


def test_a_person_with_two_roles_is_noticed_once_for_the_first() -> None:
    people = on_duty(
        a_duty("park", "duty_officer", "李", HOOK), a_duty("park", "leader", "李", f"webhook:{HOOK}")
    )

    found = recipients(TREE, people, "park", ["unit.leader", "unit.duty_officer"])

    assert who(found) == [("unit.leader", "李", "webhook", None)]


def test_nobody_on_duty_is_said_once_and_the_search_goes_up() -> None:
    people = on_duty(a_duty("city", "duty_officer", "孙", "console"), a_duty("city", "leader", "王"))

    found = recipients(TREE, people, "park", ["unit.duty_officer", "unit.leader"])

    assert who(found) == [
        ("unit.duty_officer", None, "desk", "nobody_on_duty"),
        ("unit.duty_officer", "孙", "console", "nobody_on_duty:park"),
        ("unit.leader", "王", "desk", "nobody_on_duty:park"),
    ]
    assert found[0].phone == "0632-2"  # park has no phone of its own: the next one's above


def test_the_units_own_phone_comes_first() -> None:
    assert recipients(TREE, {}, "east", ["unit.leader"])[0].phone == "0632-2"


def test_an_empty_roster_still_writes_one_notice() -> None:
    found = recipients(TREE, {}, "park", ["unit.duty_officer", "unit.leader", "superior.leader"])

    assert who(found) == [("unit.duty_officer", None, "desk", "nobody_on_duty")]


def test_superior_roles_of_the_root_fall_to_the_root_and_merge() -> None:
    people = on_duty(a_duty("city", "duty_officer", "孙"), a_duty("city", "leader", "王"))

    found = recipients(
        TREE, people, "city", ["unit.duty_officer", "superior.duty_officer", "superior.leader"]
    )

    assert who(found) == [("unit.duty_officer", "孙", "desk", None), ("superior.leader", "王", "desk", None)]


def test_an_inactive_unit_counts_as_empty() -> None:
    tree = UnitTree([a_unit("city", phone="1"), a_unit("gone", "city", phone="2", is_active=False)])
    people = on_duty(a_duty("gone", "leader", "旧"), a_duty("city", "leader", "王"))

    found = recipients(tree, people, "gone", ["unit.leader"])

    assert who(found) == [
        ("unit.leader", None, "desk", "nobody_on_duty"),
        ("unit.leader", "王", "desk", "nobody_on_duty:gone"),
    ]
    assert found[0].phone == "1"


def test_duties_written_under_root_follow_the_root() -> None:
    found = recipients(TREE, on_duty(a_duty("root", "leader", "王")), "city", ["unit.leader"])

    assert who(found) == [("unit.leader", "王", "desk", None)]


def test_an_unknown_unit_means_the_root() -> None:
    found = recipients(TREE, on_duty(a_duty("city", "leader", "王")), "nobody-knows", ["unit.leader"])

    assert who(found) == [("unit.leader", "王", "desk", None)]


def test_who_has_no_channel_that_works_is_noticed_on_the_desk_too() -> None:
    people = on_duty(
        a_duty("city", "leader", "王", "sms:138"), a_duty("city", "duty_officer", "孙", "sms:139", HOOK)
    )

    found = Directory(TREE, people, only_on("desk", "console", "webhook")).recipients(
        "city", ["unit.leader", "unit.duty_officer"]
    )

    assert [(each.person, each.channel) for each in found] == [
        ("王", "sms"),
        ("王", "desk"),
        ("孙", "sms"),
        ("孙", "webhook"),
    ]


def test_an_address_that_cannot_work_reaches_nobody_though_its_channel_is_there() -> None:
    people = on_duty(
        a_duty("city", "duty_officer", "孙", "webhook:opps", "sms:abc"),
        a_duty("city", "leader", "王", "webhook:ops"),
    )
    flaws = {"webhook:opps": "no account", "sms:abc": "not a telephone number"}

    found = Directory(TREE, people, flaws.get).recipients("city", ["unit.duty_officer"])

    assert [(each.person, each.channel, each.note) for each in found] == [
        ("孙", "webhook", None),
        ("孙", "sms", None),
        ("孙", "desk", "no_address"),
        ("王", "webhook", "no_address:孙; fall_through:leader"),
    ]


def test_a_directory_remembers_what_it_found() -> None:
    directory = Directory(TREE, on_duty(a_duty("park", "leader", "周")))

    assert directory.recipients("park", ["unit.leader"]) is directory.recipients("park", ("unit.leader",))
