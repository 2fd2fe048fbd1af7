"""Who is asking, and what they may do: one table of rights, scoped to a unit's subtree. `doors` enforces it.

A program sends a token, a person's browser the cookie of a session. Either is looked up in the database at most
once a second, so a revocation is seen within one; so are units. Wrong tokens are counted per address. Once an
address has had too many, further wrong ones are answered 429; a right one is always let in, because an
emergency from behind a shared address must never wait for somebody else's mistake, and a secret of 256 bits
needs no other guard.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from time import monotonic
from typing import Final

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter import metrics
from reporter.core.roster import ROOT, UnitTree
from reporter.core.terms import AccountRole, CommandKind, label
from reporter.desk.limits import Failures
from reporter.desk.problems import HttpProblem, forbidden
from reporter.store import sessions, tokens
from reporter.store.database import Database
from reporter.store.people import load_tree
from reporter.store.queries import Standing
from reporter.store.restricted import Scope, Units, is_in_sight
from reporter.store.tokens import Account
from reporter.timesource import TimeSource

FRESH_S: Final = 1.0
ACCOUNTS_MAX: Final = 1024
FAILURES_MAX: Final = 20
FAILURES_WINDOW_S: Final = 60.0
COOKIE: Final = "reporter_session"
_CHALLENGE: Final = 'Bearer realm="reporter"'


class Action(StrEnum):
    """What one may or may not do; the commands are named by their kinds."""

    READ = "read"
    REJECTED = "rejected"
    """Read what the bus brought and nobody understood: it has no unit, so it is the root's alone."""
    ROSTER = "roster"
    """Record swaps, overrides and absences, and hand out calendar links."""
    ROLL_CALL = "roll_call"
    """Write down that a duty post was called, and who answered."""
    HANDOVER = "handover"
    """Hand a shift over: freeze, confirm, sign."""
    RESTRICTED = "restricted"
    """See the restricted incidents of the subtree; without it only those that one's own unit owns."""
    RESTRICT = "restrict"
    """Restrict an incident, and lift that."""
    LOG = "log"
    """Read the desk's log: who signed in, who saw restricted incidents, what became of accounts."""
    CHANNELS = "channels"
    """Send a test message through a channel; of the root alone."""
    ACCOUNTS = "accounts"
    """Make and change people's accounts."""
    SELF = "self"
    """One's own account: password, sessions. All that is left to whoever has to change the password first."""
    PUBLIC = "public"
    """No right at all: for anybody, signed in or not."""


Right = CommandKind | Action

_EVERYTHING: Final = frozenset[Right]({*CommandKind, *Action})
_UNIT: Final = {CommandKind.OCCURRED, CommandKind.FILED, CommandKind.ACKNOWLEDGED, CommandKind.EXPLAINED}
_ADMINISTERS: Final = {Action.ACCOUNTS, Action.CHANNELS, Action.LOG}

RIGHTS: Final[Mapping[AccountRole, frozenset[Right]]] = {
    AccountRole.DUTY: _EVERYTHING - _ADMINISTERS - {CommandKind.FOUND},
    AccountRole.LEADER: _EVERYTHING - _ADMINISTERS,
    AccountRole.UNIT: frozenset({*_UNIT, Action.READ, Action.HANDOVER, Action.SELF, Action.PUBLIC}),
    AccountRole.AUDITOR: frozenset(
        {CommandKind.FOUND, *Action}
        - {Action.ACCOUNTS, Action.CHANNELS, Action.HANDOVER, Action.RESTRICT, Action.ROSTER}
    ),
    AccountRole.ADMIN: _EVERYTHING,
}
"""The one place of rights. All of them hold within the subtree of the account's unit."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account, and the units as they stood when it was looked up. `unit` is a registered code.

    `session_id` is the visit's, of a person or a token's holder in a browser.
    """

    account: Account
    tree: UnitTree
    unit: str
    session_id: int | None = None

    @property
    def is_at_root(self) -> bool:
        return self.unit == self.tree.root

    @property
    def scope(self) -> Scope:
        """The units whose incidents the caller may see; None: all of them.

        Every query of incidents takes it: it also knows which restricted ones are in sight.
        """
        if self.is_at_root and self.may(Action.RESTRICTED):
            return None
        return self.within(self.unit)

    def within(self, unit: str) -> Units:
        """The part of the scope at or below a unit of the caller's subtree."""
        codes = self.tree.subtree(unit)
        if self.may(Action.RESTRICTED):
            return Units(codes, codes)
        own = {self.unit, ROOT} if self.is_at_root else {self.unit}
        return Units(codes, own & codes)

    def may(self, action: Right) -> bool:
        """Whether the role has the right; where it holds is another question."""
        if action in (Action.REJECTED, Action.CHANNELS) and not self.is_at_root:
            return False
        return action in RIGHTS[self.account.role]

    def require(self, action: Right) -> None:
        """Errors: 403."""
        if not self.may(action):
            zh, en = (label(AccountRole(self.account.role), language) for language in ("zh", "en"))
            raise forbidden(f"角色“{zh}”无此权限 / the role “{en}” may not do this here")

    def sees(self, standing: Standing) -> bool:
        """Whether the incident is within the caller's subtree, or was opened from within it, and not hidden."""
        return is_in_sight(
            self.scope, standing.unit, standing.opened_from, is_restricted=standing.is_restricted
        )


