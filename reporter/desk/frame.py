"""The frame of a page: who is looking, where one can go from here, and the page's address in the other language.

The navigation shows what is there: an entry whose route no page has, or which the reader's role may not use, is
left out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Request

from reporter.core.terms import AccountRole, CommandKind
from reporter.desk.auth import Action, Caller, Right
from reporter.engine.troubles import Trouble

LANGUAGE_COOKIE: Final = "reporter_language"
LANGUAGE_COOKIE_S: Final = 400 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """One place one can go to. `keys` are what a script listens for, `shown_key` what the reader is told."""

    href: str
    title: tuple[str, str]
    icon: str
    right: Right = Action.READ
    keys: str = ""
    shown_key: str = ""


NAVIGATION: Final = (
    Entry("/", ("看板", "Board"), "board", keys="g b", shown_key="G B"),
    Entry("/log", ("登记", "Log"), "log", CommandKind.OCCURRED, keys="n", shown_key="N"),
    Entry("/audit", ("核查", "Audit"), "audit", keys="g a", shown_key="G A"),
    Entry("/handover", ("交接", "Handover"), "handover", keys="g h", shown_key="G H"),
    Entry("/roster", ("名册", "Roster"), "roster", keys="g r", shown_key="G R"),
    Entry("/search", ("搜索", "Search"), "search", keys="/", shown_key="/"),
)
MENU: Final = (
    Entry("/account", ("我的账号", "My account"), "account", Action.SELF),
    Entry("/accounts", ("账号管理", "Accounts"), "account", Action.ACCOUNTS),
    Entry("/channels", ("通知渠道", "Channels"), "bell", Action.CHANNELS),
    Entry("/desk-log", ("值班台日志", "The desk's log"), "audit", Action.LOG),
)


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as this page shows it."""

    href: str
    title: tuple[str, str]
    icon: str
    keys: str
    shown_key: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What the layout needs beside the page's own context; `account` is None where nobody is signed in.

    `here` is the page's address, ready for a `lang=…` to be put behind it; `chosen_language` is what the reader
    has just asked for, to be remembered. `troubles` is what is wrong with the service, as the hub last heard.
    """

    account: str | None
    role: AccountRole | None
    unit: str
    nav: tuple[Link, ...]
    menu: tuple[Link, ...]
    here: str
    chosen_language: str | None = None
    troubles: tuple[Trouble, ...] = ()


NOBODY: Final = Frame(None, None, "", (), (), "?")
"""The frame of a page that anybody may see."""


def frame_of(
    request: Request, caller: Caller | None, routes: Collection[str], troubles: tuple[Trouble, ...] = ()
) -> Frame:
    """The frame around the answer to `request`; `routes` are those that pages have."""
    path = request.url.path
    rest = [(name, value) for name, value in parse_qsl(request.url.query) if name != "lang"]
    here = f"?{urlencode(rest)}&" if rest else "?"
    asked = request.query_params.get("lang")
    if caller is None:
        return Frame(None, None, "", (), (), here, asked)
    role = caller.account.role

    def links(entries: tuple[Entry, ...]) -> tuple[Link, ...]:
        return tuple(
            Link(each.href, each.title, each.icon, each.keys, each.shown_key, _is_at(path, each.href))
            for each in entries
            if each.href in routes and caller.may(each.right)
        )

    unit = caller.tree.node(caller.unit).name
    return Frame(
        caller.account.title,
        AccountRole(role),
        unit,
        links(NAVIGATION),
        links(MENU),
        here,
        asked,
        troubles,
    )


def _is_at(path: str, href: str) -> bool:
    return path == href or (href != "/" and path.startswith(f"{href}/"))
