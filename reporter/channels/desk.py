"""The desk: a notice is delivered once it is recorded, for the board shows what is recorded."""

from reporter.channels.contract import Message, Receipt
from reporter.core.roster import DESK
from reporter.core.terms import NoticeState
from reporter.settings import Settings


class Desk:
    """Sends nothing: the record is the delivery. The notices loop takes these in bulk, without texts."""

    name = DESK

    async def send(self, message: Message) -> Receipt:  # noqa: ARG002
        return Receipt(NoticeState.DELIVERED)


def make(_settings: Settings) -> Desk:
    return Desk()


CHANNEL = make
