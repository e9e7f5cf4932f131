"""Row security, tested with SQL and through the API."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from api.database.scopes import (
    platform_scope,
    read_platform,
    read_tenants,
    scoped,
    tenant_scope,
    write_platform,
)
from tables import Session, Tenant, User
from tests.support import Api, issue_key, registration

pytestmark = pytest.mark.anyio

PLATFORM_ONLY = [
    "mails",
    "mail_delays",
    "one_time_codes",
    "server_processes",
    "authenticator_apps",
    "recovery_codes",
    "wrong_passwords",
    "passkeys",
    "beta_key_words",
    "tenant_words",
]
"""Mails contain codes, and the third table their digests; the next one shows hosts; one shows which
addresses are tried; the last two are words of keys and tenants; the others are second factors. No
tenant may read them."""

PROTECTED = [
    "users",
    "tenants",
    "sessions",
    "known_devices",
    "audit_events",
    "staff_invitations",
    *PLATFORM_ONLY,
]


_OWNER = """(SELECT id FROM users WHERE "tenantId" = $1 UNION ALL SELECT $1 LIMIT 1)"""

SECOND_FACTORS = {
    "authenticator_apps": f"""INSERT INTO authenticator_apps ("userId", secret) VALUES ({_OWNER}, 'x')""",
    "passkeys": f"""INSERT INTO passkeys
        ("userId", "relyingParty", "credentialId", "publicKey", "signCount", name)
        VALUES ({_OWNER}, 'x', gen_random_uuid()::text::bytea, 'x', 0, 'x')""",
    "recovery_codes": f"""INSERT INTO recovery_codes ("userId", "codeDigest") VALUES ({_OWNER}, 'x')""",
}


INVITATION = """INSERT INTO staff_invitations ("tenantId", email, "firstName", "lastName", role,
        "tokenDigest", "codeDigest", "expiresAt")
    VALUES ($1, 'eva@example.com', 'x', 'x', 'CASHIER', gen_random_uuid()::text::bytea,
            gen_random_uuid()::text::bytea, now() + interval '1 hour')"""


@pytest.fixture
async def two_tenants(api_with_plans: Api, database: asyncpg.Connection) -> list[UUID]:
    answers = [await api_with_plans.register(registration(await issue_key(database))) for _ in range(2)]
    for answer in answers:
        await database.execute(
            """INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt", "tenantId")
            VALUES ('x', 'x', 'x', now() + interval '1 hour', $1)""",
            answer["tenant"]["id"],
        )
        for insert in (
            *SECOND_FACTORS.values(),
            INVITATION,
            INSERTS["wrong_passwords"],
            INSERTS["mail_delays"],
        ):
            await database.execute(insert, UUID(answer["tenant"]["id"]))
    return [UUID(answer["tenant"]["id"]) for answer in answers]


@pytest.fixture
async def application(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the application's role, which owns the tables."""
    connection = await asyncpg.connect(server.dsn())
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("table", PROTECTED)
async def test_without_a_scope_no_row_is_visible_or_changed(
    application: asyncpg.Connection, database: asyncpg.Connection, two_tenants: list[UUID], table: str
) -> None:
    before = await database.fetchval(f"SELECT count(*) FROM {table}")

    assert await application.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await application.execute(f"UPDATE {table} SET id = id") == "UPDATE 0"
    assert await application.execute(f"DELETE FROM {table}") == "DELETE 0"
    assert await database.fetchval(f"SELECT count(*) FROM {table}") == before
    assert before


