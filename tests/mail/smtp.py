"""A real SMTP server that a test can make refuse, delay, or disconnect."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support import free_port

Answer = Callable[["MailServer"], Awaitable[str]]

ACCEPTED = "250 OK"


class MailServer:
    """An SMTP server on a local port, in the event loop of the test.

    `answers` are its reactions to the next mails, one for each; later mails are accepted.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.accepted: list[EmailMessage] = []
        self.seen: list[EmailMessage] = []
        """The mails that were received completely, whatever the reply was."""
        self.answers: list[str | Answer] = []
        self.recipient_answers: list[str] = []
        self.drops_quit = False
        self.passwords: list[tuple[bytes, bytes, bool]] = []
        """User, password, and whether the connection had TLS."""
        self.connections = 0
        self._server: asyncio.Server | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """With `tls` the server offers STARTTLS."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self._protocol(tls), "127.0.0.1", self.port
        )

    def _protocol(self, tls: ssl.SSLContext | None) -> SMTP:
        self.connections += 1
        return SMTP(
            self,
            hostname="smtp.test",
            ident="test",
            enable_SMTPUTF8=True,
            tls_context=tls,
            authenticator=self._authenticate,
            auth_require_tls=False,
        )

    def _authenticate(
        self, server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        assert server.transport is not None
        over_tls = server.transport.get_extra_info("sslcontext") is not None
        self.passwords.append((given.login, given.password, over_tls))
        return AuthResult(success=True)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return ACCEPTED

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.seen.append(message)
        assert isinstance(server.transport, asyncio.Transport)
        self.transport = server.transport
        answer = self.answers.pop(0) if self.answers else ACCEPTED
        if callable(answer):
            answer = await answer(self)
        if answer == ACCEPTED:
            self.accepted.append(message)
        return answer

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        if self.drops_quit and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return "221 Bye"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


async def hang_up(server: MailServer) -> str:
    """Close the connection instead of replying."""
    server.transport.abort()
    return "451 nobody hears this"


def after(seconds: float, answer: str = ACCEPTED) -> Answer:
    async def wait(_server: MailServer) -> str:
        await asyncio.sleep(seconds)
        return answer

    return wait
