"""One-time codes for a new password."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.domain.accounts.codes import (
    NEW_PASSWORD,
    REQUEST_RESET,
    REQUEST_VERIFICATION,
    VERIFY,
    code_for_reset,
    mailed,
    other_than,
    reset,
)
from tests.support import PASSWORD, Api, hire, issue_key, registration, until_waiting

pytestmark = pytest.mark.anyio


# A new password


async def test_a_code_sets_a_new_password_and_ends_every_session(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, " ANA@Example.com ")

    answer = await reset(api, "Ana@example.COM", f" {code} ")

    assert answer == {"__typename": "Done", "message": "Your password has been changed. Please sign in."}
    assert await api.viewer(ana["token"]) is None
    assert (await api.login("ana@example.com", PASSWORD))["__typename"] == "WrongCredentials"
    assert (await api.login("ana@example.com", NEW_PASSWORD))["__typename"] == "SignedIn"
    assert await database.fetchval("SELECT count(*) FROM audit_events WHERE action = 'password.reset'") == 1
    (mail,) = await mailed(database, "password_changed")
    assert mail["recipient"] == "ana@example.com"


async def test_a_code_works_once(api: Api, database: asyncpg.Connection, ana: dict[str, Any]) -> None:
    code = await code_for_reset(api, database, ana["email"])
    await reset(api, ana["email"], code)

    again = await reset(api, ana["email"], code, "0ther!Secret")

    assert (again["__typename"], again["code"]) == ("WrongCode", "WRONG_CODE")
    assert (await api.login(ana["email"], NEW_PASSWORD))["__typename"] == "SignedIn"


async def test_of_two_concurrent_uses_of_a_code_one_succeeds(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, ana["email"])
    passwords = [f"N3w!secret{number}" for number in range(4)]

    answers = await asyncio.gather(*(reset(api, ana["email"], code, one) for one in passwords))

    kinds = [answer["__typename"] for answer in answers]
    assert sorted(kinds) == ["Done", "WrongCode", "WrongCode", "WrongCode"]
    winner = passwords[kinds.index("Done")]
    assert (await api.login(ana["email"], winner))["__typename"] == "SignedIn"
    assert len(await mailed(database, "password_changed")) == 1


async def test_twenty_concurrent_wrong_codes_use_five_tries(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, ana["email"])

    wrong = other_than(code)
    answers = await asyncio.gather(*(reset(api, ana["email"], wrong) for _ in range(20)))

    assert {answer["__typename"] for answer in answers} == {"WrongCode"}
    assert await database.fetchval("SELECT attempts FROM one_time_codes") == 5
    assert (await reset(api, ana["email"], code))["__typename"] == "WrongCode"


async def test_the_fifth_try_may_still_be_right(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, ana["email"])
    for _ in range(4):
        await reset(api, ana["email"], other_than(code))

    assert (await reset(api, ana["email"], code))["__typename"] == "Done"


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "12345\u3164", "12 456", "12\x003456", "x" * 9999]
)
async def test_text_that_cannot_be_a_code_costs_no_try(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any], code: str
) -> None:
    await code_for_reset(api, database, ana["email"])

    assert (await reset(api, ana["email"], code))["__typename"] == "WrongCode"
    assert await database.fetchval("SELECT attempts FROM one_time_codes") == 0


async def test_a_weak_password_costs_no_try(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, ana["email"])

    answer = await reset(api, ana["email"], code, "weak")

    assert answer["fields"] == [{"field": "newPassword", "code": "TOO_SHORT"}]
    assert await database.fetchval("SELECT attempts FROM one_time_codes") == 0
    assert (await reset(api, ana["email"], code))["__typename"] == "Done"


async def test_a_code_ends_after_ten_minutes(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, ana["email"])
    minutes = await database.fetchval(
        """SELECT round(extract(epoch FROM "expiresAt" - "createdAt") / 60) FROM one_time_codes"""
    )
    assert minutes == 10
    await database.execute("""UPDATE one_time_codes SET "expiresAt" = now()""")

    assert (await reset(api, ana["email"], code))["__typename"] == "WrongCode"


async def test_only_the_newest_code_is_valid(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """If older codes stayed valid, each requested code would add five tries."""
    first = await code_for_reset(api, database, ana["email"])
    second = await code_for_reset(api, database, ana["email"])

    # With a probability of one in a million both codes are equal.
    assert (await reset(api, ana["email"], first))["__typename"] == "WrongCode" or first == second
    assert (await reset(api, ana["email"], second))["__typename"] == "Done"


async def test_a_code_is_valid_for_its_own_purpose_and_address_only(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    await api.register(registration(await issue_key(database), email="eva@example.com"))
    await api.data(REQUEST_VERIFICATION, e=ana["email"])
    (verification,) = await mailed(database, "verification_code")
    code = await code_for_reset(api, database, ana["email"])

    assert (await reset(api, ana["email"], verification["code"]))["__typename"] == "WrongCode"
    assert (await reset(api, "eva@example.com", code))["__typename"] == "WrongCode"
    answer = await api.data(VERIFY, e=ana["email"], c=code)
    assert answer["verifyEmail"]["__typename"] == "WrongCode"
    assert (await reset(api, ana["email"], code))["__typename"] == "Done"


async def test_a_user_who_is_deactivated_after_the_request_gets_no_new_password(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    code = await code_for_reset(api, database, ana["email"])
    await database.execute('UPDATE users SET "isActive" = false')

    assert (await reset(api, ana["email"], code))["__typename"] == "WrongCode"
    assert await mailed(database, "password_changed") == []


async def test_a_user_who_is_removed_during_a_password_reset_is_removed(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """The two transactions do not deadlock."""
    tenant_id = await database.fetchval("SELECT id FROM tenants")
    person = await hire(database, tenant_id, "CASHIER")
    code = await code_for_reset(api, database, person.email)
    remove = "mutation($id: ID!) { removeStaff(id: $id) { __typename } }"

    # Until the transaction ends, both wait at their first lock on the user; the removal is first.
    async with asyncio.TaskGroup() as tasks, database.transaction():
        await database.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", person.id)
        removing = tasks.create_task(api.data(remove, ana["token"], id=person.id))
        await until_waiting(database, 1)
        resetting = tasks.create_task(reset(api, person.email, code))
        await until_waiting(database, 2)

    assert removing.result()["removeStaff"]["__typename"] == "Done"
    assert resetting.result()["__typename"] == "WrongCode"
    assert await mailed(database, "password_changed") == []


# What a request reveals


async def test_requesting_a_code_does_not_reveal_whether_an_account_exists(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """And an address without an account gets no mail."""
    known = (await api.data(REQUEST_RESET, e=ana["email"]))["requestPasswordReset"]
    unknown = (await api.data(REQUEST_RESET, e="nobody@example.com"))["requestPasswordReset"]
    await database.execute('UPDATE users SET "isActive" = false')
    inactive = (await api.data(REQUEST_RESET, e=ana["email"]))["requestPasswordReset"]

    assert {**unknown, "expiresAt": None} == {**known, "expiresAt": None} == {**inactive, "expiresAt": None}
    assert unknown["message"] == "If this address can receive a code, one is on its way."
    assert unknown["expiresAt"] > known["expiresAt"]
    assert [row["recipient"] for row in await mailed(database, "password_reset_code")] == [ana["email"]]


async def test_an_unknown_address_costs_as_many_hashes_as_a_known_one(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response time must not reveal whether an account exists."""
    from api.domain.accounts import passwords

    await passwords.verify_password("x", None)
    calls: list[str] = []
    for name in ("hash", "verify", "verify_and_update"):
        original = getattr(passwords._HASHES, name)

        def noted(*arguments: Any, name: str = name, original: Any = original) -> Any:
            calls.append(name.partition("_")[0])
            return original(*arguments)

        monkeypatch.setattr(passwords._HASHES, name, noted)

    await api.data(REQUEST_RESET, e="nobody@example.com")
    assert calls == ["hash"]
    await reset(api, "nobody@example.com", "123456")
    await reset(api, "never-asked@example.com", "123456")
    assert calls == ["hash", "verify", "verify"]


