"""The worker: sends due mails, deletes expired rows once an hour, and dumps the database once a day."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from api.database.driver_errors import DISCONNECTED
from api.database.engine import get_engine
from api.deploy.backup.schedule import dump_daily
from api.deploy.migrations.server_processes import registered_process
from api.domain import mails
from api.domain.cleanup import clean_up
from api.domain.mails import ClaimedMail
from api.mail.compose import compose
from api.mail.delivery import PermanentFailure, deliver, describe_failure
from api.mail.heartbeat import heartbeat
from api.mail.smtp_connections import SmtpConnections
from api.observability.error_descriptions import describe_error
from api.observability.error_reporting import report_error
from api.observability.logs import configure_logging, get_logger
from api.settings import get_settings

logger = get_logger()

POLL_INTERVAL = 1.0
"""Seconds between two queries of an empty queue."""

RETRY_DELAYS = (5, 30, 120, 600, 1800, 7200, 21_600, 43_200)
"""Seconds before each retry. A mail fails permanently when the last retry has failed."""

MAX_BACKOFF = 60.0
"""Longest delay in seconds between two queries while the queue cannot be read."""

CLEANUP_INTERVAL = 3600.0
"""Seconds between two clean-ups."""

SHUTDOWN_TIMEOUT = 10.0
"""Seconds for a stopping worker to finish the mails that it is sending."""


def run(*, beside_server: bool) -> None:
    """Work until SIGINT or SIGTERM. With `beside_server`, also until standard input is closed."""
    configure_logging()
    if beside_server:
        # Requests have priority over mails.
        os.nice(10)
    asyncio.run(_run(beside_server=beside_server))


async def _run(*, beside_server: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if beside_server:
        # The server holds the other end of this pipe and never writes. The pipe closes when the server ends,
        # even by SIGKILL.
        loop.add_reader(sys.stdin.fileno(), stop.set)
    with contextlib.suppress(*DISCONNECTED):
        # An outage may end, so the worker starts all the same. A role that bypasses row security stops it.
        await get_engine().check_role()
    await get_engine().start_connection_pool()
    try:
        if not beside_server:
            _log_start()
        # The health of a server is that of its own process.
        beats = contextlib.nullcontext(_ignore) if beside_server else heartbeat()
        with beats as beat:
            async with registered_process("worker"):
                await work(stop, beat)
    finally:
        await get_engine().close_connection_pool()


def _log_start() -> None:
    """Not beside a server, which logs the same."""
    logger.info("the worker is running")
    if get_settings().smtp_url is None and get_settings().outbox is None:
        logger.warning("SMTP_URL is unset; mails wait in the database until it is set")


def _ignore() -> None:
    pass


async def work(stop: asyncio.Event, beat: Callable[[], None] = _ignore) -> None:
    """Work until `stop` is set, then finish the mails that are being sent. Calls `beat` regularly."""
    # Concurrently, because a mail must not wait for a clean-up: a one-time code expires after ten minutes.
    others = {asyncio.create_task(_clean_up_hourly()), asyncio.create_task(dump_daily(get_settings()))}
    try:
        await _send_mails(stop, beat)
    finally:
        for task in others:
            task.cancel()
        await asyncio.wait(others)


async def _clean_up_hourly() -> None:
    while True:
        try:
            await clean_up()
        except Exception as error:  # noqa: BLE001
            # The next clean-up may succeed.
            report_error(error)
        await asyncio.sleep(CLEANUP_INTERVAL)


async def _send_mails(stop: asyncio.Event, beat: Callable[[], None]) -> None:
    settings = get_settings()
    if settings.outbox is not None:
        logger.info("SMTP_URL is unset; mails are written to files", outbox=str(settings.outbox))
    elif settings.smtp_url is None:
        while not stop.is_set():
            beat()
            await _wait(stop, set(), POLL_INTERVAL)
        return
    url = settings.smtp_url
    connections = None if url is None else SmtpConnections(url.get_secret_value())
    try:
        await _send_with(connections, stop, beat)
    finally:
        if connections is not None:
            await connections.close_unused(all_of_them=True)


async def _send_with(
    connections: SmtpConnections | None, stop: asyncio.Event, beat: Callable[[], None]
) -> None:
    sending: set[asyncio.Task[None]] = set()
    delay = POLL_INTERVAL
    while not stop.is_set():
        beat()
        try:
            free = get_settings().mail_concurrency - len(sending)
            claimed = await mails.claim_mails(free) if free else []
            sending |= {asyncio.create_task(_send(mail, connections)) for mail in claimed}
            delay = POLL_INTERVAL
        except Exception as error:  # noqa: BLE001
            # The worker survives any error of the queue, and goes on when the queue can be read again.
            report_error(error)
            delay = min(2 * delay, MAX_BACKOFF)
        if connections is not None:
            await connections.close_unused()
        sending = await _wait(stop, sending, delay)
    if sending:
        _, unfinished = await asyncio.wait(sending, timeout=SHUTDOWN_TIMEOUT)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


async def _wait(
    stop: asyncio.Event, sending: set[asyncio.Task[None]], seconds: float
) -> set[asyncio.Task[None]]:
    """Wait until `stop` is set, a mail is finished, or the time is up. Returns the unfinished tasks."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, *sending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    return {task for task in sending if not task.done()}


