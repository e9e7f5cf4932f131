"""`gatehouse db adopt`: rows that mean something else, and what hangs on their columns."""

import json
from typing import Any

import asyncpg
import pytest

from api.deploy.adoption.people import people_questions
from api.deploy.adoption.plan import Question
from api.deploy.adoption.questions import find_questions
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.schema.catalog import read_catalog
from tests.deploy.adoption.old_databases import old, rows_of
from tests.support import run_gatehouse

pytestmark = pytest.mark.anyio

ID = "11111111-0000-4000-8000-00000000000"

HASH = "$2b$12$cgzjJ4nfyz1mnGJLKsnA9uUQe0oNuivzaB8Kvi4lXGM9Vhjk0Nqpq"

# The schema sync of October, the old promotion script, soft deletion, and a person at psql.
OCTOBER = f"""
ALTER TABLE tenants ALTER address TYPE text, ALTER address DROP NOT NULL, ADD "deletedAt" timestamp;
ALTER TABLE tenants ALTER "businessType" DROP DEFAULT, ALTER "businessType" TYPE text, ALTER nit TYPE text;
ALTER TABLE users ALTER "firstName" TYPE text, ALTER "firstName" DROP NOT NULL, ADD "deletedAt" timestamp;
ALTER TABLE users ALTER password DROP NOT NULL;
ALTER TABLE beta_keys ALTER key TYPE text, ADD "deletedAt" timestamp;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER promoted BEFORE UPDATE OF role ON users FOR EACH ROW
    WHEN (NEW.role = 'ADMIN' AND OLD."createdAt" > '2025-01-01') EXECUTE FUNCTION note();
CREATE TRIGGER silent AFTER UPDATE OF role ON users FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE users DISABLE TRIGGER silent;
CREATE VIEW staff AS SELECT email, role FROM users WHERE role <> 'CASHIER';
CREATE VIEW admins_since AS SELECT date("createdAt") AS day FROM users JOIN staff USING (email);
COMMENT ON VIEW staff IS 'for the accountant';
GRANT SELECT ON staff TO PUBLIC;
CREATE FUNCTION admins() RETURNS bigint LANGUAGE sql
    BEGIN ATOMIC SELECT count(*) FROM users WHERE role = 'ADMIN'; END;
CREATE TABLE promotions (id uuid);
CREATE RULE promotion AS ON UPDATE TO users WHERE NEW.role = 'SUPER_ADMIN'
    DO ALSO INSERT INTO promotions VALUES (NEW.id);
ALTER TABLE users ADD day date GENERATED ALWAYS AS (date("createdAt")) STORED;
CREATE INDEX admins ON users ("createdAt") WHERE role = 'ADMIN' AND "isActive";
CREATE INDEX recent ON users (date("createdAt")) WHERE "createdAt" > '2025-01-01 12:00';
ALTER TABLE users ADD CONSTRAINT staff CHECK (role IN ('SUPER_ADMIN', 'ADMIN', 'MANAGER', 'CASHIER'));
INSERT INTO tenants (id, "businessName", nit, "businessType", address, phone, "isActive", "deletedAt",
                     "betaKeyUsed") VALUES
  ('{ID}1', 'Sin dirección', '1', 'Belleza y Cosméticos', NULL, repeat('3', 40), true, NULL,
   'beta-aaaaa-22222 '),
  ('{ID}2', 'Lejos', '2', 'Circo', repeat('x', 900), NULL, true, NULL, NULL),
  ('{ID}3', 'Cerrado', '3', 'Tienda de Mascotas', 'x', NULL, true, now() - interval '1 year', NULL);
INSERT INTO users (id, email, password, "firstName", "lastName", role, "tenantId", "isOwner", "refreshToken",
                   "deletedAt") VALUES
  ('{ID}1', 'a@example.com', '{HASH}', NULL, 'x', 'ADMIN', '{ID}1', true, '', NULL),
  ('{ID}2', 'b@example.com', '{HASH}', repeat('x', 90), 'x', 'ADMIN', '{ID}2', true, '', NULL),
  ('{ID}3', 'c@example.com', '{HASH}', 'x', 'x', 'ADMIN', '{ID}3', true, '', NULL),
  ('{ID}4', 'promoted@example.com', '{HASH}', 'x', 'x', 'SUPER_ADMIN', '{ID}2', false, '', NULL),
  ('{ID}5', E'\\u00a0early@example.com\\n', '{HASH}', 'x', 'x', 'ADMIN', NULL, true, '', NULL),
  ('{ID}6', 'gone@example.com', NULL, 'x', 'x', 'CASHIER', '{ID}2', false, '', now());
INSERT INTO beta_keys (id, key, "isUsed", "usedByTenantId", "deletedAt") VALUES
  ('{ID}1', ' BETA-AAAAA-22222', false, NULL, NULL),
  ('{ID}2', 'BETA-AAAAA-33333  ', false, '{ID}2', NULL),
  ('{ID}3', 'BETA-AAAAA-44444', false, NULL, now()),
  ('{ID}4', E'\\tbeta-aaaaa-55555 ', false, NULL, NULL);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no changes'; END $$;
CREATE TRIGGER frozen BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY admins ON users USING (role = 'ADMIN');
ALTER TABLE beta_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"""


