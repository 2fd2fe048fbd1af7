"""What a channel needs to know of the next hop: accounts, from the settings' tables `[channels.<channel>.<account>]`.

A roster names an account (`dingtalk:ops-group`) and holds no secret. A value may be written where others
cannot read it: `{ env = "NAME" }` is the variable's value, `{ file = "path" }` the file's, without the white
space around it. Nothing here repeats a value: a mistake is told by its key.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from reporter.channels.contract import UNNAMED, ChannelError
from reporter.settings import Settings, SettingsError

DEFAULT: Final = "default"
"""The account of an address that names none."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SECRET_CHARS_MIN: Final = 4
_REFERENCES: Final = ({"env"}, {"file"})
_FILE_BYTES_MAX: Final = 64 * 1024
AT_ONCE_MAX: Final = 32


class Account(BaseModel):
    """One account: every key is a field, an unknown one a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0

    @property
    def places(self) -> int:
        """How many sendings it carries at once."""
        return AT_ONCE_MAX


A = TypeVar("A", bound=Account)


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", value):
        msg = "must be http(s)://…"
        raise ValueError(msg)
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Accounts(dict[str, A]):
    """A channel's accounts by name."""

    def __init__(self, channel: str, accounts: Mapping[str, A]) -> None:
        super().__init__(accounts)
        self._channel = channel
        self._free = {id(each): asyncio.Semaphore(each.places) for each in accounts.values()}

    def of(self, name: str) -> A:
        """The account. Errors: ChannelError, permanent, for one that the settings do not have."""
        try:
            return self[name]
        except KeyError:
            msg = f"no account [channels.{self._channel}.{shown(name)}] in the settings"
            raise ChannelError(msg, permanent=True) from None

    def split(self, target: str) -> tuple[A, str]:
        """The account that a target names, and the target within it. Errors: as `of`."""
        name, rest = parted(target)
        return self.of(name), rest

    def place(self, account: A) -> asyncio.Semaphore:
        """What a sending holds while it is under way. Waiting for it is no part of the sending and has no limit: the
        loop starts no more than there are places (`part`), so that only those wait who come past it."""
        return self._free[id(account)]

    def part(self, target: str) -> tuple[str, int]:
        """The account's name of `account/target`, and how many sendings it carries at once."""
        name, _ = parted(target)
        account = self.get(name)
        return name, 1 if account is None else account.places

    def account_of(self, target: str) -> str:
        """The account's name of `account/target`, as people may see it."""
        name, _ = parted(target)
        return shown(name)

    @property
    def at_once(self) -> int:
        """How many sendings all of them carry at once."""
        return min(AT_ONCE_MAX, sum(account.places for account in self.values()))

    @property
    def timeout_s(self) -> float:
        """The longest time limit of them all, in seconds."""
        return max((account.timeout_s for account in self.values()), default=0.0)


def parted(target: str) -> tuple[str, str]:
    """`account/target`, or `target` alone for the account `default`, as the account's name and the rest."""
    name, slash, rest = target.partition("/")
    return (name, rest) if slash else (DEFAULT, target)


def shown(name: str) -> str:
    """An account's name as people may see it, whether or not there is such an account."""
    return name if _NAME.fullmatch(name) else UNNAMED


def accounts(settings: Settings, channel: str, kind: type[A]) -> Accounts[A]:
    """The accounts of a channel. Errors: SettingsError with everything that is wrong with them."""
    tables = settings.channels.document.get(channel, {})
    where = f"channels.{channel}"
    if not isinstance(tables, Mapping):
        raise SettingsError([f"{where}: expected tables [{where}.<account>]"])
    problems: list[str] = []
    found: dict[str, A] = {}
    for name, table in tables.items():
        path = f"{where}.{name}"
        if not _NAME.fullmatch(name):
            problems.append(f"{path}: an account's name is a-z, 0-9, - and _, and begins with a letter")
        elif not isinstance(table, Mapping):
            problems.append(f"{path}: expected a table [{path}]")
        else:
            before = len(problems)
            values = _resolved(table, path, settings.channels.folder, problems)
            if len(problems) == before:
                try:
                    found[name] = kind.model_validate(values)
                except ValidationError as wrong:
                    problems += [
                        f"{'.'.join([path, *map(str, each['loc'])])}: {each['msg']}"
                        for each in wrong.errors(include_input=False, include_context=False)
                    ]
    if problems:
        raise SettingsError(problems)
    return Accounts(channel, found)


def _resolved(value: object, path: str, folder: Path, problems: list[str]) -> object:
    """The value with what it refers to in its place."""
    if isinstance(value, list):
        return [_resolved(each, f"{path}.{n}", folder, problems) for n, each in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if set(value) not in _REFERENCES or not all(isinstance(each, str) for each in value.values()):
        return {key: _resolved(each, f"{path}.{key}", folder, problems) for key, each in value.items()}
    ((kind, name),) = value.items()
    if kind == "env":
        text = os.environ.get(name, "").strip()
        if not text:
            problems.append(f"{path}: the environment has no {name}")
        return text
    try:
        with (folder / Path(name).expanduser()).open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as reason:
        problems.append(f"{path}: {name} cannot be read ({type(reason).__name__})")
        return ""


def scrubbed(said: str, secrets: list[SecretStr] | tuple[SecretStr, ...]) -> str:
    """What the other side said, as one short line in which no secret is repeated."""
    for secret in secrets:
        if len(value := secret.get_secret_value()) >= _SECRET_CHARS_MIN:
            said = said.replace(value, "***")
    line = " ".join(said.split())
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)[:160]
