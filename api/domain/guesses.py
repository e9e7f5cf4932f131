"""Guesses of beta keys and one-time codes. A limit that wrong ones exhaust is recorded, at most once an hour.

A wrong guess alone is not recorded: people mistype, and an attacker could fill the audit events. Of passwords
and second factors, which belong to an account, each refusal is recorded.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.database.scopes import platform_scope
from api.domain import rate_limits
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import RateLimited
from api.domain.rate_limits import Limit, Subject


async def check_guess(limit: Limit, actor: Actor, *subjects: Subject) -> None:
    """As `rate_limits.check`; `actor` is who guesses."""
    async with _recording(limit, actor, subjects[0]):
        await rate_limits.check(limit, *subjects)


async def settle_guess(limit: Limit, actor: Actor, *subjects: Subject, wrong: bool) -> None:
    """As `rate_limits.settle_guess`; `actor` is who guesses."""
    async with _recording(limit, actor, subjects[0]):
        await rate_limits.settle_guess(limit, *subjects, wrong=wrong)


@asynccontextmanager
async def _recording(limit: Limit, actor: Actor, subject: Subject) -> AsyncIterator[None]:
    try:
        yield
    except RateLimited:
        if await rate_limits.is_first_refusal(limit, subject):
            async with platform_scope():
                await record_event("guesses.refused", actor, detail={"of": limit.guessed})
        raise
