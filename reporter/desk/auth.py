"""Who is asking, and what they may do: one table of rights, scoped to a unit's subtree.

A token is looked up in the database at most once a second, so a revocation is seen within one; so are units.
Wrong tokens are counted per address. Once an address has had too many, further wrong ones are answered 429; a
right one is always let in, because an emergency from behind a shared address must never wait for somebody
else's mistake, and a secret of 256 bits needs no other guard.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from time import monotonic
from typing import Final

from fastapi import Request

from reporter import metrics
from reporter.core.roster import UnitTree
from reporter.core.terms import AccountRole, CommandKind
from reporter.desk.problems import HttpProblem, forbidden
from reporter.store.database import Database
from reporter.store.people import load_tree
from reporter.store.queries import Scope, Standing
from reporter.store.tokens import Account, lookup

FRESH_S: Final = 1.0
ACCOUNTS_MAX: Final = 1024
FAILURES_MAX: Final = 20
FAILURES_WINDOW_S: Final = 60.0
ADDRESSES_MAX: Final = 4096


class Action(StrEnum):
    """What one may or may not do; the commands are named by their kinds."""

    READ = "read"
    REJECTED = "rejected"
    """Read what the bus brought and nobody understood: it has no unit, so it is the root's alone."""
    ROSTER = "roster"
    """Record swaps, overrides and absences, and hand out calendar links."""
    ROLL_CALL = "roll_call"
    """Write down that a duty post was called, and who answered."""


_EVERYTHING: Final = frozenset({*CommandKind, *Action})
_UNIT: Final = {CommandKind.OCCURRED, CommandKind.FILED, CommandKind.ACKNOWLEDGED, CommandKind.EXPLAINED}

RIGHTS: Final[Mapping[AccountRole, frozenset[CommandKind | Action]]] = {
    AccountRole.DUTY: _EVERYTHING - {CommandKind.FOUND},
    AccountRole.LEADER: _EVERYTHING,
    AccountRole.UNIT: frozenset({*_UNIT, Action.READ}),
    AccountRole.AUDITOR: frozenset({CommandKind.FOUND, *Action}) - {Action.ROSTER},
    AccountRole.ADMIN: _EVERYTHING,
}
"""The one place of rights. All of them hold within the subtree of the account's unit."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, and the units as they stood when it was looked up. `unit` is a registered code."""

    account: Account
    tree: UnitTree
    unit: str

    @property
    def is_at_root(self) -> bool:
        return self.unit == self.tree.root

    @property
    def scope(self) -> Scope:
        """The units whose incidents the caller may see; None at the root: all of them."""
        return None if self.is_at_root else self.tree.subtree(self.unit)

    def may(self, action: CommandKind | Action) -> bool:
        """Whether the role has the right; where it holds is another question."""
        if action is Action.REJECTED and not self.is_at_root:
            return False
        return action in RIGHTS[self.account.role]

    def require(self, action: CommandKind | Action) -> None:
        """Errors: 403."""
        if not self.may(action):
            role = self.account.role.value
            raise forbidden(f"角色 {role} 无此权限 / the role {role} may not do this here")

    def sees(self, standing: Standing) -> bool:
        """Whether the incident is within the caller's subtree, or was opened from within it."""
        scope = self.scope
        return scope is None or standing.unit in scope or standing.opened_from in scope


class Authenticator:
    """Turns bearer tokens into callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._callers: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._tree: tuple[float, UnitTree] | None = None
        self._failures = _Failures()

    async def caller(self, request: Request) -> Caller:
        """The caller of an API request. Errors: 401 without a token or with a wrong one, 429."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise _unauthorized("需要令牌 / a bearer token is needed", 'Bearer realm="reporter"')
        return await self.check(request, secret)

    async def check(self, request: Request, secret: str) -> Caller:
        """The caller whose secret this is. Errors: 401 if it is nobody's, 429 after too many such."""
        address = request.client.host if request.client else ""
        caller = await self.known(secret)
        if caller is not None:
            return caller
        metrics.AUTH_FAILURES.inc()
        wait_s = self._failures.count(address)
        if wait_s is not None:
            detail = "错误令牌过多，请稍后再试 / too many wrong tokens: wait"
            raise HttpProblem(429, "too_many_requests", detail, headers={"Retry-After": str(wait_s)})
        raise _unauthorized(
            "令牌无效或已吊销 / the token is wrong or revoked",
            'Bearer realm="reporter", error="invalid_token"',
        )

    async def known(self, secret: str) -> Caller | None:
        """The caller whose secret this is, or None. What is answered was true within the last second."""
        now = monotonic()
        key = sha256(secret.encode(errors="replace")).digest()
        cached = self._callers.get(key)
        if cached is not None and now - cached[0] < FRESH_S:
            return cached[1]
        async with self._database.snapshot() as connection:
            account = await lookup(connection, secret)
            if account is None:
                self._callers.pop(key, None)
                return None
            if self._tree is None or now - self._tree[0] >= FRESH_S:
                self._tree = now, await load_tree(connection)
        tree = self._tree[1]
        unit = tree.resolve(account.unit)
        if unit is None:
            return None
        caller = Caller(account, tree, unit)
        self._callers[key] = now, caller
        self._callers.move_to_end(key)
        while len(self._callers) > ACCOUNTS_MAX:
            self._callers.popitem(last=False)
        return caller


def _unauthorized(detail: str, challenge: str) -> HttpProblem:
    return HttpProblem(401, "unauthorized", detail, headers={"WWW-Authenticate": challenge})


class _Failures:
    """Wrong tokens per address in a window of time; the addresses longest quiet are forgotten first."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, address: str) -> int | None:
        """Counts one more. Once it is one too many: the whole seconds until the window ends."""
        now = monotonic()
        started, failures = self._windows.pop(address, (now, 0))
        if now - started >= FAILURES_WINDOW_S:
            started, failures = now, 0
        self._windows[address] = started, failures + 1
        while len(self._windows) > ADDRESSES_MAX:
            self._windows.popitem(last=False)
        if failures < FAILURES_MAX:
            return None
        return int(started + FAILURES_WINDOW_S - now) + 1
