"""Units and duty: who stands above whom, and who is to be told when a step of a ladder fires.

Roles become persons only here, at the instant a step fires. Nobody on duty is said, never passed over in
silence: the desk and the unit's phone contact get it, and the search goes up the tree.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ROOT: Final = "root"
"""The only unit until units are imported; afterwards an alias of whatever the root has become."""

NOBODY: Final = "nobody_on_duty"
"""The note of a notice that found no person; with `:<unit>`, of one to who stands in for that unit."""

DESK: Final = "desk"
CONSOLE: Final = "console"
WEBHOOK: Final = "webhook"
SMTP: Final = "smtp"
APPRISE: Final = "apprise"


@dataclass(frozen=True, slots=True)
class UnitNode:
    """One registered unit. `parent` is None for the root alone (and for a former root, no longer active)."""

    code: str
    name: str
    parent: str | None
    phone: str
    region: str
    is_active: bool


class UnitTree:
    """The units as they stand: every method takes any code, `root` included.

    Inactive units keep their place, since open incidents keep their unit; one without a parent (a former
    root) hangs under the present root. Without any node there is one unit with code `root`. Errors:
    ValueError unless exactly one active node has no parent, every other parent is a node, and there is no
    cycle.
    """

    def __init__(self, nodes: Iterable[UnitNode] = ()) -> None:
        self._nodes = {node.code: node for node in nodes} or {ROOT: UnitNode(ROOT, ROOT, None, "", "", True)}
        roots = [node.code for node in self._nodes.values() if node.parent is None and node.is_active]
        if len(roots) != 1:
            msg = f"units need exactly one root, not {roots}"
            raise ValueError(msg)
        self.root = roots[0]
        self._paths: dict[str, tuple[str, ...]] = {self.root: (self.root,)}
        for code in self._nodes:
            self._place(code)
        self._above = {code: frozenset(path) for code, path in self._paths.items()}

    def _place(self, code: str) -> None:
        """Finds the path from `code` (first) to the root (last), and those of all on the way."""
        trail: dict[str, None] = {}
        while code not in self._paths:
            if code in trail:
                msg = f"units {list(trail)} stand in a cycle"
                raise ValueError(msg)
            trail[code] = None
            parent = self.resolve(self._nodes[code].parent or self.root)
            if parent is None:
                msg = f"unit {code} has the unknown parent {self._nodes[code].parent}"
                raise ValueError(msg)
            code = parent
        for below in reversed(trail):
            self._paths[below] = (below, *self._paths[code])
            code = below

    def resolve(self, code: str) -> str | None:
        """The code itself, the root's for `root`, None for a code nobody registered."""
        if code == ROOT:
            return self.root
        return code if code in self._nodes else None

    def node(self, code: str) -> UnitNode:
        """The unit. Errors: KeyError for an unknown code."""
        return self._nodes[self.root if code == ROOT else code]

    def path(self, code: str) -> tuple[str, ...]:
        """The codes from the unit itself up to the root. Errors: KeyError for an unknown code."""
        return self._paths[self.root if code == ROOT else code]

    def parent(self, code: str) -> str:
        """The unit above; the root's is the root. Errors: KeyError for an unknown code."""
        path = self.path(code)
        return path[min(1, len(path) - 1)]

    def superior(self, code: str) -> str:
        """The unit whose people the `superior.` roles of a ladder mean: the parent."""
        return self.parent(code)

    def is_related(self, one: str, other: str) -> bool:
        """Whether they are the same unit, or one stands above the other; False if either is unknown."""
        first, second = self.resolve(one), self.resolve(other)
        if first is None or second is None:
            return False
        return first in self._above[second] or second in self._above[first]

    def subtree(self, code: str) -> frozenset[str]:
        """The unit and all below it, as codes that stored rows may carry: the root's has `root` too.

        Empty for an unknown code.
        """
        top = self.resolve(code)
        if top is None:
            return frozenset()
        below = {each for each, above in self._above.items() if top in above}
        return frozenset(below | {ROOT} if top == self.root else below - {ROOT})

    def phone(self, code: str) -> str | None:
        """The nearest phone contact: the unit's own if active and known, else the next one's above."""
        return next(
            (node.phone for each in self.path(code) if (node := self._nodes[each]).is_active and node.phone),
            None,
        )


@dataclass(frozen=True, slots=True)
class Duty:
    """One person on duty now. `channels` are addresses as `channel_of` reads them."""

    unit: str
    role: str
    person: str
    phone: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipient:
    """One notice to write. `to` is the first role that named the person; `person` None: the desk alone."""

    to: str
    person: str | None
    phone: str | None
    channel: str
    address: str
    note: str | None


