"""E-mail: one message to one address, through the mail server of the settings. Its 250 is `accepted`, no more.

Nothing goes out unencrypted unless the account says `security = "none"`: where STARTTLS is wanted and not
offered, or a certificate does not hold, the sending fails for good and the next channel has its turn.
"""

import asyncio
import re
import ssl
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime
from time import monotonic
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr

from reporter.channels.accounts import Account, Accounts, accounts, scrubbed
from reporter.channels.contract import ChannelError, Message, Receipt, refusal_of
from reporter.core.roster import SMTP
from reporter.core.terms import NoticeState
from reporter.settings import Settings
from reporter.timesource import SystemTime

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
QUIT_S: Final = 1.0
"""How long a server that has the letter may take to say good-bye."""
_MAILBOX = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)
_DISPLAYED = re.compile(r"\s*(?P<name>[^<>\r\n]*?)\s*<(?P<mailbox>[^<>]*)>\s*")


def _sender(value: str) -> str:
    _parsed(value)
    return value


def _parsed(value: str) -> Address:
    """`值班室 <duty@x.example>` or a bare mailbox. Errors: ValueError."""
    found = _DISPLAYED.fullmatch(value)
    name, mailbox = (found["name"], found["mailbox"]) if found else ("", value)
    if _MAILBOX.fullmatch(mailbox):
        with suppress(
            MessageError, ValueError
        ):  # dots where none may be: the library says so in several ways
            return Address(name, addr_spec=mailbox)
    msg = "not a mail address such as duty@example.org"
    raise ValueError(msg)


class Server(Account):
    """One mail server. `port`: absent, the usual one of `security`."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: Annotated[str, AfterValidator(_sender)]
    ca_file: str | None = None
    connections: Annotated[int, Field(ge=1, le=32)] = 8

    @property
    def places(self) -> int:
        return self.connections


class Mail:
    """Sends mail. One connection for each message, at most `connections` of an account at once."""

    name = SMTP

    def __init__(self, servers: Accounts[Server]) -> None:
        self._servers = self.accounts = servers
        self.timeout_s = servers.timeout_s
        self.at_once = servers.at_once
        self.part = servers.part
        self.account_of = servers.account_of

    async def send(self, message: Message) -> Receipt:
        server, to = self._receiver(message.address)
        async with self._servers.place(server):
            return await _send(server, to, _letter(server, to, message))

    def flaw_of(self, address: str) -> str | None:
        return refusal_of(self._receiver, address)

    def _receiver(self, address: str) -> tuple[Server, Address]:
        """Through whom, and to whom. Errors: ChannelError, permanent."""
        server, target = self._servers.split(address)
        try:
            return server, _parsed(target)
        except ValueError as error:
            raise ChannelError(str(error), permanent=True) from None


def _letter(server: Server, to: Address, message: Message) -> EmailMessage:
    """The message as it goes out. Its id is the notice's, so that a repeated delivery can be told."""
    sender = _parsed(server.sender)
    letter = EmailMessage(POLICY)
    letter["From"] = sender
    letter["To"] = to
    letter["Subject"] = " ".join(message.subject.split())
    letter["Date"] = format_datetime(SystemTime().now())
    letter["Message-ID"] = f"<{re.sub('[^A-Za-z0-9.-]', '-', message.id)}@{sender.domain}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter["Importance"] = "high"
    letter["X-Priority"] = "1"
    letter.set_content(message.text)
    return letter


async def _send(server: Server, to: Address, letter: EmailMessage) -> Receipt:
    """Sends within the server's time limit, good-bye and all. Errors: ChannelError."""
    import aiosmtplib as smtp

    secrets = () if server.password is None else (server.password,)
    client = smtp.SMTP(
        hostname=server.host,
        port=server.port or PORTS[server.security],
        timeout=server.timeout_s,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
    )
    ends_s = monotonic() + server.timeout_s
    try:
        async with asyncio.timeout(server.timeout_s):
            await client.connect(tls_context=await asyncio.to_thread(_tls, server))
            if server.username is not None and server.password is not None:
                await client.login(server.username, server.password.get_secret_value())
            _, answer = await client.send_message(letter, recipients=[to.addr_spec])
        with suppress(smtp.SMTPException, OSError):  # the server has it, whatever it says to this
            await client.quit(timeout=max(0.0, min(QUIT_S, ends_s - monotonic())))
    except smtp.SMTPRecipientsRefused as refused:
        first = refused.recipients[0]
        raise _error(first.code, first.message, secrets) from None
    except smtp.SMTPResponseException as refused:
        raise _error(refused.code, refused.message, secrets) from None
    except TimeoutError:  # the client's own is one as well
        msg = f"no answer within {server.timeout_s:g} s"
        raise ChannelError(msg, permanent=False) from None
    except (smtp.SMTPException, OSError, ValueError) as error:
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in (error, error.__cause__)):
            raise ChannelError("the server's certificate does not hold", permanent=True) from None
        if type(error) is smtp.SMTPException:  # encryption or log-in is wanted, and not offered
            raise ChannelError(scrubbed(str(error), secrets), permanent=True) from None
        raise ChannelError(type(error).__name__, permanent=False) from None
    finally:
        client.close()
    return Receipt(NoticeState.ACCEPTED, detail=scrubbed(f"250 {answer}", secrets))


def _error(code: int, said: str, secrets: tuple[SecretStr, ...]) -> ChannelError:
    """5xx is for good (bad address, bad password, refused content), 4xx may pass."""
    return ChannelError(scrubbed(f"{code} {said}", secrets), permanent=500 <= code < 600)


def _tls(server: Server) -> ssl.SSLContext | None:
    if server.security == "none":
        return None
    context = ssl.create_default_context(cafile=server.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def make(settings: Settings) -> Mail | None:
    servers = accounts(settings, SMTP, Server)
    return Mail(servers) if servers else None


CHANNEL = make
