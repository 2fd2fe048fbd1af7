"""Units and duty: who stands above whom, and who is to be told when a step of a ladder fires.

Roles become persons only here, at the instant a step fires. Nobody on duty is said, never passed over in
silence: the desk and the unit's phone contact get it, and the search goes up the tree.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from reporter.core.terms import DutyRole

ROOT: Final = "root"
"""The only unit until units are imported; afterwards an alias of whatever the root has become."""

NOBODY: Final = "nobody_on_duty"
"""The note of a notice that found no person; with `:<unit>`, of one to who stands in for that unit."""
ABSENT: Final = "absent"
"""After `nobody_on_duty`: who would be on duty, is absent and has no deputy."""
NO_ADDRESS: Final = "no_address"
"""None of the person's addresses can work here; with `:<person>`, of one told in their place."""
FALL_THROUGH: Final = "fall_through"
"""With `:leader`: the unit's leader on duty is told because the role itself reaches nobody."""
SWAP: Final = "swap"
OVERRIDE: Final = "override"
DEPUTY_OF: Final = "deputy_of"
"""With `:<person>`: in whose place the person told is on duty, and how that came about (`core.standin`)."""
PART: Final = "; "
"""Between the parts of a note."""
_OF_DUTY: Final = (NOBODY, ABSENT, NO_ADDRESS, FALL_THROUGH, SWAP, OVERRIDE, DEPUTY_OF)

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

    @property
    def nodes(self) -> list[UnitNode]:
        """Every unit, as handed in."""
        return list(self._nodes.values())

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
    """One person on duty now. `channels` are addresses as `channel_of` reads them.

    `note` says in whose place the person stands and why (`core.standin`). `is_absent`: on the roster, away, and
    without a deputy; nobody is told through such a line.
    """

    unit: str
    role: str
    person: str
    phone: str
    channels: tuple[str, ...]
    note: str | None = None
    is_absent: bool = False


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


def shown(address: str) -> str:
    """An address as it may be logged: of a URL only where it points, since the rest may be a secret."""
    if "://" not in address:
        return "".join(each for each in address if each.isprintable())[:80]
    name, target = channel_of(address)
    try:
        parts = urlsplit(target)
        where = f"{parts.scheme}://{parts.hostname or ''}/…"
    except ValueError:
        where = ""
    # Of a service by Apprise even the host may be a token.
    return where if name == WEBHOOK and re.fullmatch(r"https?://[A-Za-z0-9.:-]+/…", where) else f"{name}:…"


FlawOf = Callable[[str], str | None]
"""Why nothing can ever arrive at an address of the roster, in one short line without secrets; None: it may."""

_Found = dict[tuple[str | None, str, str, str], Recipient]
"""Notices by person, phone, channel and address."""


