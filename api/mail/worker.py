"""The worker: sends the mails that are due, and cleans up once an hour."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from api.database.driver_errors import DISCONNECTED
from api.database.engine import get_engine
from api.domain import mails
from api.domain.cleanup import clean_up
from api.domain.mails import ClaimedMail
from api.mail.compose import compose
from api.mail.delivery import Refused, deliver, describe_refusal
from api.observability.error_descriptions import describe_error
from api.observability.error_reporting import report_error
from api.observability.logs import configure_logging, get_logger
from api.settings import get_settings

logger = get_logger()

AT_ONCE = 4
"""Mails that are being sent at the same time, so that one slow server's answer does not hold up the rest."""

POLL = 1.0
"""Seconds between two looks into an empty queue."""

PAUSES = (5, 30, 120, 600, 1800, 7200, 21_600, 43_200)
"""Seconds to wait after each try that failed; after the one that follows the last, a mail is given up."""

LONGEST_BREAK = 60.0
"""Seconds to wait at most when the queue itself cannot be reached."""

CLEAN_UP_EVERY = 3600.0

GRACE = 10.0
"""Seconds that a worker which is to stop leaves to the mails that it is sending."""


def run(*, beside_server: bool) -> None:
    """Work until SIGINT or SIGTERM; beside a server that started this process, until standard input ends."""
    configure_logging()
    if beside_server:
        # A mail can wait for the processor; somebody who registers should not wait for mails.
        os.nice(10)
    asyncio.run(_run(beside_server=beside_server))


async def _run(*, beside_server: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(ending, stop.set)
    if beside_server:
        # The server holds the other end and never writes: it ends with the server, however that ends.
        loop.add_reader(sys.stdin.fileno(), stop.set)
    with contextlib.suppress(*DISCONNECTED):
        # A database that is away may come back; a role that sees through row security stays what it is.
        await get_engine().check_role()
    await get_engine().start_connection_pool()
    try:
        if not beside_server:
            logger.info("working")
        await work(stop)
    finally:
        await get_engine().close_connection_pool()


async def work(stop: asyncio.Event) -> None:
    """Work until `stop` is set, and end the mails that were begun."""
    # Beside the mails, which would wait for it otherwise: a code is of no use after ten minutes.
    cleaning = asyncio.create_task(_keep_clean())
    try:
        await _send_mails(stop)
    finally:
        cleaning.cancel()
        await asyncio.wait({cleaning})


async def _keep_clean() -> None:
    while True:
        try:
            await clean_up()
        except Exception as error:  # noqa: BLE001
            # Whatever was in the way may be gone in an hour.
            report_error(error)
        await asyncio.sleep(CLEAN_UP_EVERY)


async def _send_mails(stop: asyncio.Event) -> None:
    if get_settings().smtp_url is None:
        logger.info("SMTP_URL is unset; mails are written", outbox=str(get_settings().outbox))
    sending: set[asyncio.Task[None]] = set()
    pause = POLL
    while not stop.is_set():
        try:
            taken = await mails.claim_mails(AT_ONCE - len(sending)) if len(sending) < AT_ONCE else []
            sending |= {asyncio.create_task(_send(mail)) for mail in taken}
            pause = POLL
        except Exception as error:  # noqa: BLE001
            # Whatever keeps the queue from being read, the worker must be there when it can be again.
            report_error(error)
            pause = min(2 * pause, LONGEST_BREAK)
        sending = await _wait(stop, sending, pause)
    if sending:
        _, late = await asyncio.wait(sending, timeout=GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _wait(
    stop: asyncio.Event, sending: set[asyncio.Task[None]], pause: float
) -> set[asyncio.Task[None]]:
    """Until something ends or `pause` seconds have passed; returns what is still being sent."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, *sending}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    return {task for task in sending if not task.done()}


async def _send(mail: ClaimedMail) -> None:
    if mail.expired:
        await _settle(lambda: mails.mark_failed(mail, "it was of no use any more before it could be sent"))
    elif mail.tries > len(PAUSES) + 1:
        await _settle(lambda: mails.mark_failed(mail, "the worker ended while it was being sent, each time"))
    else:
        await _try(mail)


async def _try(mail: ClaimedMail) -> None:
    settings = get_settings()
    renewing = asyncio.create_task(_renew(mail))
    try:
        message = compose(mail, settings.sender)
        await deliver(mail, message, settings, lambda: _settle(lambda: mails.delete_sent(mail)))
    except Exception as error:  # noqa: BLE001
        await _fail(mail, error)
    finally:
        renewing.cancel()


async def _renew(mail: ClaimedMail) -> None:
    """A mail that takes long is still this worker's; a lease leaves time for a renewal that fails."""
    while True:
        await asyncio.sleep(mails.LEASE.total_seconds() / 3)
        with contextlib.suppress(Exception):
            await mails.renew_lease(mail)


async def _fail(mail: ClaimedMail, error: Exception) -> None:
    # What the server said stands with the mail: an answer may repeat what was in it, the log must not.
    final = isinstance(error, Refused) or mail.tries > len(PAUSES)
    logger.warning(
        "a mail is given up: see gatehouse mail failed" if final else "a mail will be tried again",
        mail=mail.id,
        template=mail.template.value,
        tries=mail.tries,
        error=type(error.__cause__ or error).__name__,
    )
    if final:
        await _settle(lambda: mails.mark_failed(mail, describe_refusal(error.__cause__ or error)))
    else:
        # Not all at once, when a server comes back that was away for all of them.
        pause = PAUSES[mail.tries - 1] * random.uniform(0.9, 1.1)  # noqa: S311
        await _settle(lambda: mails.schedule_retry(mail, describe_refusal(error), timedelta(seconds=pause)))


async def _settle(outcome: Callable[[], Awaitable[None]]) -> None:
    """Write down how it went, however long that takes: what was accepted would be sent again otherwise."""
    pause = 0.1
    while True:
        try:
            return await outcome()
        except Exception as error:  # noqa: BLE001
            logger.error("the outcome of a mail cannot be written down yet", error=describe_error(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, 5)