async def _send(mail: ClaimedMail, connections: SmtpConnections | None) -> None:
    if mail.expired:
        await _store(lambda: mails.mark_failed(mail, "it expired before it could be sent"))
    elif mail.tries > len(RETRY_DELAYS) + 1:
        await _store(lambda: mails.mark_failed(mail, "the worker ended during each attempt to send it"))
    else:
        await _attempt(mail, connections)


async def _attempt(mail: ClaimedMail, connections: SmtpConnections | None) -> None:
    settings = get_settings()
    renewal = asyncio.create_task(_renew_lease(mail))
    try:
        message = compose(mail, settings.sender)
        accepted = partial(_store, lambda: mails.delete_sent(mail))
        await deliver(mail, message, settings, connections, accepted)
    except Exception as error:  # noqa: BLE001
        await _record_failure(mail, error)
    finally:
        renewal.cancel()


async def _renew_lease(mail: ClaimedMail) -> None:
    """Renew the lease of a mail while it is sent. A lease outlasts one failed renewal."""
    while True:
        await asyncio.sleep(mails.LEASE.total_seconds() / 3)
        with contextlib.suppress(Exception):
            await mails.renew_lease(mail)


async def _record_failure(mail: ClaimedMail, error: Exception) -> None:
    # A server's reply may repeat secrets of the mail. It is stored with the mail, and not logged.
    is_permanent = isinstance(error, PermanentFailure) or mail.tries > len(RETRY_DELAYS)
    logger.warning(
        "a mail failed permanently; see: gatehouse mail failed" if is_permanent else "a mail will be retried",
        mail=mail.id,
        template=mail.template.value,
        tries=mail.tries,
        error=type(error.__cause__ or error).__name__,
    )
    if is_permanent:
        await _store(lambda: mails.mark_failed(mail, describe_failure(error.__cause__ or error)))
    else:
        # Jitter spreads the retries after an outage of the SMTP server.
        delay = RETRY_DELAYS[mail.tries - 1] * random.uniform(0.9, 1.1)  # noqa: S311
        await _store(lambda: mails.schedule_retry(mail, describe_failure(error), timedelta(seconds=delay)))


async def _store(outcome: Callable[[], Awaitable[None]]) -> None:
    """Store the outcome of a mail, and retry until that succeeds: an accepted mail must not be sent again."""
    delay = 0.1
    while True:
        try:
            return await outcome()
        except Exception as error:  # noqa: BLE001
            logger.error("the outcome of a mail cannot be stored yet", error=describe_error(error))
            await asyncio.sleep(delay)
            delay = min(2 * delay, 5)
