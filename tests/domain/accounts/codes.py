"""Requesting, reading and using one-time codes."""

from typing import Any

import asyncpg

from tests.support import Api

NEW_PASSWORD = "N3w!secret"

REQUEST_RESET = """
mutation($e: String!) { requestPasswordReset(email: $e) { __typename
  ... on Accepted { message expiresAt }
  ... on Error { code message } ... on InvalidInput { fields { field } } } }
"""

RESET = """
mutation($i: ResetPasswordInput!) { resetPassword(input: $i) { __typename
  ... on Done { message } ... on Error { code message } ... on InvalidInput { fields { field code } } } }
"""

REQUEST_VERIFICATION = """
mutation($e: String!) { requestEmailVerification(email: $e) { __typename
  ... on Accepted { message expiresAt }
  ... on Error { code } ... on InvalidInput { fields { field code } } } }
"""

VERIFY = """
mutation($e: String!, $c: String!) { verifyEmail(email: $e, code: $c) { __typename
  ... on EmailVerified { token } ... on Error { code } } }
"""


async def mailed(database: asyncpg.Connection, template: str) -> list[asyncpg.Record]:
    """The queued mails of a template, the oldest first."""
    return await database.fetch(
        """SELECT recipient, language, "values"->>'code' AS code FROM mails
            WHERE template = $1 ORDER BY "createdAt" """,
        template,
    )


async def code_for_reset(api: Api, database: asyncpg.Connection, email: str) -> str:
    assert (await api.data(REQUEST_RESET, e=email))["requestPasswordReset"]["__typename"] == "Accepted"
    return (await mailed(database, "password_reset_code"))[-1]["code"]


async def reset(api: Api, email: str, code: str, password: str = NEW_PASSWORD) -> Any:
    return (await api.data(RESET, i={"email": email, "code": code, "newPassword": password}))["resetPassword"]


async def verified(api: Api, database: asyncpg.Connection, email: str) -> str:
    """The token for an address."""
    asked = await api.data(REQUEST_VERIFICATION, e=email)
    assert asked["requestEmailVerification"]["__typename"] == "Accepted"
    code = (await mailed(database, "verification_code"))[-1]["code"]
    return (await api.data(VERIFY, e=email, c=code))["verifyEmail"]["token"]


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