class Directory:
    """Who is on duty at one instant, by role. Made for one batch: what it has found it remembers.

    `on_duty` maps (unit, role) to the persons on duty. `flaw_of` tells which addresses can never work here; a
    person who has no other gets a notice on the desk too. None: all of them work.
    """

    def __init__(
        self,
        tree: UnitTree,
        on_duty: Mapping[tuple[str, str], Sequence[Duty]],
        flaw_of: FlawOf | None = None,
    ) -> None:
        self._tree = tree
        self._flaw_of = flaw_of
        self._on_duty: dict[tuple[str, str], tuple[Duty, ...]] = {}
        for (unit, role), duties in on_duty.items():
            key = (tree.resolve(unit) or unit, role)  # rows written under `root` follow the root
            self._on_duty[key] = self._on_duty.get(key, ()) + tuple(duties)
        self._found: dict[tuple[str, tuple[str, ...]], tuple[Recipient, ...]] = {}

    def recipients(self, unit: str, roles: Sequence[str]) -> tuple[Recipient, ...]:
        """Whom to notice of an incident of `unit`, an unknown code meaning the root; never empty.

        1. `unit.<role>` is sought in the unit, `superior.<role>` in the one above it (of the root: the root).
        2. A role that reaches nobody falls through at once, and every notice says so: to the unit's leader on
           duty; where nobody holds the role, to the desk with the nearest phone contact (one notice without a
           person, the first such role's for all of them); and up the tree, to the first unit where somebody who
           can be reached holds that role. Where somebody holds it who cannot be reached, a leader who can is
           enough.
        3. A person named twice at the same address gets one notice, for the first role.

        A person none of whose addresses can work here is told on the desk too, and counts as not reached; one who
        has no address at all is a person of the desk. An inactive unit counts as one where nobody is on duty.
        """
        key = (unit, tuple(roles))
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(self._tree.resolve(unit) or self._tree.root, key[1])
        return found

    def _search(self, unit: str, roles: tuple[str, ...]) -> tuple[Recipient, ...]:
        found: _Found = {}
        for to in roles:
            scope, _, role = to.partition(".")
            first = self._tree.superior(unit) if scope == "superior" else unit
            duties = self._duties(first, role)
            self._add(found, to, duties)
            if any(map(self._is_reachable, duties)):
                continue
            note = f"{NO_ADDRESS}:{_names(duties)}" if duties else f"{NOBODY}:{first}"
            leaders = self._duties(first, DutyRole.LEADER) if role != DutyRole.LEADER else ()
            if f"{scope}.{DutyRole.LEADER}" not in roles:
                self._add(found, to, leaders, f"{note}{PART}{FALL_THROUGH}:leader")
            if duties and any(map(self._is_reachable, leaders)):
                continue
            if not duties:
                phone = self._tree.phone(first)
                nobody = Recipient(to, None, phone, DESK, "", self._why_nobody(first, role))
                found.setdefault((None, "", DESK, ""), nobody)
            above = [each for unit in self._tree.path(first)[1:] if (each := self._duties(unit, role))]
            reached = (each for each in above if any(map(self._is_reachable, each)))
            self._add(found, to, next(reached, above[0] if above and not duties else ()), note)
        if (
            not found
        ):  # a ladder step without recipients: a fired step writes at least one notice all the same
            found[None, "", DESK, ""] = Recipient(
                "unit.duty_officer", None, self._tree.phone(unit), DESK, "", NOBODY
            )
        return tuple(found.values())

    def _add(self, found: _Found, to: str, duties: Sequence[Duty], note: str | None = None) -> None:
        for duty in duties:
            for channel, address, why in self._addresses(duty):
                notes = PART.join(part for part in (note, duty.note, why) if part)
                recipient = Recipient(to, duty.person, duty.phone or None, channel, address, notes or None)
                found.setdefault((duty.person, duty.phone, channel, address), recipient)

    def _duties(self, unit: str, role: str) -> tuple[Duty, ...]:
        """Who is there for the role; the absent are not."""
        if not self._tree.node(unit).is_active:
            return ()
        return tuple(duty for duty in self._on_duty.get((unit, role), ()) if not duty.is_absent)

    def _why_nobody(self, unit: str, role: str) -> str:
        absent = [duty for duty in self._on_duty.get((unit, role), ()) if duty.is_absent]
        is_active = self._tree.node(unit).is_active
        return f"{NOBODY}{PART}{ABSENT}:{_names(absent)}" if absent and is_active else NOBODY

    def _is_reachable(self, duty: Duty) -> bool:
        return not duty.channels or self._works(duty)

    def _works(self, duty: Duty) -> bool:
        """Whether something may arrive at any of the person's own addresses."""
        return any(self._flaw_of is None or self._flaw_of(address) is None for address in duty.channels)

    def _addresses(self, duty: Duty) -> list[tuple[str, str, str | None]]:
        """Channel, address, and what is to be noted of it."""
        addresses = [(*channel_of(address), None) for address in duty.channels]
        if self._works(duty):
            return [*addresses]
        return [*addresses, (DESK, "", NO_ADDRESS if duty.channels else None)]


def _names(duties: Iterable[Duty]) -> str:
    """The persons, for a note: without what separates its parts."""
    return ", ".join(dict.fromkeys(noted(duty.person) for duty in duties))


def is_of_duty(part: str) -> bool:
    """Whether a part of a note says why the notice went where it went."""
    word, colon, _ = part.partition(":")
    return word in _OF_DUTY and (bool(colon) or word in (NOBODY, NO_ADDRESS, OVERRIDE))


def noted(name: str) -> str:
    """A name as it stands in a note: nothing in it looks like the end of a part."""
    return " ".join(name.replace(";", " ").replace("|", " ").split())


def recipients(
    tree: UnitTree, on_duty: Mapping[tuple[str, str], Sequence[Duty]], unit: str, roles: Sequence[str]
) -> tuple[Recipient, ...]:
    """As `Directory.recipients`, for a single question."""
    return Directory(tree, on_duty).recipients(unit, roles)