async def test_what_october_left_is_adopted_whole(
    empty_database: str, connection: asyncpg.Connection
) -> None:
    """The dry run says the same as the run, with the ids, and changes nothing."""
    await connection.execute(old("synced"))
    await connection.execute(OCTOBER)
    before = await read_catalog(connection, "public"), await rows_of(connection)
    deletion = await connection.fetchval("SELECT now()")

    dry, announced = run_gatehouse(empty_database, "db", "adopt", "--dry-run", "--json")
    assert (await read_catalog(connection, "public"), await rows_of(connection)) == before
    code, done = run_gatehouse(empty_database, "db", "adopt", "--json")

    assert (dry, code) == (0, 0), done
    assert json.loads(announced) == json.loads(done)
    _require_announced(json.loads(done))
    await _require_rows(connection, deletion)
    await _require_objects(connection)
    assert run_gatehouse(empty_database, "db", "verify")[0] == 0
    assert run_gatehouse(empty_database, "db", "status")[0] == 0


def _require_announced(done: dict[str, Any]) -> None:
    ids = {change["what"]: change["ids"] for change in done["changes"]}
    for what, number in {
        "tenants: 1 were deleted in the old system: their grace period starts now, and then they are"
        " erased": 3,
        "users: 1 leave their tenant, because they are operators": 4,
        "users: 1 lose the blanks around their email": 5,
        "users: 1 are deactivated, because they were deleted in the old system": 6,
        "beta_keys: 1 count as used, because a tenant names them as its key": 1,
        "beta_keys: 1 count as used, because they name the tenant that used them": 2,
        "beta_keys: 1 are revoked, because they were deleted in the old system": 3,
    }.items():
        assert ids[what] == [f"{ID}{number}"]
    for what in (
        "users has the unexpected CHECK ",
        "the index admins is created again for the new types",
        "the index recent is created again for the new types",
        "the trigger promoted is created again for the new types",
        "the view staff is created again for the new types",
        "the view admins_since is created again for the new types",
        "the function admins() is created again for the new types",
        "the rule promotion is created again for the new types",
        "the column day is created again for the new types",
        "the type users_role_enum is dropped: nothing uses it any more",
    ):
        assert any(one.startswith(what) for one in ids), what
    assert done["withoutTenant"] == [{"id": f"{ID}5", "email": "\xa0early@example.com\n", "role": "ADMIN"}]


async def _require_rows(connection: asyncpg.Connection, deletion: Any) -> None:
    rows = await rows_of(connection)
    tenants = {str(row["id"]): row for row in rows["tenants"]}
    assert (tenants[f"{ID}1"]["address"], tenants[f"{ID}1"]["phone"]) == ("", "3" * 40)
    assert tenants[f"{ID}2"]["address"] == "x" * 900
    assert [tenants[f"{ID}{number}"]["businessType"] for number in (1, 2, 3)] == [
        "BELLEZA",
        "Circo",
        "MASCOTAS",
    ]
    assert tenants[f"{ID}3"]["deletedAt"] > deletion
    assert (tenants[f"{ID}3"]["isActive"], tenants[f"{ID}3"]["suspendedAt"]) == (False, None)
    users = {str(row["id"]): row for row in rows["users"]}
    assert (users[f"{ID}1"]["firstName"], users[f"{ID}2"]["firstName"]) == ("", "x" * 90)
    assert (users[f"{ID}4"]["tenantId"], users[f"{ID}5"]["isOwner"]) == (None, False)
    assert users[f"{ID}5"]["email"] == "early@example.com"
    assert (users[f"{ID}6"]["isActive"], users[f"{ID}6"]["password"]) == (False, "")
    keys = {row["key"]: row for row in rows["beta_keys"]}
    for key, number in (("BETA-AAAAA-22222", 1), ("BETA-AAAAA-33333", 2)):
        assert (keys[key]["isUsed"], str(keys[key]["usedByTenantId"])) == (True, f"{ID}{number}")
    assert keys["BETA-AAAAA-44444"]["revokedAt"] is not None
    assert (keys["BETA-AAAAA-55555"]["isUsed"], keys["BETA-AAAAA-55555"]["revokedAt"]) == (False, None)