class Authenticator:
    """Turns the tokens of programs and the sessions of browsers into callers."""

    def __init__(self, database: Database, time: TimeSource) -> None:
        self._database = database
        self._time = time
        self._callers: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._tree: tuple[float, UnitTree] | None = None
        self._failures = Failures(FAILURES_MAX, FAILURES_WINDOW_S)

    async def caller(self, request: Request) -> Caller:
        """Whoever asks: by the token if one is sent, else by the session in the cookie.

        Errors: 401 without either or with a wrong token, 429 after too many of those.
        """
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        secret = secret.strip()
        if scheme.lower() == "bearer" and secret:
            return await self.check(request, secret)
        visit = request.cookies.get(cookie_name(request))
        visitor = await self.visitor(visit) if visit else None
        if visitor is None:
            raise _unauthorized("需要令牌或登录 / a bearer token is needed, or a session", _CHALLENGE)
        return visitor

    async def check(self, request: Request, secret: str) -> Caller:
        """The caller whose token this is. Errors: 401 if it is nobody's, 429 after too many such."""
        caller = await self.known(secret)
        if caller is not None:
            return caller
        metrics.AUTH_FAILURES.inc()
        wait_s = self._failures.count(address_of(request))
        if wait_s is not None:
            detail = "错误令牌过多，请稍后再试 / too many wrong tokens: wait"
            raise HttpProblem(429, "too_many_requests", detail, headers={"Retry-After": str(wait_s)})
        raise _unauthorized(
            "令牌无效或已吊销 / the token is wrong or revoked",
            _CHALLENGE + ', error="invalid_token"',
        )

    async def known(self, secret: str) -> Caller | None:
        """The caller whose token this is, or None. What is answered was true within the last second."""

        async def found(connection: AsyncConnection) -> tuple[Account, int | None] | None:
            account = await tokens.lookup(connection, secret)
            return None if account is None else (account, None)

        return await self._remembered(secret, found)

    async def visitor(self, secret: str) -> Caller | None:
        """The caller whose session this is, or None if it is over; true within the last second."""
        now = self._time.now()
        stale: list[int] = []

        async def found(connection: AsyncConnection) -> tuple[Account, int | None] | None:
            visit = await sessions.lookup(connection, secret, now)
            if visit is None:
                return None
            if visit.is_stale:
                stale.append(visit.id)
            return visit.account, visit.id

        caller = await self._remembered(secret, found)
        if caller is not None and stale:
            async with self._database.transaction() as connection:
                await sessions.touch(connection, stale[0], now)
        return caller

    def forget(self) -> None:
        """Looks everybody up anew: an account or a session has been changed here."""
        self._callers.clear()

    async def _remembered(
        self,
        secret: str,
        found: Callable[[AsyncConnection], Awaitable[tuple[Account, int | None] | None]],
    ) -> Caller | None:
        now = monotonic()
        key = sha256(secret.encode(errors="replace")).digest()
        cached = self._callers.get(key)
        if cached is not None and now - cached[0] < FRESH_S:
            return cached[1]
        async with self._database.snapshot() as connection:
            answer = await found(connection)
            if answer is None:
                self._callers.pop(key, None)
                return None
            if self._tree is None or now - self._tree[0] >= FRESH_S:
                self._tree = now, await load_tree(connection)
        account, session_id = answer
        tree = self._tree[1]
        unit = tree.resolve(account.unit)
        if unit is None:
            return None
        caller = Caller(account, tree, unit, session_id)
        self._callers[key] = now, caller
        self._callers.move_to_end(key)
        while len(self._callers) > ACCOUNTS_MAX:
            self._callers.popitem(last=False)
        return caller


def cookie_name(request: Request) -> str:
    """The session's cookie: over TLS one that no other host and no plain connection can have set."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE


def address_of(request: Request) -> str:
    """The network address that the request came from, or `` where there is none."""
    return request.client.host if request.client else ""


def _unauthorized(detail: str, challenge: str) -> HttpProblem:
    return HttpProblem(401, "unauthorized", detail, headers={"WWW-Authenticate": challenge})
