"""Telling the owner of an account about wrong passwords, and about wrong codes of the second factor.

Each is mailed at most once a day.
"""

import hashlib
from datetime import datetime

from api.database.scopes import platform_scope
from api.domain import rate_limits
from api.domain.actors import Actor, Client
from api.domain.mails import Template, queue_mail
from tables import User, WrongPassword

MAX_WITHOUT_MAIL = 10
"""Wrong passwords of an account in a day without a mail: more than people mistype."""

MAX_CODES_WITHOUT_MAIL = 4
"""Wrong codes of the second factor in a day without a mail. Only a person with the password or a session can
try one, so the mail comes with the wrong code that exhausts the limit of a network by default."""


async def record_wrong_password(email: str, user: User | None, client: Client) -> None:
    """Record a wrong password for an address, and mail its active user if there are many.

    An address without an account takes the same statements, so that the time reveals no account.
    """
    async with platform_scope():
        mailed_at = await _record(bytes.fromhex(rate_limits.account_digest(email)), MAX_WITHOUT_MAIL)
        if mailed_at is not None:
            active = user if user is not None and user.is_active else None
            await queue_mail(
                Template.WRONG_PASSWORDS,
                to=active.email if active else None,
                language=client.language,
                firstName=active.first_name if active else None,
                at=mailed_at.isoformat(),
                tries=MAX_WITHOUT_MAIL,
            )


async def record_wrong_second_factor(user: User, actor: Actor) -> None:
    """Record a wrong code of a sign-in or of a session in the open transaction, and mail the user if there
    are many.

    For the user, not for the address: a new address must not forget that another person has the password.
    """
    digest = hashlib.sha256(f"second factor {user.id}".encode()).digest()
    mailed_at = await _record(digest, MAX_CODES_WITHOUT_MAIL)
    if mailed_at is not None:
        await queue_mail(
            Template.WRONG_SECOND_FACTORS,
            to=user.email,
            language=actor.client.language,
            firstName=user.first_name,
            at=mailed_at.isoformat(),
            tries=MAX_CODES_WITHOUT_MAIL + 1,
            inSession=actor.session_id is not None,
        )


async def _record(digest: bytes, without_mail: int) -> datetime | None:
    """Record a wrong try in the open transaction; returns its time if the owner must be mailed now."""
    (row,) = await WrongPassword.raw(_RECORD, digest, without_mail, without_mail)
    return row["lastAt"] if row["isMailed"] else None


# The lock on the row makes concurrent tries wait for each other, and one of them gets the empty array. A mail
# empties it, so that the next one needs as many tries again, and a day.
_RECORD = """
INSERT INTO wrong_passwords AS known ("accountDigest", times) VALUES ({}, ARRAY[now()])
ON CONFLICT ("accountDigest") DO UPDATE SET (times, "mailedAt", "lastAt") = (
    SELECT CASE WHEN is_due THEN ARRAY[]::timestamptz[] ELSE recent || now() END,
           CASE WHEN is_due THEN now() ELSE known."mailedAt" END, now()
      FROM (SELECT recent, cardinality(recent) >= {}
                   AND coalesce(known."mailedAt" <= now() - interval '1 day', true) AS is_due
              FROM (SELECT ARRAY(SELECT at FROM unnest(known.times) at
                                  WHERE at > now() - interval '1 day' ORDER BY at DESC LIMIT {}) AS recent
                   ) tries) decided)
RETURNING "lastAt", cardinality(times) = 0 AS "isMailed"
"""
