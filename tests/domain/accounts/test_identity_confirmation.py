"""Acts that a thief of an operator's session must not do require the password or a code of lately."""

import asyncio
from typing import Any

import asyncpg
import pytest

from api.domain.accounts.passwords import hash_password
from tests.account_acts import SECRET, code_now, turn_on
from tests.acts import MUTATIONS, Business
from tests.cli.commands import printed
from tests.domain.accounts.second_factors.factors import sign_in, wrong_code
from tests.domain.tenants.documents import register_business
from tests.support import PASSWORD, Api, Settings, hire

pytestmark = pytest.mark.anyio

CONFIRM = """
mutation($i: ConfirmIdentityInput!) { confirmIdentity(input: $i) { __typename
  ... on IdentityConfirmed { seconds } ... on Error { code } } }
"""

ACTS = [
    *(
        "suspendTenant",
        "deleteTenant",
        "setSeats",
        "removeOperator",
        "deactivateOperator",
        "reactivateOperator",
    ),
    *("resetOperatorPassword", "resetSecondFactor", "startSecondFactor"),
    *("requestEmailChange", "confirmEmailChange"),
]

SUSPEND = """
mutation($id: ID!) { suspendTenant(id: $id, reason: "x") { __typename ... on Error { code message } } }
"""


async def age(database: asyncpg.Connection, minutes: int) -> None:
    await database.execute(
        """UPDATE sessions SET "createdAt" = now() - make_interval(mins => $1),
           "confirmedAt" = CASE WHEN "confirmedAt" IS NOT NULL THEN now() - make_interval(mins => $1) END""",
        minutes,
    )


async def confirm(api: Api, token: str, **given: str) -> Any:
    return (await api.data(CONFIRM, token, i=given))["confirmIdentity"]


@pytest.mark.parametrize("act", ACTS)
async def test_the_act_requires_a_confirmation_of_lately(
    api: Api, database: asyncpg.Connection, act: str
) -> None:
    owner = await register_business(api, database)
    business = Business(api, database, owner.email, owner.token)
    document, variables = await MUTATIONS[act](business)
    count = "SELECT count(*) FROM audit_events"
    before = await database.fetchval(count)

    await age(database, 10)
    refused = (await api.data(document, business.token, **variables))[act]
    assert refused["__typename"] == "StepUpRequired"
    assert await database.fetchval(count) == before
    await age(database, 9)
    done = (await api.data(document, business.token, **variables))[act]

    assert done["__typename"] in {"Tenant", "User", "Done", "Accepted", "SecondFactorSetup"}


async def test_the_password_or_a_code_confirms(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMITS="on")
    tenant = (await register_business(api, database)).id
    printed("operators", "add", "op@example.com", "--password-stdin", typed=f"{PASSWORD}\n")
    token = (await sign_in(api, "op@example.com"))["accessToken"]
    await age(database, 11)

    assert await confirm(api, token) == {"__typename": "InvalidInput", "code": "INVALID_INPUT"}
    assert (await confirm(api, token, password="Wr0ng!secret"))["code"] == "WRONG_CREDENTIALS"
    assert (await confirm(api, token, code="123456"))["code"] == "WRONG_CODE"
    assert (await api.data(SUSPEND, token, id=tenant))["suspendTenant"]["code"] == "STEP_UP_REQUIRED"
    assert await confirm(api, token, password=PASSWORD) == {"__typename": "IdentityConfirmed", "seconds": 600}
    assert (await api.data(SUSPEND, token, id=tenant))["suspendTenant"]["__typename"] == "Tenant"

    await age(database, 11)
    await turn_on(database, "op@example.com")
    reactivate = "mutation($id: ID!) { reactivateTenant(id: $id) { __typename } }"
    assert (await api.data(reactivate, token, id=tenant))["reactivateTenant"]["__typename"] == "Tenant"
    assert (await api.data(SUSPEND, token, id=tenant))["suspendTenant"]["code"] == "STEP_UP_REQUIRED"
    assert (await confirm(api, token, code=wrong_code(SECRET)))["code"] == "WRONG_CODE"
    assert (await confirm(api, token, code=code_now()))["__typename"] == "IdentityConfirmed"
    assert (await api.data(SUSPEND, token, id=tenant))["suspendTenant"]["__typename"] == "Tenant"
    guesses = [(await confirm(api, token, password="Wr0ng!secret"))["code"] for _ in range(6)]
    assert "RATE_LIMITED" in guesses
    confirmed = "SELECT detail->>'method' FROM audit_events WHERE action = 'session.confirmed' ORDER BY at"
    assert [row[0] for row in await database.fetch(confirmed)] == ["PASSWORD", "AUTHENTICATOR_APP"]


