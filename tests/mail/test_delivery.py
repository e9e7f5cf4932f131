"""Connections to mail servers: TLS, certificates and passwords."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trustme

from api.mail import smtp_connections
from tests.mail.queue import names, queue, until_settled
from tests.mail.smtp import MailServer
from tests.support import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A certificate for 127.0.0.1 that this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context  # pyright: ignore


async def test_a_password_goes_over_tls_where_it_is_offered(
    database: asyncpg.Connection,
    smtp: MailServer,
    start: Callable[[], Any],
    settings: Settings,
    tls: ssl.SSLContext,
) -> None:
    await smtp.stop()
    await smtp.start(tls)
    settings(SMTP_URL=f"smtp://beta:p%40ss@127.0.0.1:{smtp.port}")
    await queue()
    await start()
    await until_settled(database)

    assert smtp.passwords == [(b"beta", b"p@ss", True)]
    assert names(smtp.accepted) == ["Ana"]


async def test_a_server_with_an_untrusted_certificate_gets_nothing(
    database: asyncpg.Connection,
    smtp: MailServer,
    start: Callable[[], Any],
    settings: Settings,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    await smtp.stop()
    await smtp.start(tls)
    settings(SMTP_URL=f"smtp://beta:pass@127.0.0.1:{smtp.port}")
    await queue()
    await start()
    await until_settled(database)

    assert (smtp.passwords, smtp.seen) == ([], [])
    assert "CERTIFICATE_VERIFY_FAILED" in str(await database.fetchval("SELECT error FROM mails"))


async def test_no_password_goes_to_another_machine_without_tls(
    database: asyncpg.Connection,
    smtp: MailServer,
    start: Callable[[], Any],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings(SMTP_URL=f"smtp://beta:pass@127.0.0.1:{smtp.port}")
    await queue()
    await start()
    await until_settled(database)
    assert smtp.passwords == [(b"beta", b"pass", False)]

    monkeypatch.setattr(smtp_connections, "_LOCAL_HOSTS", ())
    # The connection of the first mail would be used again.
    monkeypatch.setattr(smtp_connections, "IDLE_TIMEOUT", 0)
    await asyncio.sleep(0.2)
    await queue()
    await until_settled(database)

    assert (len(smtp.passwords), names(smtp.accepted)) == (1, ["Ana"])
    assert "offers no TLS" in str(await database.fetchval("SELECT error FROM mails"))
