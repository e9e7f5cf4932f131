"""Authenticator apps: time-based codes (RFC 6238) of six digits, a new one each 30 seconds."""

import hmac
import re
from uuid import UUID

import pyotp
from pyotp.totp import TOTP

from api.domain.accounts.second_factors.secret_encryption import seal, unseal
from api.domain.errors import Conflict
from tables import AuthenticatorApp

ISSUER = "Gatehouse"

_SIX_DIGITS = re.compile(r"[0-9]{6}")


def app_address(email: str, secret: str) -> str:
    """The `otpauth://` address that an app reads from a QR code."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


async def store_new_app(user_id: UUID) -> str:
    """Store a new secret in the open transaction, in place of an unconfirmed one; returns the secret.

    Raises `Conflict` if the user has a confirmed app.
    """
    secret = pyotp.random_base32()
    stored = await AuthenticatorApp.raw(_STORE, user_id, seal(secret))
    if not stored:
        raise Conflict
    return secret


_STORE = """
INSERT INTO authenticator_apps AS app ("userId", secret) VALUES ({}, {})
ON CONFLICT ("userId") DO UPDATE
   SET secret = EXCLUDED.secret, "createdAt" = now(), "lastUsedStep" = NULL WHERE app."confirmedAt" IS NULL
RETURNING id
"""


async def confirm_app(user_id: UUID) -> None:
    """Make the app of a user count, in the open transaction. Raises `Conflict` unless it is unconfirmed."""
    confirmed = await AuthenticatorApp.raw(
        'UPDATE authenticator_apps SET "confirmedAt" = now()'
        ' WHERE "userId" = {} AND "confirmedAt" IS NULL RETURNING id',
        user_id,
    )
    if not confirmed:
        raise Conflict


async def delete_app(user_id: UUID) -> None:
    """Delete the app of a user in the open transaction."""
    await AuthenticatorApp.delete().where(AuthenticatorApp.user_id == user_id)


async def use_app_code(user_id: UUID, code: str, *, is_confirmed: bool = True) -> bool:
    """Use a code up in the open transaction; false if it is wrong, or of a step that was used.

    The steps before and after the current one count too, for phones whose clock is wrong.
    """
    if not _SIX_DIGITS.fullmatch(code):
        return False
    rows = await AuthenticatorApp.raw(_LOCK, user_id, is_confirmed)
    if not rows:
        return False
    app, now = TOTP(unseal(rows[0]["secret"])), rows[0]["step"]
    used = -1 if rows[0]["lastUsedStep"] is None else rows[0]["lastUsedStep"]
    steps = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(app.generate_otp(step), code)]
    unused = [step for step in steps if step > used]
    if not unused:
        return False
    await AuthenticatorApp.update({AuthenticatorApp.last_used_step: unused[0]}).where(
        AuthenticatorApp.user_id == user_id
    )
    return True


# The lock makes concurrent uses of one code wait for each other. The step is that of the database's clock.
_LOCK = """
SELECT secret, "lastUsedStep", floor(extract(epoch FROM now()) / 30)::bigint AS step
  FROM authenticator_apps WHERE "userId" = {} AND ("confirmedAt" IS NOT NULL) = {} FOR UPDATE
"""