def channel_of(address: str) -> tuple[str, str]:
    """Splits a roster's address into the channel's name and the address within it.

    `desk` → (`desk`, ``); `webhook:https://…` and a bare `http(s)://…` → (`webhook`, `https://…`);
    `mailto:li@x.cn` → (`smtp`, `li@x.cn`); `apprise+tgram://…` → (`apprise`, `tgram://…`), and `apprise://…`
    as it is; `sms:138…` → (`sms`, `138…`), also where there is no such channel (yet).
    """
    name, _, target = address.partition(":")
    match name.lower().partition("+"):
        case ("http" | "https", "", _) if target.startswith("//"):
            return WEBHOOK, address
        case ("mailto", "", _):
            return SMTP, target
        case ("apprise", "", _) if target.startswith("//"):
            return APPRISE, address
        case ("apprise", "+", scheme) if target.startswith("//"):
            return APPRISE, f"{scheme}:{target}"
    return name, target


class Directory:
    """Who is on duty at one instant, by role. Made for one batch: what it has found it remembers.

    `on_duty` maps (unit, role) to the persons on duty. `channels` names the channels that exist here; a
    person none of whose addresses is on one of them gets a notice on the desk too. None: all of them work.
    """

    def __init__(
        self,
        tree: UnitTree,
        on_duty: Mapping[tuple[str, str], Sequence[Duty]],
        channels: Collection[str] | None = None,
    ) -> None:
        self._tree = tree
        self._channels = channels
        self._on_duty: dict[tuple[str, str], tuple[Duty, ...]] = {}
        for (unit, role), duties in on_duty.items():
            key = (tree.resolve(unit) or unit, role)  # rows written under `root` follow the root
            self._on_duty[key] = self._on_duty.get(key, ()) + tuple(duties)
        self._found: dict[tuple[str, tuple[str, ...]], tuple[Recipient, ...]] = {}

    def recipients(self, unit: str, roles: Sequence[str]) -> tuple[Recipient, ...]:
        """Whom to notice of an incident of `unit`, an unknown code meaning the root; never empty.

        1. `unit.<role>` is sought in the unit, `superior.<role>` in the one above it (of the root: the root).
        2. A role nobody holds makes one notice to the desk, the first such role's for all of them, with the
           nearest phone contact; and the search goes up the tree until somebody holds that role.
        3. A person named twice at the same address gets one notice, for the first role.

        An inactive unit counts as one where nobody is on duty.
        """
        key = (unit, tuple(roles))
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(self._tree.resolve(unit) or self._tree.root, key[1])
        return found

    def _search(self, unit: str, roles: tuple[str, ...]) -> tuple[Recipient, ...]:
        found: dict[tuple[str | None, str, str, str], Recipient] = {}
        for to in roles:
            scope, _, role = to.partition(".")
            first = self._tree.superior(unit) if scope == "superior" else unit
            duties = self._duties(first, role)
            note = None
            if not duties:
                phone = self._tree.phone(first)
                found.setdefault((None, "", DESK, ""), Recipient(to, None, phone, DESK, "", NOBODY))
                note = f"{NOBODY}:{first}"
                above = (self._duties(each, role) for each in self._tree.path(first)[1:])
                duties = next((each for each in above if each), ())
            for duty in duties:
                for channel, address in self._addresses(duty):
                    recipient = Recipient(to, duty.person, duty.phone or None, channel, address, note)
                    found.setdefault((duty.person, duty.phone, channel, address), recipient)
        if (
            not found
        ):  # a ladder step without recipients: a fired step writes at least one notice all the same
            found[None, "", DESK, ""] = Recipient(
                "unit.duty_officer", None, self._tree.phone(unit), DESK, "", NOBODY
            )
        return tuple(found.values())

    def _duties(self, unit: str, role: str) -> tuple[Duty, ...]:
        return self._on_duty.get((unit, role), ()) if self._tree.node(unit).is_active else ()

    def _addresses(self, duty: Duty) -> list[tuple[str, str]]:
        addresses = [channel_of(address) for address in duty.channels]
        works = any(self._channels is None or channel in self._channels for channel, _ in addresses)
        return addresses if works else [*addresses, (DESK, "")]


def recipients(
    tree: UnitTree, on_duty: Mapping[tuple[str, str], Sequence[Duty]], unit: str, roles: Sequence[str]
) -> tuple[Recipient, ...]:
    """As `Directory.recipients`, for a single question."""
    return Directory(tree, on_duty).recipients(unit, roles)