INSERTS = {
    "users": """INSERT INTO users (email, password, "firstName", "lastName", "tenantId")
        VALUES ('x@example.com', 'x', 'x', 'x', $1)""",
    "tenants": """INSERT INTO tenants (id, "businessName", nit, "businessType", address)
        VALUES (gen_random_uuid(), $1::uuid::text, 'x', 'OTRO', 'x')""",
    "sessions": """INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
        VALUES ((SELECT $1::uuid), 'x', now())""",
    "audit_events": """INSERT INTO audit_events ("tenantId", action) VALUES ($1, 'x')""",
    "mails": """INSERT INTO mails (template, recipient, language) VALUES ('x', $1::uuid::text, 'en')""",
    "mail_delays": """INSERT INTO mail_delays ("upTo") VALUES (hashtext($1::uuid::text))""",
    "one_time_codes": """INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt", "tenantId")
        VALUES ('x', 'x', 'x', now(), $1)""",
    "server_processes": """INSERT INTO server_processes (kind, host, "processId", version, release)
        VALUES ('server', $1::uuid::text, 1, 'x', 'x')""",
    **SECOND_FACTORS,
    "beta_key_words": """INSERT INTO beta_key_words VALUES ('x', now(), $1)""",
    "tenant_words": """INSERT INTO tenant_words VALUES ('x', now(), $1)""",
    "staff_invitations": INVITATION,
    "wrong_passwords": """INSERT INTO wrong_passwords ("accountDigest", times)
        VALUES (convert_to($1::uuid::text, 'UTF8'), '{}')""",
    "known_devices": """INSERT INTO known_devices ("userId", network, agent)
        VALUES ((SELECT $1::uuid), 'x', 'x')""",
}


