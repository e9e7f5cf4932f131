"""Operators delete and restore tenants; deleted tenants are erased after the grace period."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import asyncpg
import pytest

from api import written_times
from api.domain.cleanup import clean_up
from tests.cli.commands import failure, printed
from tests.domain.tenants.documents import DELETE, REQUEST, TENANT, events, names, register_business
from tests.support import PASSWORD, Api, Person, everything, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio


async def code_for(api: Api, operator: str, database: asyncpg.Connection, tenant_id: str) -> str:
    answer = (await api.data(REQUEST, operator, id=tenant_id))["requestTenantDeletion"]
    assert answer["__typename"] == "Accepted"
    assert answer["expiresAt"]
    (code,) = await one_row(
        database,
        """SELECT "values"->>'code' FROM mails WHERE template = 'tenant_deletion_code'
        ORDER BY "createdAt" DESC LIMIT 1""",
    )
    return code


async def delete(api: Api, operator: str, tenant_id: str, code: str) -> str:
    return (await api.data(DELETE, operator, id=tenant_id, code=code))["deleteTenant"]["__typename"]


async def test_a_deleted_tenant_is_hidden_and_signed_out_at_once(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    code = await code_for(api, operator, database, owner.id)
    recipient, values = await one_row(
        database, """SELECT recipient, "values" FROM mails WHERE template = 'tenant_deletion_code'"""
    )
    assert recipient == await database.fetchval("SELECT email FROM users WHERE role = 'SUPER_ADMIN'")
    assert "El Ahorro" in values

    assert await delete(api, operator, owner.id, code) == "Done"

    assert await api.viewer(owner.token) is None
    assert (await api.login(owner.email))["__typename"] == "TenantDeleted"
    assert (await api.data(TENANT, operator, id=owner.id))["tenant"] is None
    assert await names(api, operator) == []
    assert await database.fetchval('SELECT count(*) FROM sessions WHERE "revokedAt" IS NULL') == 1
    assert await delete(api, operator, owner.id, code) == "Conflict"
    # No other tenant can use its tax id and emails until it is erased.
    taken = await api.register(registration(await issue_key(database), nit="9001234568"))
    assert taken["__typename"] == "NitTaken"
    taken = await api.register(registration(await issue_key(database), email=owner.email))
    assert taken["__typename"] == "EmailTaken"
    assert await events(database) == ["tenant.registered", "tenant.deletion_requested", "tenant.deleted"]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "This business was deleted. Until"), ("es", "Este negocio fue eliminado.")],
)
async def test_only_people_of_a_deleted_tenant_read_until_when_it_can_be_restored(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person, language: str, sentence: str
) -> None:
    code = await code_for(api, operator, database, owner.id)
    await delete(api, operator, owner.id, code)
    (erased_at,) = await one_row(database, """SELECT "deletedAt" + interval '30 days' FROM tenants""")
    login = """mutation ($email: String!, $password: String!) {
        login(input: {email: $email, password: $password}) {
          __typename ... on Error { code message } ... on TenantDeleted { erasedAt } } }"""
    values = {"email": owner.email, "password": PASSWORD}

    answer = (await api.data(login, language=language, **values))["login"]
    stranger = (await api.data(login, language=language, **{**values, "password": "Wr0ng!password"}))["login"]
    form = registration(await issue_key(database), email=owner.email)
    taken = await api.register(form)
    reset = "mutation ($email: String!) { requestPasswordReset(email: $email) { __typename } }"
    await api.data(reset, email=owner.email)
    old_client = await api.http.post("/api/auth/login", json=values, headers={"accept-language": language})

    assert (answer["__typename"], answer["code"]) == ("TenantDeleted", "TENANT_DELETED")
    assert datetime.fromisoformat(answer["erasedAt"]) == erased_at
    assert answer["message"].startswith(sentence)
    assert written_times.in_words(erased_at, language) in answer["message"]
    assert old_client.json()["message"] == answer["message"]
    assert (old_client.status_code, old_client.json()["code"]) == (403, "TENANT_DELETED")
    assert stranger["__typename"] == "WrongCredentials"
    # For a person who has forgotten the password too.
    await one_row(database, "SELECT id FROM mails WHERE template = 'password_reset_code'")
    # Says what the person can do, and the same for every address that is taken.
    assert (taken["__typename"], "can sign in" in taken["message"]) == ("EmailTaken", True)


async def test_a_code_deletes_one_tenant_for_one_operator(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    other = await register_business(api, database)
    colleague = (await hire(database, None, "SUPER_ADMIN")).token
    code = await code_for(api, operator, database, owner.id)
    wrong = f"{(int(code) + 1) % 10**8:08}"

    assert await delete(api, operator, other.id, code) == "WrongCode"
    assert await delete(api, colleague, owner.id, code) == "WrongCode"
    assert await delete(api, operator, owner.id, wrong) == "WrongCode"
    assert await delete(api, operator, owner.id, "\0") == "WrongCode"
    assert len(await names(api, operator)) == 2
    assert await delete(api, operator, owner.id, code) == "Done"
    assert len(await names(api, operator)) == 1


async def test_a_code_is_not_valid_for_another_operator_with_the_same_address(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    """The code was mailed to the operator who had that address before."""
    code = await code_for(api, operator, database, owner.id)
    address = await database.fetchval("SELECT email FROM users WHERE role = 'SUPER_ADMIN'")
    await database.execute("UPDATE users SET email = 'gone@example.com' WHERE email = $1", address)
    successor = await hire(database, None, "SUPER_ADMIN")
    await database.execute("UPDATE users SET email = $1 WHERE id = $2", address, successor.id)

    assert await delete(api, successor.token, owner.id, code) == "WrongCode"
    assert await names(api, successor.token) == ["El Ahorro"]


async def test_of_concurrent_deletions_with_one_code_one_succeeds(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    code = await code_for(api, operator, database, owner.id)

    ended = await asyncio.gather(*(delete(api, operator, owner.id, code) for _ in range(10)))

    assert sorted(ended).count("Done") == 1
    assert set(ended) <= {"Done", "Conflict", "WrongCode"}
    assert (await events(database)).count("tenant.deleted") == 1


async def test_codes_and_guesses_are_limited(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person, settings: Callable[..., None]
) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_CODES="2/hour")
    await code_for(api, operator, database, owner.id)
    code = await code_for(api, operator, database, owner.id)

    refused = (await api.data(REQUEST, operator, id=owner.id))["requestTenantDeletion"]
    assert refused["__typename"] == "RateLimited"
    wrong = f"{(int(code) + 1) % 10**8:08}"
    tried = [await delete(api, operator, owner.id, wrong) for _ in range(5)]
    assert tried == ["WrongCode"] * 5
    assert await delete(api, operator, owner.id, code) == "WrongCode"


async def test_a_sign_in_during_a_deletion_leaves_no_session(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    """The deletion ends a session that was opened just before."""
    tokens = [(await api.login(owner.email))["accessToken"]]
    deleting = asyncio.create_task(asyncio.to_thread(printed, "tenants", "delete", owner.id, "--yes"))
    while not deleting.done():
        signed_in = await api.login(owner.email)
        tokens += [signed_in["accessToken"]] if signed_in["__typename"] == "SignedIn" else []
    await deleting

    assert [await api.viewer(token) for token in tokens] == [None] * len(tokens)
    await asyncio.to_thread(printed, "tenants", "restore", owner.id)
    assert [await api.viewer(token) for token in tokens] == [None] * len(tokens)


async def test_a_restored_tenant_is_as_it_was(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    idle = await hire(database, owner.id, "CASHIER", isActive=False)
    before = await one_row(database, 'SELECT "isActive", "maxAdmins", address FROM tenants')
    printed("tenants", "delete", "900.123.456-8", "--yes")
    assert "already deleted" in failure("tenants", "delete", owner.id, "--yes")

    printed("tenants", "restore", "900123456-8")

    assert await one_row(database, 'SELECT "isActive", "maxAdmins", address FROM tenants') == before
    assert (await api.login(owner.email))["__typename"] == "SignedIn"
    assert await api.viewer(owner.token) is None
    assert await api.viewer(idle.token) is None
    assert "is not deleted" in failure("tenants", "restore", owner.id)
    assert (await events(database))[1:] == ["tenant.deleted", "tenant.restored"]


@pytest.mark.parametrize("since", ["now()", "NULL"])
async def test_a_suspended_tenant_is_suspended_after_its_restoration(
    api: Api, database: asyncpg.Connection, owner: Person, since: str
) -> None:
    """Also one of the old system, without the time of its suspension."""
    await database.execute(
        f"""UPDATE tenants SET "isActive" = false, "suspendedAt" = {since}, "suspendedReason" = 'unpaid'"""
    )

    for act in (["delete", "--yes"], ["restore"]):
        printed("tenants", *act, owner.id)

    login = await api.login(owner.email)
    assert (login["__typename"], login["reason"]) == ("TenantSuspended", "unpaid")


async def test_the_tax_id_and_emails_of_an_erased_tenant_can_register_again(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    other = await register_business(api, database)
    waiting = await register_business(api, database)
    await hire(database, owner.id, "CASHIER")
    for person in (owner, waiting):
        printed("tenants", "delete", person.id, "--yes")
    await database.execute(
        """UPDATE tenants SET "deletedAt" = now() - interval '30 days 1 minute' WHERE id = $1""", owner.id
    )
    await database.execute(
        """UPDATE tenants SET "deletedAt" = now() - interval '29 days 23 hours' WHERE id = $1""", waiting.id
    )

    await clean_up()
    await clean_up()

    assert {str(row["id"]) for row in await database.fetch("SELECT id FROM tenants")} == {
        other.id,
        waiting.id,
    }
    people = 'SELECT count(*) FROM users WHERE "tenantId" = $1'
    assert await database.fetchval(people, owner.id) == 0
    assert (await database.fetchval(people, other.id), await database.fetchval(people, waiting.id)) == (1, 1)
    assert (await events(database)).count("tenant.erased") == 1
    assert "not found" in failure("tenants", "restore", owner.id)
    form = registration(await issue_key(database), nit="900123456-8", email=owner.email)
    assert (await api.register(form))["__typename"] == "Registration"
    used = """SELECT count(*) FROM beta_keys WHERE "isUsed" AND "usedByTenantId" IS NULL"""
    assert await database.fetchval(used) == 1


async def test_a_failed_erasure_is_rolled_back(
    api: Api, database: asyncpg.Connection, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """And the next clean-up tries again."""
    printed("tenants", "delete", owner.id, "--yes")
    await database.execute("""UPDATE tenants SET "deletedAt" = now() - interval '1 year'""")
    await database.execute(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )

    await clean_up()

    assert "a part of the clean-up failed" in caplog.text
    assert await database.fetchval("SELECT count(*) FROM users") == 1
    await database.execute("DROP FUNCTION refuse() CASCADE")
    await clean_up()
    assert await database.fetchval("SELECT count(*) FROM users") == 0


async def test_a_tenant_that_cannot_be_erased_does_not_block_others(
    api: Api, database: asyncpg.Connection, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A table of the old system may refer to its users; the log names it, and the next clean-up retries."""
    other = await api.register(registration(await issue_key(database)))
    for tenant_id in (owner.id, other["tenant"]["id"]):
        printed("tenants", "delete", tenant_id, "--yes")
    # The tenant that cannot be erased is due first.
    await database.execute(
        """UPDATE tenants SET "deletedAt" = now() - interval '1 year' - (id = $1)::int * interval '1 day'""",
        UUID(owner.id),
    )
    await database.execute("CREATE TABLE orders (seller uuid REFERENCES users)")
    await database.execute('INSERT INTO orders SELECT id FROM users WHERE "tenantId" = $1', UUID(owner.id))
    try:
        await clean_up()
        left = await database.fetch("SELECT id FROM tenants")
        assert [str(row["id"]) for row in left] == [owner.id]
        assert await database.fetchval("SELECT count(*) FROM users") == 1
        logged = everything(caplog.records)
        assert "cannot be erased" in logged
        assert "orders" in logged
    finally:
        await database.execute("DROP TABLE orders")
    await clean_up()
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0
