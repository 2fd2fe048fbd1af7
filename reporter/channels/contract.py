"""What a channel is: one async method, which sends one message or says whether trying again can help.

A channel knows nothing of incidents, the database or retries: it is handed finished texts. `sending/`
owns wording and patience, `engine/notify.py` the order and the record.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from reporter.core.terms import Mode, NoticeReason, NoticeState

MARKS = {Mode.ACTUAL: "", Mode.EXERCISE: "【演练】", Mode.TEST: "【测试】"}
"""What every text of an exercise or a test begins with."""
NO_CHANNEL: Final = "there is no such channel here"
"""What is said of an address on a channel that does not exist."""
UNNAMED: Final = "…"
"""What people see in place of an account's name that can be none, since it may be a secret in the wrong place."""


@dataclass(slots=True)
class Message:
    """One notice, ready to be sent to one address.

    `id` is the notice's, the same at every attempt: a receiver tells repeated deliveries by it. `person`
    is None where nobody is on duty. `subject` (one line) and `text` are Chinese first, English second, and
    marked by `mode` here, so that no channel can leave the mark out. `payload` holds the facts for
    machines, JSON values only, without the texts. `due_at` is the obligation's, not the notice's. `short` is
    one line for a text message, in one language; `phone` the person's; `link` leads to the incident,
    `ack_url` acknowledges with one tap; both stand in `text` as well.
    """

    id: str
    mode: Mode
    reason: NoticeReason
    subject: str
    text: str
    to: str
    person: str | None
    address: str
    incident: str | None = None
    code: str | None = None
    title: str | None = None
    unit: str | None = None
    obligation: str | None = None
    step: str | None = None
    repeat: int = 1
    due_at: datetime | None = None
    short: str = ""
    phone: str | None = None
    link: str | None = None
    ack_url: str | None = None
    payload: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.short = self.short or self.subject
        if mark := MARKS[self.mode]:
            self.subject, self.text, self.short = (
                text if text.startswith(mark) else mark + text
                for text in (self.subject, self.text, self.short)
            )


@dataclass(slots=True)
class Receipt:
    """The channel's answer. `accepted`: the next hop took it; `delivered`: it is where the person looks.

    `provider_id` is the next hop's own number for the message, `detail` a short word for the record.
    """

    state: NoticeState
    provider_id: str | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.state not in (NoticeState.ACCEPTED, NoticeState.DELIVERED):
            msg = f"a receipt says accepted or delivered, not {self.state}; failing is a ChannelError"
            raise ValueError(msg)


class ChannelError(Exception):
    """A message was not sent, or nobody knows whether it was. `permanent`: trying again cannot help.

    The message is one short line without secrets: it is shown beside the notice. `retry_after_s`: the other
    side asked to be left alone for so many seconds.
    """

    def __init__(self, message: str, *, permanent: bool, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


class Channel(Protocol):
    """One way to send."""

    @property
    def name(self) -> str:
        """What addresses in a roster begin with: `[a-z][a-z0-9_-]*`."""
        ...

    async def send(self, message: Message) -> Receipt:
        """Sends once, within the channel's own time limit.

        May run many times at once, and is cancelled when the service stops. Errors: ChannelError and nothing
        else; anything else is a bug, and the message is tried again.
        """
        ...


@runtime_checkable
class Bounded(Protocol):
    """A channel that says how much it can carry: the loop takes no more than that at once."""

    @property
    def timeout_s(self) -> float:
        """The longest that one sending takes from where it has its place, in seconds."""
        ...

    @property
    def at_once(self) -> int:
        """How many sendings may be under way."""
        ...


@runtime_checkable
class Discerning(Protocol):
    """A channel that can tell without sending which addresses can never work.

    Whose addresses all cannot is nobody to rely on: others are told too, and whoever keeps the roster is warned.
    """

    def flaw_of(self, address: str) -> str | None:
        """Why nothing can ever arrive at the address: its account does not exist, or it is malformed. None: it may.

        The answer is what `send` would fail with for good: one short line without secrets. It is given at once, by
        the settings alone, and stays the same while the channel lives. Errors: none.
        """
        ...


@runtime_checkable
class Parted(Protocol):
    """A channel of accounts that carry so much each: what waits for one of them holds up no other."""

    def part(self, address: str) -> tuple[str, int]:
        """The account that an address is reached through, and how many sendings it carries at once."""
        ...


@runtime_checkable
class ByAccount(Protocol):
    """A channel whose accounts fail one by one: how it fares is kept for each."""

    @property
    def accounts(self) -> Collection[str]:
        """The accounts that can be sent through."""
        ...

    def account_of(self, address: str) -> str:
        """What a sending to this address goes through, as people may see it: an account's name, `https://host` where
        it is a URL, or `UNNAMED`; never a secret."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A channel that holds something open, such as connections."""

    async def close(self) -> None:
        """Lets go of it. The channel is not used afterwards."""
        ...


def refusal_of(read: Callable[[str], object], address: str) -> str | None:
    """For `flaw_of`: what `read`, by which `send` takes an address apart, refuses it with; None if it does not."""
    try:
        read(address)
    except ChannelError as error:
        return str(error)
    return None