async def test_an_old_client_reads_what_to_do_and_a_new_sign_in_is_enough(
    api: Api, database: asyncpg.Connection
) -> None:
    """Also over REST; another session of the operator stays as it is."""
    tenant = (await register_business(api, database)).id
    printed("operators", "add", "op@example.com", "--password-stdin", typed=f"{PASSWORD}\n")
    old = (await sign_in(api, "op@example.com"))["accessToken"]
    await age(database, 30)
    headers = {"authorization": f"Bearer {old}", "accept-language": "es"}

    body = {"tenantId": tenant, "otpCode": "123456"}
    rest = await api.http.post("/api/tenant-management/suspend/verify", json=body, headers=headers)
    assert (rest.status_code, rest.json()["code"]) == (403, "STEP_UP_REQUIRED")
    assert "inicie sesión de nuevo" in rest.json()["message"]
    keys = await api.http.post("/api/beta-keys/bulk", json={"count": 101, "notes": ""}, headers=headers)
    assert keys.status_code == 403
    assert "sign in again" in (await api.data(SUSPEND, old, id=tenant))["suspendTenant"]["message"]
    new = (await sign_in(api, "op@example.com"))["accessToken"]
    assert (await api.data(SUSPEND, new, id=tenant))["suspendTenant"]["__typename"] == "Tenant"
    assert (await api.data(SUSPEND, old, id=tenant))["suspendTenant"]["code"] == "STEP_UP_REQUIRED"


async def test_many_small_requests_need_it_too(api: Api, database: asyncpg.Connection) -> None:
    """Ten at once, each of which is small enough."""
    token = (await hire(database, None, "SUPER_ADMIN")).token
    await age(database, 30)
    issue = "mutation { issueBetaKeys(input: {count: 30}) { __typename } }"

    answers = await asyncio.gather(*(api.data(issue, token) for _ in range(10)))

    kinds = sorted(answer["issueBetaKeys"]["__typename"] for answer in answers)
    assert kinds == ["IssuedBetaKeys"] * 3 + ["StepUpRequired"] * 7
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 90


async def test_right_passwords_are_limited_too(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """Each takes a core for a while: one session must not keep all others waiting."""
    settings(RATE_LIMITS="on", RATE_LIMIT_LOGIN="3/minute")
    ana = await hire(database, None, "SUPER_ADMIN", password=await hash_password(PASSWORD))
    confirm = "mutation($p: String!) { confirmIdentity(input: {password: $p}) { __typename } }"

    answers = [await api.data(confirm, ana.token, p=PASSWORD) for _ in range(4)]

    kinds = [answer["confirmIdentity"]["__typename"] for answer in answers]
    assert kinds == [kinds[0]] * 3 + ["RateLimited"]


async def test_a_hundred_keys_are_issued_without_it(api: Api, database: asyncpg.Connection) -> None:
    token = (await hire(database, None, "SUPER_ADMIN")).token
    await age(database, 30)
    issue = "mutation($n: Int!) { issueBetaKeys(input: {count: $n}) { __typename } }"

    kinds = [(await api.data(issue, token, n=n))["issueBetaKeys"]["__typename"] for n in (100, 101)]

    assert kinds == ["IssuedBetaKeys", "StepUpRequired"]
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 100
    assert printed("keys", "issue", "--count", "101").count("BETA-") == 101, "a command may"