@pytest.mark.parametrize("table", PROTECTED)
async def test_without_a_scope_inserts_are_refused(
    application: asyncpg.Connection, two_tenants: list[UUID], table: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await application.execute(INSERTS[table], two_tenants[0])


@pytest.mark.parametrize("table", ["users", "tenants", "audit_events", "one_time_codes", "staff_invitations"])
async def test_a_tenant_scope_refuses_inserts_for_another_tenant(
    application: asyncpg.Connection, two_tenants: list[UUID], table: str
) -> None:
    async with application.transaction():
        await application.execute(f"SET LOCAL gatehouse.tenant_id = '{two_tenants[0]}'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with application.transaction():
                await application.execute(INSERTS[table], two_tenants[1])


@pytest.mark.parametrize("table", PLATFORM_ONLY)
async def test_a_tenant_scope_sees_no_codes_and_no_mails(
    application: asyncpg.Connection, two_tenants: list[UUID], table: str
) -> None:
    async with application.transaction():
        await application.execute(f"SET LOCAL gatehouse.tenant_id = '{two_tenants[0]}'")

        assert await application.fetchval(f"SELECT count(*) FROM {table}") == 0
        assert await application.execute(f"UPDATE {table} SET id = id") == "UPDATE 0"
        assert await application.execute(f"DELETE FROM {table}") == "DELETE 0"


@pytest.mark.parametrize("table", [table for table in PROTECTED if table not in PLATFORM_ONLY])
async def test_a_tenant_scope_sees_only_its_own_rows(
    application: asyncpg.Connection, two_tenants: list[UUID], table: str
) -> None:
    async with application.transaction():
        await application.execute(f"SET LOCAL gatehouse.tenant_id = '{two_tenants[0]}'")

        theirs = await application.fetchval(f"SELECT count(*) FROM {table}")
        assert theirs == (2 if table == "audit_events" else 1)
        changed = await application.execute(f"UPDATE {table} SET id = id")
        # Tenants must not change their audit events.
        assert changed == ("UPDATE 0" if table == "audit_events" else "UPDATE 1")


async def test_a_scope_ends_with_its_transaction(
    application: asyncpg.Connection, two_tenants: list[UUID]
) -> None:
    """The next request on a pooled connection has no scope."""
    async with application.transaction():
        await application.execute("SET LOCAL gatehouse.scope = 'platform'")
        assert await application.fetchval("SELECT count(*) FROM users") == 2

    assert await application.fetchval("SELECT count(*) FROM users") == 0


async def test_domain_queries_without_a_scope_see_nothing(two_tenants: list[UUID]) -> None:
    assert await User.objects() == []
    assert await Tenant.objects() == []
    assert await Session.objects() == []


async def test_domain_queries_in_a_tenant_scope_see_that_tenant(two_tenants: list[UUID]) -> None:
    async with tenant_scope(two_tenants[0]):
        assert [str(tenant.id) for tenant in await Tenant.objects()] == [str(two_tenants[0])]
        assert [str(user.tenant_id) for user in await User.objects()] == [str(two_tenants[0])]


async def test_a_scope_cannot_be_opened_within_a_different_one(two_tenants: list[UUID]) -> None:
    """If it joined, the inner scope would see the rows of the outer one."""
    async with platform_scope():
        with pytest.raises(RuntimeError, match="another scope"):
            tenant_scope(two_tenants[0])


EMAILS = 'SELECT email, "tenantId" FROM users ORDER BY email'


async def test_a_statement_in_a_scope_sees_its_rows_and_the_scope_ends_with_it(
    two_tenants: list[UUID],
) -> None:
    """Repeated on one connection until PostgreSQL uses a generic plan."""
    for _ in range(12):
        (own,) = await read_tenants([two_tenants[0]], EMAILS)
        both = await read_platform(EMAILS)

        assert str(own["tenantId"]) == str(two_tenants[0])
        assert len(both) == 2
        assert await User.objects() == []
    assert len(await read_tenants(two_tenants, EMAILS)) == 2


async def test_a_statement_in_a_tenant_scope_finds_no_other_tenant(two_tenants: list[UUID]) -> None:
    ours, theirs = two_tenants

    assert await read_tenants([ours], 'SELECT id FROM users WHERE "tenantId" = {}', theirs) == []
    assert await read_tenants([ours], "SELECT id FROM tenants WHERE id = {}", theirs) == []


@pytest.mark.parametrize(
    "setting", ["enable_nestloop", "enable_indexscan", "enable_seqscan", "enable_hashjoin"]
)
async def test_a_statement_sets_its_scope_before_it_reads_a_row(
    application: asyncpg.Connection, two_tenants: list[UUID], setting: str
) -> None:
    """With every query plan."""
    join = 'SELECT u.email, t.nit FROM users u JOIN tenants t ON t.id = u."tenantId" ORDER BY t.nit'
    statement = scoped(join, 0)

    async with application.transaction():
        await application.execute(
            f"SET LOCAL {setting} = off; SET LOCAL plan_cache_mode = force_generic_plan"
        )
        rows = await application.fetch(statement, "gatehouse.scope", "platform")

    assert len(rows) == 2


async def test_within_a_transaction_a_statement_of_another_scope_is_refused(two_tenants: list[UUID]) -> None:
    """Its scope would apply to the rest of that transaction."""
    async with tenant_scope(two_tenants[0]):
        with pytest.raises(RuntimeError, match="transaction is open"):
            await read_platform(EMAILS)
        with pytest.raises(RuntimeError, match="transaction is open"):
            await write_platform("DELETE FROM users")
        assert len(await User.objects()) == 1


async def test_a_statement_over_all_tenants_accepts_only_uuids(
    database: asyncpg.Connection, two_tenants: list[UUID]
) -> None:
    await write_platform("UPDATE tenants SET phone = '1' WHERE id IN ({}, {})", *two_tenants)
    with pytest.raises(ValueError, match="UUID"):
        await write_platform("DELETE FROM tenants WHERE id = {}", "x' OR 'x' = 'x")  # pyright: ignore[reportArgumentType]

    assert await database.fetchval("SELECT count(*) FROM tenants WHERE phone = '1'") == 2


async def test_a_failed_scope_leaves_no_setting_behind(pool: None, database: asyncpg.Connection) -> None:
    async def fail() -> None:
        async with platform_scope():
            await Tenant.insert(Tenant(business_name="x", nit="xxx", business_type="OTRO", address="x"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await database.fetchval("SELECT count(*) FROM tenants") == 0


async def test_each_user_sees_only_their_own_tenant(api: Api, database: asyncpg.Connection) -> None:
    answers = [await api.register(registration(await issue_key(database))) for _ in range(3)]

    for answer in answers:
        viewer = await api.viewer(answer["accessToken"])
        assert viewer["tenant"] == answer["tenant"]
        assert viewer["id"] == answer["user"]["id"]


async def test_sign_in_finds_its_user_by_an_index(database: asyncpg.Connection) -> None:
    """Through row security PostgreSQL cannot use an index on an expression, which is slow with many users."""
    from api.domain.accounts.sign_in import _BY_EMAIL

    # So many users that the plan does not depend on the rows that earlier tests deleted.
    await database.execute(
        """INSERT INTO users (email, password, "firstName", "lastName")
        SELECT n || '@example.com', '', 'x', 'x' FROM generate_series(1, 1000) n;
        ANALYZE users"""
    )
    await database.execute("SET ROLE gatehouse; SET gatehouse.scope = 'platform'")
    plan = await database.fetch("EXPLAIN " + _BY_EMAIL.replace("{}", "'ana@example.com'"))
    await database.execute("RESET ROLE")

    assert any("users_email_lower" in row[0] and "Index" in row[0] for row in plan)
