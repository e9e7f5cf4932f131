"""Inviting staff, reading the mails, and accepting."""

from typing import Any

import asyncpg
import orjson

from tests.domain.tenants.business import ERRORS, Business
from tests.support import Api

INVITATION = "id email firstName lastName role documentId phoneNumber createdAt sentAt expiresAt isExpired"

INVITE = f"""
mutation($i: InviteStaffInput!) {{ inviteStaff(input: $i) {{ __typename
  ... on StaffInvitation {{ {INVITATION} }} {ERRORS} ... on NoSeat {{ role max }}
  ... on RateLimited {{ retryAfterSeconds }} }} }}
"""

RESEND = f"""
mutation($id: ID!) {{ resendInvitation(id: $id) {{ __typename
  ... on StaffInvitation {{ {INVITATION} }} ... on Error {{ code message }}
  ... on RateLimited {{ retryAfterSeconds }} }} }}
"""

CANCEL = """
mutation($id: ID!) { cancelInvitation(id: $id) {
  __typename ... on Done { message } ... on Error { code message } } }
"""

ACCEPT = f"""
mutation($i: AcceptInvitationInput!) {{ acceptInvitation(input: $i) {{ __typename
  ... on SignedIn {{ accessToken user {{ id email firstName role isOwner tenant {{ id }} }} }} {ERRORS} }} }}
"""

LIST = f"""
query($first: Int! = 20, $after: String) {{ viewer {{ tenant {{
  invitations(first: $first, after: $after) {{
    edges {{ node {{ {INVITATION} }} }} pageInfo {{ hasNextPage endCursor }} totalCount }}
  seats {{ role used reserved max }} }} }} }}
"""

AGED = """UPDATE staff_invitations SET "sentAt" = now() - $1::interval, "expiresAt" = now() + '7 days' - $1"""
"""Makes the last mails of all invitations older."""

OWN_PASSWORD = "correct horse battery"


def guest(role: str = "CASHIER", **changes: Any) -> dict[str, Any]:
    return {"email": "eva@example.com", "firstName": "Eva", "lastName": "Sol", "role": role, **changes}


async def invite(api: Api, token: str, **changes: Any) -> dict[str, Any]:
    """The answer to an invitation."""
    return (await api.data(INVITE, token, i=guest(**changes)))["inviteStaff"]


async def mails_of(database: asyncpg.Connection, email: str = "eva@example.com") -> list[dict[str, Any]]:
    """The queued mails to an address, the oldest first: their template and values."""
    rows = await database.fetch(
        """SELECT template, "values" FROM mails WHERE recipient = $1 ORDER BY "createdAt" """, email
    )
    return [{"template": row["template"], **orjson.loads(row["values"])} for row in rows]


def token_of(mail: dict[str, Any]) -> str:
    """The token in the link of a mail, with `INVITATION_URL`."""
    return mail["link"].partition("token=")[2]


async def accept(api: Api, **values: Any) -> dict[str, Any]:
    answer = await api.data(ACCEPT, i={"password": OWN_PASSWORD, **values})
    return answer["acceptInvitation"]


async def accept_mail(
    api: Api, database: asyncpg.Connection, email: str = "eva@example.com", **values: Any
) -> dict[str, Any]:
    """Accept with the code of the newest mail to an address."""
    mail = (await mails_of(database, email))[-1]
    return await accept(api, email=email, code=mail["code"], **values)


async def cashier_seats(api: Api, business: Business) -> tuple[int, int]:
    """The used and the reserved seats of cashiers."""
    shown = await api.data(LIST, business.people["owner"].token)
    seats = {seat["role"]: seat for seat in shown["viewer"]["tenant"]["seats"]}["CASHIER"]
    return seats["used"], seats["reserved"]