async def _require_objects(connection: asyncpg.Connection) -> None:
    indexes = dict(
        await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'users'")
    )
    assert "'ADMIN'::character varying" in indexes["admins"]
    assert "AT TIME ZONE 'UTC'" in indexes["recent"]
    triggers = await connection.fetch("SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal")
    assert {("promoted", "O"), ("silent", "D"), ("frozen", "O")} <= {tuple(row) for row in triggers}
    assert await connection.fetchval("SELECT count(*) FROM admins_since") == 7
    assert await connection.fetchval("SELECT admins()") == 5
    assert await connection.fetchval("SELECT obj_description('staff'::regclass)") == "for the accountant"
    assert await connection.fetchval("SELECT has_table_privilege('pg_monitor', 'staff', 'SELECT')")
    enums = await connection.fetch("SELECT typname FROM pg_type WHERE typtype = 'e'")
    assert [name for (name,) in enums] == ["tenants_businesstype_enum"]


PEOPLE = f"""
INSERT INTO tenants (id, "businessName", nit, address) VALUES
  ('{ID}1', 'Empty', '1', 'x'), ('{ID}2', 'Two', '2', 'x'), ('{ID}3', 'Promoted', '3', 'x'),
  ('{ID}4', 'Nobody', '4', 'x');
INSERT INTO users (id, email, password, "firstName", "lastName", role, "tenantId", "isOwner",
                   "refreshToken") VALUES
  ('{ID}1', 'second@example.com', '', '', '', 'ADMIN', '{ID}2', true, ''),
  ('{ID}2', 'first@example.com', '', '', '', 'ADMIN', '{ID}2', true, ''),
  ('{ID}3', 'promoted@example.com', '', '', '', 'SUPER_ADMIN', '{ID}3', true, ''),
  ('{ID}4', 'cashier@example.com', '', '', '', 'CASHIER', '{ID}3', false, ''),
  ('{ID}5', 'lone@example.com', '', '', '', 'CASHIER', '{ID}4', NULL, '');
UPDATE users SET "createdAt" = now() - interval '9 days' WHERE email = 'first@example.com';
INSERT INTO users (id, email, password, "firstName", "lastName", "refreshToken")
  VALUES ('{ID}6', 'FIRST@example.com', '', '', '', '');
ALTER TYPE users_role_enum ADD VALUE 'admin';
ALTER TABLE users ALTER email DROP NOT NULL;
UPDATE users SET email = NULL WHERE id = '{ID}5';
ALTER TABLE beta_keys ALTER key DROP NOT NULL, ALTER key TYPE text;
INSERT INTO beta_keys (id, key, "isUsed") VALUES ('{ID}1', NULL, false), ('{ID}2', repeat('k', 30), false),
  ('{ID}3', ' beta-u0u0u-zzz99', false), ('{ID}4', 'beta-o0i1l-abc12', true);
"""


@pytest.mark.slow
async def test_every_choice_answers_its_question(empty_database: str, connection: asyncpg.Connection) -> None:
    """And the first choices together let the database be adopted."""
    await connection.execute(old("synced"))
    for statement in PEOPLE.strip().split(";\n"):
        await connection.execute(statement)
    await connection.execute(f"UPDATE users SET role = 'admin' WHERE id = '{ID}6'")

    code, listed = run_gatehouse(empty_database, "db", "adopt", "--dry-run", "--json")

    undecided = {one["what"].split(":")[0]: one for one in json.loads(listed)["undecided"]}
    assert code == 3
    suggested = {what: (one["ids"], one["choices"][0]["what"]) for what, one in undecided.items()}
    assert suggested["tenants without an owner, Empty"][1].startswith("the tenant is deleted")
    assert suggested["tenants without an owner, Nobody"][1] == "None becomes the owner"
    assert suggested["owners of one tenant, Two"] == ([f"{ID}2", f"{ID}1"], "first@example.com is the owner")
    assert (
        suggested["operators who own a tenant, Promoted"][1]
        == "promoted@example.com is the owner, and no operator"
    )
    assert suggested["users with the unknown role admin"] == ([f"{ID}6"], "they become ADMIN")
    assert len(undecided) == 11, list(undecided)
    for what, one in undecided.items():
        for choice in one["choices"]:
            transaction = connection.transaction()
            await transaction.start()
            for statement in choice["sql"]:
                await connection.execute(statement)
            left = [question.description for question in await _questions(connection)]
            await transaction.rollback()
            assert not any(question.startswith(what) for question in left), choice
    for one in undecided.values():
        for statement in one["choices"][0]["sql"]:
            await connection.execute(statement)
    code, done = run_gatehouse(empty_database, "db", "adopt")
    assert code == 0, done


async def _questions(connection: asyncpg.Connection) -> list[Question]:
    expected = (await build_expected_schema(connection, [])).final
    actual = await read_catalog(connection, "public", only=expected)
    return [
        *await find_questions(connection, expected, actual),
        *[one async for one in people_questions(connection, actual)],
    ]
