"""Email verification: a mailed code is exchanged for a token, with which the address registers."""

import asyncio

import asyncpg
import pytest

from tests.domain.accounts.codes import REQUEST_VERIFICATION, VERIFY, mailed, verified
from tests.support import Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio


@pytest.fixture
def _verified_only(settings: Settings) -> None:
    settings(REQUIRE_VERIFIED_EMAIL="true")


@pytest.mark.usefixtures("_verified_only")
async def test_a_verified_address_registers(api: Api, database: asyncpg.Connection) -> None:
    """Safe to repeat, like any registration."""
    form = registration(await issue_key(database), email="Ana@Example.com")
    form["emailVerificationToken"] = await verified(api, database, "ana@example.com")

    first = await api.register(form)
    again = await api.register(form)

    assert (first["__typename"], again["__typename"]) == ("Registration", "Registration")
    assert first["user"]["id"] == again["user"]["id"]


@pytest.mark.usefixtures("_verified_only")
@pytest.mark.parametrize("token", [None, "", "x", "x" * 43, "\x00", "ñ"])
async def test_registration_without_a_token_is_refused(
    api: Api, database: asyncpg.Connection, token: str | None
) -> None:
    form = registration(await issue_key(database), emailVerificationToken=token)

    answer = await api.register(form)

    assert (answer["__typename"], answer["code"]) == ("WrongCode", "WRONG_CODE")
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0
    assert not await database.fetchval('SELECT "isUsed" FROM beta_keys')


@pytest.mark.usefixtures("_verified_only")
async def test_a_token_registers_only_its_address_once_within_half_an_hour(
    api: Api, database: asyncpg.Connection
) -> None:
    token = await verified(api, database, "ana@example.com")
    other = registration(await issue_key(database), email="eva@example.com", emailVerificationToken=token)
    own = registration(await issue_key(database), email="ana@example.com", emailVerificationToken=token)

    assert (await api.register(other))["__typename"] == "WrongCode"
    lasting = """UPDATE one_time_codes SET "expiresAt" = "expiresAt" - $1::text::interval"""
    await database.execute(lasting, "29 minutes")
    assert (await api.register(own))["__typename"] == "Registration"
    await database.execute("DELETE FROM users")
    anew = {**own, "betaKey": await issue_key(database), "nit": "800123456"}
    assert (await api.register(anew))["__typename"] == "WrongCode"

    anew["emailVerificationToken"] = await verified(api, database, "ana@example.com")
    await database.execute(lasting, "31 minutes")
    assert (await api.register(anew))["__typename"] == "WrongCode"


@pytest.mark.usefixtures("_verified_only")
async def test_a_failed_registration_does_not_use_up_the_token(
    api: Api, database: asyncpg.Connection
) -> None:
    token = await verified(api, database, "eva@example.com")
    await api.register(
        registration(await issue_key(database), nit="800999888", emailVerificationToken=token)
        | {"email": "eva@example.com"}
    )
    token = await verified(api, database, "ana@example.com")
    form = registration(await issue_key(database), email="ana@example.com", emailVerificationToken=token)

    taken = await api.register({**form, "nit": "800999888"})
    passed = await api.register(form)

    assert (taken["__typename"], passed["__typename"]) == ("NitTaken", "Registration")


@pytest.mark.usefixtures("_verified_only")
async def test_one_registration_sent_ten_times_concurrently_creates_one_tenant(
    api: Api, database: asyncpg.Connection
) -> None:
    token = await verified(api, database, "ana@example.com")
    form = registration(await issue_key(database), email="ana@example.com", emailVerificationToken=token)

    answers = await asyncio.gather(*(api.register(form) for _ in range(10)))

    assert {answer["__typename"] for answer in answers} == {"Registration"}
    assert len({answer["tenant"]["id"] for answer in answers}) == 1


@pytest.mark.usefixtures("_verified_only")
async def test_one_token_with_many_keys_registers_one_business(
    api: Api, database: asyncpg.Connection
) -> None:
    token = await verified(api, database, "ana@example.com")
    forms = [
        registration(await issue_key(database), email="ana@example.com", emailVerificationToken=token)
        for _ in range(6)
    ]

    kinds = [answer["__typename"] for answer in await asyncio.gather(*map(api.register, forms))]

    assert kinds.count("Registration") == 1
    assert set(kinds) <= {"Registration", "EmailTaken", "WrongCode"}
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1


@pytest.mark.usefixtures("_verified_only")
async def test_rest_accepts_the_token_too(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database), email="ana@example.com")

    refused = await api.http.post("/api/auth/register", json=form)
    form["emailVerificationToken"] = await verified(api, database, "ana@example.com")
    passed = await api.http.post("/api/auth/register", json=form)

    assert (refused.status_code, refused.json()["code"]) == (400, "WRONG_CODE")
    assert passed.status_code == 201


async def test_without_required_verification_the_token_is_ignored(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database), emailVerificationToken="x")

    assert (await api.register(form))["__typename"] == "Registration"


async def test_a_code_is_exchanged_for_a_token_once(api: Api, database: asyncpg.Connection) -> None:
    """For registered and unregistered addresses."""
    await api.data(REQUEST_VERIFICATION, e="new@example.com")
    (row,) = await mailed(database, "verification_code")

    answers = await asyncio.gather(*(api.data(VERIFY, e="New@example.com", c=row["code"]) for _ in range(4)))

    kinds = sorted(answer["verifyEmail"]["__typename"] for answer in answers)
    assert kinds == ["EmailVerified", "WrongCode", "WrongCode", "WrongCode"]


@pytest.mark.parametrize("email", ["", "ana", "a\x00b@example.com", "x" * 9999])
async def test_a_code_for_an_invalid_address_is_wrong(api: Api, email: str) -> None:
    answer = await api.data(VERIFY, e=email, c="123456")

    assert answer["verifyEmail"] == {"__typename": "WrongCode", "code": "WRONG_CODE"}
