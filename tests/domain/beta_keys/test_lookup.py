"""Validating beta keys, as visitors do."""

import asyncpg
import pytest

from tests.support import Api, issue_key, registration

pytestmark = pytest.mark.anyio


async def test_a_key_that_was_not_issued_is_not_found(api: Api) -> None:
    assert await api.validate("BETA-TEST-12345") == {
        "valid": False,
        "reason": "NOT_FOUND",
        "message": "This beta key does not exist.",
    }


async def test_an_issued_key_is_valid(api: Api, database: asyncpg.Connection) -> None:
    answer = await api.validate(await issue_key(database))

    assert answer == {"valid": True, "reason": None, "message": "This beta key is valid."}


@pytest.mark.parametrize(
    "typed",
    ["BETA-AB2CD-EF3GH", "beta-ab2cd-ef3gh", " beta ab2cd ef3gh ", "BETAAB2CDEF3GH", "Beta–AB2CD—EF3GH\n"],
)
async def test_a_key_is_found_in_any_spelling(api: Api, database: asyncpg.Connection, typed: str) -> None:
    await issue_key(database, key="BETA-AB2CD-EF3GH")

    assert (await api.validate(typed))["valid"]


@pytest.mark.parametrize("old", ["BETA-O0I1L-ABC12", "feria_2024", "FERIA 2024/7", "ñ-1"])
async def test_a_key_of_another_shape_is_valid(api: Api, database: asyncpg.Connection, old: str) -> None:
    await issue_key(database, key=old)

    assert (await api.validate(old))["valid"]
    assert (await api.register(registration(old)))["__typename"] == "Registration"


@pytest.mark.parametrize("typed", ["", " ", "\x00", "BETA-\x00", "x" * 10_000, "-" * 30, "😀", "%s {} $1 '"])
async def test_text_that_cannot_be_a_key_is_not_found(api: Api, typed: str) -> None:
    assert (await api.validate(typed))["reason"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("column", "reason"), [("expiresAt", "EXPIRED"), ("revokedAt", "REVOKED"), ("usedAt", "USED")]
)
async def test_an_unavailable_key_is_rejected_with_its_reason(
    api: Api, database: asyncpg.Connection, column: str, reason: str
) -> None:
    key = await issue_key(database, isUsed=column == "usedAt")
    await database.execute(f"""UPDATE beta_keys SET "{column}" = now() - interval '1 second'""")

    validation = await api.validate(key)
    answer = await api.register(registration(key))

    assert (validation["valid"], validation["reason"]) == (False, reason)
    assert (answer["__typename"], answer["reason"]) == ("BetaKeyRejected", reason)
    assert answer["message"] == validation["message"]
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0


async def test_a_key_that_expires_later_is_valid_until_then(api: Api, database: asyncpg.Connection) -> None:
    key = await issue_key(database)
    await database.execute("""UPDATE beta_keys SET "expiresAt" = now() + interval '1 hour'""")

    assert (await api.validate(key))["valid"]
