"""A database that responds, and cannot be used: another version's schema, a standby, times out of range."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from tests.server.serving import VALIDATE, Start, ask, assert_masked, assert_tells_nothing, client
from tests.server.test_smoke import smoke
from tests.support import REGISTER, GatehouseProcess, hire, issue_key, registration

pytestmark = pytest.mark.anyio

REST = "/api/beta-keys/validate/BETA-AAAAA-AAAAA"

SCHEMAS = {
    "behind by a column": 'ALTER TABLE beta_keys DROP COLUMN "expiresAt" CASCADE',
    "behind by a table": "DROP TABLE beta_keys",
    "ahead by a column that was dropped": 'ALTER TABLE beta_keys RENAME COLUMN "isUsed" TO used',
}


PAGE = """query ($first: Int!, $after: String) { betaKeys(first: $first, after: $after) {
    edges { node { key createdAt expiresAt usedAt } } pageInfo { hasNextPage endCursor }
} }"""


@pytest.fixture
async def owner(server: EmbeddedServer, migrated_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to `migrated_database`, which sees every row."""
    name = migrated_database.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    yield connection
    await connection.close()


def assert_no_traceback(process: GatehouseProcess) -> None:
    log = process.log.read_text()
    assert "traceback" not in log.lower(), log


@pytest.mark.parametrize("change", SCHEMAS.values(), ids=SCHEMAS)
async def test_another_schema_is_unavailable_and_logged_in_one_line(
    migrated_database: str, owner: asyncpg.Connection, start: Start, change: str
) -> None:
    """The server has started before, as in a deploy or a rollback."""
    process = start(DATABASE_URL=migrated_database)
    async with client(process) as api:
        # The pool has prepared the statement.
        assert (await api.http.get(REST)).status_code == 200
        await owner.execute(change)

        rest = await api.http.get(REST)
        graphql = await api.http.post("/graphql", json={"query": VALIDATE})

    assert (rest.status_code, rest.json()["code"]) == (503, "UNAVAILABLE")
    assert_tells_nothing(rest.text)
    assert_masked(graphql, "UNAVAILABLE")
    assert "see: gatehouse db status" in process.log.read_text()
    assert_no_traceback(process)


async def test_a_required_column_of_a_newer_version_is_unavailable(
    migrated_database: str, owner: asyncpg.Connection, start: Start
) -> None:
    await owner.execute("ALTER TABLE tenants ADD COLUMN country text NOT NULL")
    await owner.execute("INSERT INTO beta_keys (key) VALUES ('BETA-AAAAA-AAAAA')")
    process = start(DATABASE_URL=migrated_database)
    async with client(process) as api:
        response = await ask(api, REGISTER, i=registration("BETA-AAAAA-AAAAA"))

    assert_masked(response, "UNAVAILABLE")
    assert_no_traceback(process)


async def test_pending_migrations_have_a_code(
    migrated_database: str, owner: asyncpg.Connection, start: Start
) -> None:
    await owner.execute("DELETE FROM migration WHERE name = (SELECT max(name) FROM migration)")

    async with client(start(DATABASE_URL=migrated_database)) as api:
        ready = await api.http.get("/readyz")

    assert (ready.status_code, ready.json()["code"]) == (503, "MIGRATIONS_PENDING")


async def test_a_database_that_takes_no_writes_is_not_ready(
    migrated_database: str, owner: asyncpg.Connection, start: Start
) -> None:
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    process = start(DATABASE_URL=migrated_database)

    code, output = smoke(process.url)
    async with client(process) as api:
        ready = await api.http.get("/readyz")
        login = await api.http.post("/api/auth/login", json={"email": "a@example.com", "password": "not it"})

    assert (ready.status_code, ready.json()["code"]) == (503, "READ_ONLY")
    assert code == 1
    assert "READ_ONLY" in output
    assert login.status_code in (401, 503), login.text
    assert_no_traceback(process)


async def test_connections_to_a_database_that_became_read_only_are_closed(
    migrated_database: str, owner: asyncpg.Connection, start: Start
) -> None:
    """As after a failover: the next connections lead to the new primary."""
    # PostgreSQL reads the setting of a database when a client connects.
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    key = await issue_key(owner)
    async with client(start(DATABASE_URL=migrated_database, DB_POOL_SIZE="1")) as api:
        refused = await ask(api, REGISTER, i=registration(key))
        before = (await api.http.get("/readyz")).status_code
        await owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        after = (await api.http.get("/readyz")).status_code
        registered = await ask(api, REGISTER, i=registration(key))

    assert_masked(refused, "UNAVAILABLE")
    assert (before, after) == (503, 200)
    assert registered.json()["data"]["register"]["__typename"] == "Registration"


TIMES = ["infinity", "-infinity", "0044-03-15 12:00 BC", "12000-01-01"]


@pytest.mark.parametrize("time", TIMES)
async def test_a_time_that_python_cannot_represent_is_shown(
    migrated_database: str, owner: asyncpg.Connection, start: Start, time: str
) -> None:
    """Old rows have such times: a key without an end, a date that was never set."""
    token = await _keys_of(owner, time)
    async with client(start(DATABASE_URL=migrated_database)) as api:
        page = await api.post(PAGE, token, first=10)

    nodes = [edge["node"] for edge in page["data"]["betaKeys"]["edges"]]
    years = {node[field][:4] for node in nodes for field in ("createdAt", "expiresAt", "usedAt")}
    assert len(nodes) == 3
    assert years == {"0001" if time in ("-infinity", "0044-03-15 12:00 BC") else "9999"}


@pytest.mark.parametrize("time", ["infinity", "-infinity"])
async def test_pages_of_rows_without_a_finite_time_end(
    migrated_database: str, owner: asyncpg.Connection, start: Start, time: str
) -> None:
    token = await _keys_of(owner, time)
    async with client(start(DATABASE_URL=migrated_database)) as api:
        first = (await api.post(PAGE, token, first=2))["data"]["betaKeys"]
        after = first["pageInfo"]["endCursor"]
        second = (await api.post(PAGE, token, first=2, after=after))["data"]["betaKeys"]

    listed = [edge["node"]["key"] for page in (first, second) for edge in page["edges"]]
    assert sorted(listed) == ["KEY-1", "KEY-2", "KEY-3"]
    assert second["pageInfo"]["hasNextPage"] is False


async def _keys_of(owner: asyncpg.Connection, time: str) -> str:
    """Insert three keys with this time; returns the token of an operator."""
    await owner.execute(
        'INSERT INTO beta_keys (key, "expiresAt", "createdAt", "usedAt")'
        " SELECT 'KEY-' || n, $1::text::timestamptz, $1::text::timestamptz, $1::text::timestamptz"
        "   FROM generate_series(1, 3) AS n",
        time,
    )
    return (await hire(owner, None, "SUPER_ADMIN")).token
