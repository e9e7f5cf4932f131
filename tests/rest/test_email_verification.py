"""An email that is verified over REST registers from the same client address, without a token."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
import httpx
import pytest

from tests.domain.accounts.codes import mailed, other_than
from tests.support import Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio

Register = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def register(settings: Settings, database: asyncpg.Connection) -> Register:
    """Registers an address over REST, where it has to be verified."""
    settings(REQUIRE_VERIFIED_EMAIL="true")

    async def register(api: Api, email: str, **changes: Any) -> httpx.Response:
        form = registration(await issue_key(database), email=email, **changes)
        return await api.http.post("/api/auth/register", json=form)

    return register


async def verify(api: Api, database: asyncpg.Connection, email: str) -> httpx.Response:
    requested = await api.http.post("/api/auth/verify-email/request-otp", json={"email": email})
    assert (requested.status_code, requested.json().keys()) == (200, {"message", "expiresAt"})
    code = (await mailed(database, "verification_code"))[-1]["code"]
    return await api.http.post("/api/auth/verify-email/verify-otp", json={"email": email, "otpCode": code})


async def test_a_verified_address_registers_once_without_a_token(
    api: Api, database: asyncpg.Connection, register: Register
) -> None:
    before = await register(api, "ana@example.com")
    verified = await verify(api, database, "Ana@example.com")
    registered = await register(api, "ana@example.com")
    await database.execute("DELETE FROM users")
    again = await register(api, "ana@example.com")

    assert (before.status_code, before.json()["code"]) == (400, "WRONG_CODE")
    assert verified.status_code == 200
    message = "Your email address is verified."
    assert verified.json() == {"verified": True, "message": message, "email": "Ana@example.com"}
    assert registered.status_code == 201
    assert (again.status_code, again.json()["code"]) == (400, "WRONG_CODE")


async def test_a_refused_registration_leaves_the_address_verified(
    api: Api, database: asyncpg.Connection, register: Register
) -> None:
    await verify(api, database, "eva@example.com")
    await register(api, "eva@example.com", nit="800100200")
    await verify(api, database, "ana@example.com")

    refused = await register(api, "ana@example.com", nit="800100200")
    accepted = await register(api, "ana@example.com")

    assert (refused.json()["code"], accepted.status_code) == ("NIT_TAKEN", 201)


@pytest.mark.parametrize(
    ("verified_at", "registered_at", "status"),
    [
        ("192.0.2.1", "192.0.2.1", 201),
        ("192.0.2.1", "192.0.2.2", 400),
        ("192.0.2.1", "::ffff:192.0.2.1", 201),
        # Devices change the second half of their IPv6 address from hour to hour.
        ("2001:db8:1:2::1", "2001:db8:1:2:abcd::9", 201),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 400),
    ],
)
async def test_an_address_is_verified_for_the_network_of_its_client(
    api: Api,
    database: asyncpg.Connection,
    register: Register,
    verified_at: str,
    registered_at: str,
    status: int,
) -> None:
    await verify(api.at(verified_at), database, "ana@example.com")

    assert (await register(api.at(registered_at), "ana@example.com")).status_code == status


async def test_a_verification_is_for_one_address_half_an_hour_and_rest_alone(
    api: Api, database: asyncpg.Connection, register: Register
) -> None:
    await verify(api, database, "ana@example.com")

    assert (await register(api, "eva@example.com")).json()["code"] == "WRONG_CODE"
    by_graphql = registration(await issue_key(database), email="ana@example.com")
    for token in (None, "127.0.0.1"):
        answer = await api.register({**by_graphql, "emailVerificationToken": token})
        assert answer["code"] == "WRONG_CODE"
    await database.execute("""UPDATE one_time_codes SET "expiresAt" = "expiresAt" - interval '31 minutes'""")
    assert (await register(api, "ana@example.com")).json()["code"] == "WRONG_CODE"


async def test_clients_without_an_address_do_not_share_a_verification(
    api: Api, database: asyncpg.Connection, register: Register
) -> None:
    """A server that listens on a Unix socket without a trusted proxy knows no address."""
    transport = api.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    nameless = httpx.ASGITransport(transport.app, raise_app_exceptions=False, client=cast("Any", None))
    unknown = Api(httpx.AsyncClient(transport=nameless, base_url=api.http.base_url))
    await verify(unknown, database, "ana@example.com")

    assert (await register(unknown, "ana@example.com")).json()["code"] == "WRONG_CODE"


async def test_a_wrong_code_and_missing_fields_are_refused(api: Api, database: asyncpg.Connection) -> None:
    path = "/api/auth/verify-email/verify-otp"
    await api.http.post("/api/auth/verify-email/request-otp", json={"email": "ana@example.com"})
    code = (await mailed(database, "verification_code"))[-1]["code"]

    wrong = await api.http.post(path, json={"email": "ana@example.com", "otpCode": other_than(code)})
    number = await api.http.post(path, json={"email": "ana@example.com", "otpCode": 123456})
    no_email = await api.http.post("/api/auth/verify-email/request-otp", json={"email": "x"})

    assert (wrong.status_code, wrong.json()["code"]) == (400, "WRONG_CODE")
    assert number.json()["message"] == ["Code: This must be text."]
    assert no_email.json()["message"] == ["Email: This is not a valid email address."]
