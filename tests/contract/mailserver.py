"""A real mail server (aiosmtpd) in the test's own loop, which takes, refuses, hangs or drops as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TLS = Path(__file__).with_name("tls")
CERTIFICATE = TLS / "cert.pem"
PASSWORD = "pass-word-of-the-test"


# ruff: noqa: ARG002 - the server calls with what it has, whether or not we look at it
@dataclass
class Post:
    """What has been delivered, and what is answered: `to`, to a recipient; `data`, to a letter."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    to: dict[str, str] = field(default_factory=dict)
    data: str = "250 2.0.0 OK queued as 7KQF"
    hangs: bool = False
    takes_s: float = 0.0
    hangs_at_quit: bool = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        answer = self.to.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
            self.recipients.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(self.takes_s)
        if self.data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            letter = message_from_bytes(envelope.content, policy=default)
            assert isinstance(letter, EmailMessage)
            self.letters.append(letter)
            self.secured.append(session.ssl is not None)
        return self.data

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hangs_at_quit:
            await asyncio.Event().wait()
        return "221 Bye"

    def check(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, TLS / "key.pem")
    return context


@asynccontextmanager
async def posting(*, starttls: bool = False, tls: bool = False, auth: bool = False) -> AsyncIterator[Post]:
    """A mail server on a free port of loopback."""
    post = Post()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(
            post,
            hostname="mail.test",
            loop=loop,
            tls_context=_context() if starttls else None,
            require_starttls=starttls,
            auth_required=auth,
            authenticator=post.check if auth else None,
            auth_require_tls=starttls,
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=_context() if tls else None)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
