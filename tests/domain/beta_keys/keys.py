"""The documents of operators for beta keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from tests.support import Api

KEY = """
id key status notes batch recipientEmail expiresAt sentAt usedAt usedBy { businessName }
revokedAt revokedReason createdAt
"""

ISSUE = f"""
mutation($input: IssueBetaKeysInput!) {{ issueBetaKeys(input: $input) {{ __typename
  ... on IssuedBetaKeys {{ keys {{ {KEY} }} }} ... on InvalidInput {{ fields {{ field code }} }} }} }}
"""

UPDATE = f"""
mutation($id: ID!, $input: UpdateBetaKeyInput!) {{ updateBetaKey(id: $id, input: $input) {{ __typename
  ... on BetaKey {{ {KEY} }} ... on InvalidInput {{ fields {{ field code }} }} }} }}
"""

REVOKE = f"""
mutation($id: ID!, $reason: String) {{ revokeBetaKey(id: $id, reason: $reason) {{ __typename
  ... on BetaKey {{ {KEY} }} }} }}
"""

FIND = f"query($id: ID!) {{ betaKey(id: $id) {{ {KEY} }} }}"


async def issue(api: Api, operator: str, **fields: Any) -> Any:
    return (await api.data(ISSUE, operator, input=fields))["issueBetaKeys"]


async def issue_one(api: Api, operator: str, **fields: Any) -> Any:
    (key,) = (await issue(api, operator, **fields))["keys"]
    return key


async def events(database: asyncpg.Connection, action: str) -> list[Any]:
    rows = await database.fetch(
        """SELECT "actorEmail", "subjectId"::text, detail FROM audit_events WHERE action = $1 ORDER BY at""",
        action,
    )
    return [(row["actorEmail"], row["subjectId"], orjson.loads(row["detail"])) for row in rows]


def soon(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()
