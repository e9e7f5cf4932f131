"""Setting up second factors, and signing in with them."""

from typing import Any

import asyncpg
import pyotp
from pyotp.totp import TOTP

from tests.account_acts import code_now
from tests.support import PASSWORD, Api

LOGIN = """
mutation($i: LoginInput!) { login(input: $i) { __typename ... on Error { code message }
  ... on SignedIn { accessToken mustSetUpSecondFactor }
  ... on SecondFactorRequired { challenge expiresAt } } }
"""

VERIFY = """
mutation($i: VerifySecondFactorInput!) { verifySecondFactor(input: $i) { __typename
  ... on SignedIn { accessToken user { email } } ... on Error { code message } } }
"""

START = """
mutation { startSecondFactor { __typename ... on SecondFactorSetup { secret address qrCode } } }
"""

CONFIRM = """
mutation($c: String!) { confirmSecondFactor(code: $c) { __typename
  ... on RecoveryCodes { codes } ... on Error { code } } }
"""

STATE = "{ secondFactor { isOn isRequired recoveryCodesLeft } }"


async def sign_in(api: Api, email: str, password: str = PASSWORD) -> Any:
    return (await api.data(LOGIN, i={"email": email, "password": password}))["login"]


async def challenge_of(api: Api, email: str) -> str:
    answer = await sign_in(api, email)
    assert answer["__typename"] == "SecondFactorRequired"
    return answer["challenge"]


async def verify(api: Api, challenge: str, code: str) -> Any:
    return (await api.data(VERIFY, i={"challenge": challenge, "code": code}))["verifySecondFactor"]


async def set_up(api: Api, token: str) -> tuple[str, list[str]]:
    """Set an app up; returns its secret and the recovery codes. The code of the current step is used up."""
    secret = (await api.data(START, token))["startSecondFactor"]["secret"]
    confirmed = (await api.data(CONFIRM, token, c=code_now(secret)))["confirmSecondFactor"]
    assert confirmed["__typename"] == "RecoveryCodes", confirmed
    return secret, confirmed["codes"]


async def used_code(database: asyncpg.Connection, secret: str) -> str:
    """The code of an app that was used last."""
    step = await database.fetchval('SELECT "lastUsedStep" FROM authenticator_apps')
    return TOTP(secret).at(30 * int(step or 0))


async def unused_code(database: asyncpg.Connection, secret: str) -> str:
    """A code of an app that is valid now."""
    step = await database.fetchval(
        """SELECT greatest("lastUsedStep" + 1, floor(extract(epoch FROM now()) / 30)::bigint)
             FROM authenticator_apps"""
    )
    return TOTP(secret).at(30 * int(step or 0))


def wrong_code(secret: str) -> str:
    """A code that the app shows neither now nor soon."""
    shown = {code_now(secret, later) for later in range(-3, 10)}
    return next(code for code in map("{:06}".format, range(20)) if code not in shown)


async def forget_steps(database: asyncpg.Connection) -> None:
    """Let the codes of the current steps be used again, instead of waiting for 30 seconds."""
    await database.execute('UPDATE authenticator_apps SET "lastUsedStep" = NULL')


def secret_of(address: str) -> str:
    """The secret in the address that a QR code contains."""
    app = pyotp.parse_uri(address)
    assert isinstance(app, TOTP)
    return app.secret
