"""A mail is sent exactly if its act was committed; none is lost, and no accepted mail is sent twice."""

import asyncio
import logging
import math
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from api.database.scopes import platform_scope, tenant_scope
from api.domain import mails
from api.domain.mails import DELAY_BUCKETS, Template, queue_mail
from api.mail import worker
from tests.domain.accounts.codes import REQUEST_VERIFICATION
from tests.mail.queue import names, queue, until, until_settled
from tests.mail.smtp import ACCEPTED, MailServer, after, hang_up
from tests.support import Api, Settings, everything, issue_key, registration, run_gatehouse

pytestmark = pytest.mark.anyio


# When a mail exists


async def test_a_registration_sends_a_welcome_mail(
    api: Api, database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    form = registration(await issue_key(database), firstName="Ana <b>", businessName="El Ahorro & Co")
    await api.register(form)
    await start()
    await until_settled(database)

    (message,) = smtp.accepted
    assert message["To"] == form["email"]
    assert "El Ahorro & Co" in message.get_body(("plain",)).get_content()  # pyright: ignore
    assert "Ana &lt;b&gt;" in message.get_body(("html",)).get_content()  # pyright: ignore
    assert await database.fetchval("SELECT count(*) FROM mails") == 0


async def test_a_failed_registration_sends_nothing(
    api: Api, database: asyncpg.Connection, smtp: MailServer
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    taken = await api.register(registration(await issue_key(database), email=form["email"]))
    used = await api.register(registration(form["betaKey"]))

    assert (taken["__typename"], used["__typename"]) == ("EmailTaken", "BetaKeyRejected")
    assert await database.fetchval("SELECT count(*) FROM mails") == 1


async def test_a_mail_is_rolled_back_with_its_transaction(pool: None, database: asyncpg.Connection) -> None:
    async def fail() -> None:
        async with platform_scope():
            await queue_mail(Template.PASSWORD_CHANGED, to="ana@example.com", language="en", firstName="Ana")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await database.fetchval("SELECT count(*) FROM mails") == 0


async def test_a_tenant_queues_mails_and_reads_none(api: Api, database: asyncpg.Connection) -> None:
    """A mail may contain a code."""
    tenant = (await api.register(registration(await issue_key(database))))["tenant"]["id"]

    async with tenant_scope(tenant):
        await queue_mail(Template.PASSWORD_CHANGED, to="ana@example.com", language="es", firstName="Ana")
        assert await mails.Mail.select() == []

    assert await database.fetchval("SELECT count(*) FROM mails") == 2


async def test_no_request_waits_for_a_mail(
    api: Api, database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    """The server accepts the mail, and does not reply before the end of the test."""
    released = asyncio.Event()

    async def hang(_server: MailServer) -> str:
        await released.wait()
        return "250 OK"

    smtp.answers = [hang]
    await start()
    await api.register(registration(await issue_key(database)))
    await until(lambda: smtp.seen)

    answer = await api.register(registration(await issue_key(database)))

    assert answer["__typename"] == "Registration"
    await until(lambda: len(smtp.accepted) == 1)
    released.set()
    await until_settled(database)
    assert len(smtp.accepted) == 2


# Behaviours of servers


async def test_a_mail_is_sent_when_an_unreachable_server_is_up_again(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_DELAYS", (0.05,) * 1000)
    await smtp.stop()
    await queue()
    await start()
    async with asyncio.timeout(20):
        while not await database.fetchval("SELECT tries > 2 AND error IS NOT NULL FROM mails"):
            await asyncio.sleep(0.01)

    await smtp.start()
    await until_settled(database)

    assert names(smtp.accepted) == ["Ana"]


async def test_retry_delays_grow(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    pauses = worker.RETRY_DELAYS
    smtp.answers = ["451 try later"] * 3
    await queue()
    await start()
    await until(lambda: len(smtp.seen) == 3)

    assert list(pauses) == sorted(set(pauses))
    await until_settled(database)
    assert names(smtp.accepted) == ["Ana"]
    assert len({message["Message-ID"] for message in smtp.seen}) == 1


@pytest.mark.parametrize("at", ["recipient", "data"])
async def test_a_temporary_refusal_is_retried(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any], at: str
) -> None:
    (smtp.recipient_answers if at == "recipient" else smtp.answers).append("451 greylisted")
    await queue()
    await start()
    await until_settled(database)

    assert names(smtp.accepted) == ["Ana"]


@pytest.mark.parametrize("at", ["recipient", "data"])
async def test_a_permanent_refusal_is_not_retried(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any], at: str
) -> None:
    """The failed mail is stored for an operator, without its values."""
    refusal = "550 no such mailbox"
    (smtp.recipient_answers if at == "recipient" else smtp.answers).extend([refusal] * 10)
    await queue()
    await start()
    await until_settled(database)

    row = await database.fetchrow("SELECT * FROM mails")
    assert row is not None
    assert (row["tries"], row["error"], row["values"]) == (1, refusal, "{}")
    assert smtp.accepted == []


async def test_after_the_last_retry_an_operator_sees_the_failure(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    smtp.answers = ["421 over quota"] * 100
    await queue()
    await start()
    await until_settled(database)

    code, listed = run_gatehouse(os.environ["DATABASE_URL"], "mail", "failed", "--json")
    _, table = run_gatehouse(os.environ["DATABASE_URL"], "mail", "failed", COLUMNS="200")

    (failed,) = orjson.loads(listed)
    assert code == 0
    assert len(smtp.seen) == failed["tries"] == len(worker.RETRY_DELAYS) + 1
    assert failed["template"] == "password_changed"
    assert failed["recipient"] == "ana@example.com"
    assert failed["error"] == "421 over quota"
    assert "over quota" in table
    assert await database.fetchval('SELECT "values" FROM mails') == "{}"


async def test_a_connection_lost_before_the_reply_is_retried_with_the_same_id(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    """The worker cannot know whether the mail was accepted; the Message-ID shows it to the recipient."""
    smtp.answers = [hang_up]
    await queue()
    await start()
    await until_settled(database)

    assert len(smtp.seen) == 2
    assert len({message["Message-ID"] for message in smtp.seen}) == 1
    assert names(smtp.accepted) == ["Ana"]


async def test_a_connection_lost_after_the_reply_does_not_repeat_the_mail(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    smtp.drops_quit = True
    await queue()
    await start()
    await until_settled(database)

    assert names(smtp.seen) == ["Ana"]


@pytest.mark.slow
async def test_a_slow_server_gets_a_mail_once_and_delays_no_other(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower than the lease: the worker renews it, so that no other worker claims the mail."""
    monkeypatch.setattr(mails, "LEASE", timedelta(seconds=0.6))
    smtp.answers = [after(2.5)]
    await queue("Slow")
    await start()
    await start()
    await until(lambda: smtp.seen)
    await queue("Fast")
    await until_settled(database)

    assert names(smtp.accepted) == ["Fast", "Slow"]
    assert len(smtp.seen) == 2


async def test_an_expired_code_is_not_sent(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    await queue()
    await database.execute("""UPDATE mails SET "expiresAt" = now() - interval '1 second'""")
    await start()
    await until_settled(database)

    assert smtp.connections == 0
    assert await database.fetchval("SELECT error LIKE 'it expired before%' AND \"values\" = '{}' FROM mails")


async def test_many_workers_send_each_of_many_mails_once(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    for number in range(60):
        await queue(f"Ana{number}")
    for _ in range(4):
        await start()
    await until_settled(database)

    assert sorted(names(smtp.accepted)) == sorted(f"Ana{number}" for number in range(60))


async def test_a_mail_of_a_newer_version_waits_for_that_versions_worker(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    await database.execute("INSERT INTO mails (template, recipient, language) VALUES ('new', 'x', 'en')")
    await queue()
    await start()
    await until(lambda: smtp.accepted)

    assert await database.fetchval("SELECT tries FROM mails WHERE template = 'new'") == 0


# The database


async def test_a_mail_accepted_while_the_database_fails_is_not_sent_again(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    async def lose_the_table(_server: MailServer) -> str:
        await database.execute("ALTER TABLE mails RENAME TO mails_away")
        return "250 OK"

    smtp.answers = [lose_the_table]
    await queue()
    try:
        await start()
        await until(lambda: smtp.accepted)
        await asyncio.sleep(0.5)
    finally:
        await database.execute("ALTER TABLE mails_away RENAME TO mails")
    await until_settled(database)
    await asyncio.sleep(0.2)

    assert names(smtp.seen) == ["Ana"]


async def test_a_worker_survives_an_unreadable_queue(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    await database.execute("ALTER TABLE mails RENAME TO mails_away")
    try:
        await start()
        await asyncio.sleep(0.1)
    finally:
        await database.execute("ALTER TABLE mails_away RENAME TO mails")
    await queue()
    await until_settled(database)

    assert names(smtp.accepted) == ["Ana"]


async def test_no_mail_waits_for_the_clean_up(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    """A lock stops the clean-up during this test."""
    waiting = "SELECT array_agg(pid) FROM pg_locks WHERE NOT granted"
    async with database.transaction():
        await database.execute("LOCK TABLE sessions")
        await start()
        async with asyncio.timeout(20):
            while not (cleaning := await database.fetchval(waiting)):
                await asyncio.sleep(0.01)
        await queue()
        await until(lambda: smtp.accepted)

        assert await database.fetchval(waiting) == cleaning


async def test_a_tenant_that_cannot_be_erased_does_not_stop_the_clean_up(
    api: Api, database: asyncpg.Connection, start: Callable[[], Any]
) -> None:
    """Tables of the old system refer to its users."""
    await api.register(registration(await issue_key(database)))
    await database.execute("""UPDATE tenants SET "deletedAt" = now() - interval '99 years'""")
    await database.execute("""UPDATE sessions SET "expiresAt" = now()""")
    await database.execute('CREATE TABLE orders ("userId" uuid REFERENCES users (id))')
    try:
        await database.execute("INSERT INTO orders SELECT id FROM users")
        await start()
        async with asyncio.timeout(20):
            while await database.fetchval("SELECT count(*) FROM sessions"):
                await asyncio.sleep(0.01)
    finally:
        await database.execute("DROP TABLE orders")


async def test_the_log_contains_nothing_of_a_mail(
    api: Api,
    database: asyncpg.Connection,
    smtp: MailServer,
    start: Callable[[], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even if the server repeats the mail in its replies."""
    caplog.set_level(logging.DEBUG)
    await api.data(REQUEST_VERIFICATION, e="ana@example.com")
    code = str(await database.fetchval("""SELECT "values"->>'code' FROM mails"""))
    smtp.answers = [f"451 {code} for ana@example.com?", hang_up, f"554 {code} for ana@example.com!"]
    await start()
    await until_settled(database)

    assert len(smtp.seen) == 3
    # The server of the tests records everything.
    logged = everything(record for record in caplog.records if record.name != "mail.log")
    assert "a mail will be retried" in logged
    assert code not in logged
    assert "ana@example.com" not in logged


async def test_many_mails_go_over_few_connections(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any], settings: Settings
) -> None:
    """As many at once as MAIL_CONCURRENCY says, where the server takes its time."""
    settings(SMTP_URL=smtp.url, MAIL_FROM="beta@example.com", MAIL_CONCURRENCY="7")
    at_once, most = 0, 0

    async def accept(_server: MailServer) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.2)
        at_once -= 1
        return ACCEPTED

    smtp.answers = [accept] * 30
    for number in range(30):
        await queue(f"Ana{number}")
    await start()
    await until_settled(database)

    assert sorted(names(smtp.accepted)) == sorted(f"Ana{number}" for number in range(30))
    # On a busy machine some may be finished before the last of them begins.
    assert 4 <= most <= smtp.connections <= 7


async def test_a_connection_that_the_server_has_closed_is_not_a_failed_try(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    await queue("Ana")
    await start()
    await until_settled(database)
    smtp.transport.abort()
    await queue("Luz")
    await database.execute("UPDATE mails SET tries = 3")
    await until_settled(database)

    assert names(smtp.accepted) == ["Ana", "Luz"]
    assert smtp.connections == 2
    assert await database.fetchval("SELECT count(*) FROM mails") == 0


async def test_the_delay_from_the_queue_to_the_server_is_counted(
    database: asyncpg.Connection, smtp: MailServer, start: Callable[[], Any]
) -> None:
    for name, minutes in (("Ana", 0), ("Luz", 3), ("Eva", 90)):
        await queue(name)
        await database.execute(
            """UPDATE mails SET "createdAt" = "createdAt" - $1::interval WHERE "values"->>'firstName' = $2""",
            timedelta(minutes=minutes),
            name,
        )
    await start()
    await until_settled(database)

    delays = await mails.mail_delays()
    assert delays.counts[DELAY_BUCKETS.index(300.0)] == 1
    assert delays.counts[DELAY_BUCKETS.index(math.inf)] == 1
    assert sum(delays.counts) == 3
    assert 93 * 60 < delays.seconds < 94 * 60