async def test_an_invalid_address_is_reported(api: Api) -> None:
    answer = (await api.data(REQUEST_RESET, e="ana"))["requestPasswordReset"]
    asked = (await api.data(REQUEST_VERIFICATION, e=""))["requestEmailVerification"]

    assert answer["fields"] == [{"field": "email"}]
    assert asked["fields"] == [{"field": "email", "code": "REQUIRED"}]


@pytest.mark.usefixtures("real_hashes")
async def test_codes_are_stored_as_slow_hashes(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """A fast digest of six digits could be reversed, because there are only a million codes."""
    await code_for_reset(api, database, ana["email"])
    await code_for_reset(api, database, ana["email"])

    digests = [row[0] for row in await database.fetch('SELECT "codeDigest" FROM one_time_codes')]

    assert all(digest.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for digest in digests)
    assert len({digest.split("$")[4] for digest in digests}) == 2


async def test_the_mail_is_in_the_language_of_the_request(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    answer = await api.data(REQUEST_RESET, language="es-CO", e=ana["email"])
    await api.data(REQUEST_RESET, e=ana["email"])

    assert answer["requestPasswordReset"]["message"].startswith("Si esta dirección")
    assert [row["language"] for row in await mailed(database, "password_reset_code")] == ["es", "en"]
