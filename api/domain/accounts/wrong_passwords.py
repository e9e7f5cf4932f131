"""Telling the owner of an account about many wrong passwords, at most once a day."""

from api.database.scopes import platform_scope
from api.domain import rate_limits
from api.domain.actors import Client
from api.domain.mails import Template, queue_mail
from tables import User, WrongPassword

MAX_WITHOUT_MAIL = 10
"""Wrong passwords of an account in a day without a mail: more than people mistype."""


async def record_wrong_password(email: str, user: User | None, client: Client) -> None:
    """Record a wrong password for an address, and mail its active user if there are many.

    An address without an account takes the same statements, so that the time reveals no account.
    """
    digest = bytes.fromhex(rate_limits.account_digest(email))
    async with platform_scope():
        (row,) = await WrongPassword.raw(_RECORD, digest, MAX_WITHOUT_MAIL, MAX_WITHOUT_MAIL)
        if row["isMailed"]:
            active = user if user is not None and user.is_active else None
            await queue_mail(
                Template.WRONG_PASSWORDS,
                to=active.email if active else None,
                language=client.language,
                firstName=active.first_name if active else None,
                at=row["lastAt"].isoformat(),
                tries=MAX_WITHOUT_MAIL,
            )


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
