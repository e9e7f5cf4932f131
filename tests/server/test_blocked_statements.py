"""Statements that wait, for a locked table or for a standby: they delay nothing that needs neither."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.server.serving import VALIDATE, Registered, Start, ask, assert_masked, client
from tests.support import REGISTER, Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

POOL_SIZE = 10

UNLIMITED = {"WORKER": "off", "RATE_LIMITS": "off"}

KEYS = "{ betaKeys(first: 1) { edges { node { key } } } }"

SESSIONS = "{ sessions { id } }"

BACKENDS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL ($1)
"""


@pytest.fixture
async def owner(server: EmbeddedServer, migrated_database: str) -> AsyncIterator[asyncpg.Connection]:
    name = migrated_database.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    yield connection
    await connection.close()


class Watch:
    """Counts the backends of a server all the time, and asks it what must go on."""

    def __init__(self, api: Api, token: str, query: str) -> None:
        self.api = api
        self.token = token
        self.query = query
        self.most_backends = 0
        self.answers: list[httpx.Response] = []

    @asynccontextmanager
    async def watching(self, dsn: str, *others: int) -> AsyncIterator[None]:
        connection = await asyncpg.connect(dsn)
        pids = [connection.get_server_pid(), *others]
        tasks = [asyncio.create_task(self._count(connection, pids)), asyncio.create_task(self._ask())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await connection.close()
        assert all(isinstance(one, asyncio.CancelledError) for one in results), results

    async def _count(self, connection: asyncpg.Connection, pids: list[int]) -> None:
        while True:
            (row,) = await connection.fetch(BACKENDS, pids)
            self.most_backends = max(self.most_backends, row["count"])
            await asyncio.sleep(0.02)

    async def _ask(self) -> None:
        while True:
            self.answers.append(await ask(self.api, VALIDATE))
            self.answers.append(await ask(self.api, self.query, self.token))
            await asyncio.sleep(0.02)

    def failed(self) -> list[str]:
        return [answer.text for answer in self.answers if "errors" in answer.json()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "query"),
    [("mails", KEYS), ("audit_events", KEYS), ("audit_events", SESSIONS), ("tenants", None)],
)
async def test_a_locked_table_delays_only_what_needs_it(
    migrated_database: str,
    owner: asyncpg.Connection,
    start: Start,
    table: str,
    query: str | None,
) -> None:
    """As an outsider's LOCK TABLE or ALTER TABLE does it."""
    operator = await hire(owner, None, "SUPER_ADMIN")
    keys = [await issue_key(owner) for _ in range(10)]
    process = start(DATABASE_URL=migrated_database, DB_POOL_SIZE=str(POOL_SIZE), **UNLIMITED)
    async with client(process) as api:
        watch = Watch(api, operator.token, query or VALIDATE)
        async with owner.transaction():
            await owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            async with watch.watching(migrated_database, owner.get_server_pid()):
                for _ in range(3):
                    registering = [
                        asyncio.create_task(ask(api, REGISTER, i=registration(key))) for key in keys
                    ]
                    for refused in await asyncio.gather(*registering):
                        assert_masked(refused, "UNAVAILABLE")
        after = await asyncio.gather(*(ask(api, REGISTER, i=registration(key)) for key in keys))

    assert watch.failed() == []
    assert len(watch.answers) > 20
    assert watch.most_backends <= POOL_SIZE + 2
    assert {answer.json()["data"]["register"]["__typename"] for answer in after} == {"Registration"}
    assert "traceback" not in process.log.read_text().lower()


@pytest.mark.slow
async def test_searches_that_wait_delay_neither_listings_nor_registrations(
    migrated_database: str, owner: asyncpg.Connection, start: Start
) -> None:
    operator = await hire(owner, None, "SUPER_ADMIN")
    key = await issue_key(owner, notes="feria")
    search = '{ betaKeys(first: 1, filter: {search: "feria"}) { edges { node { key } } } }'
    process = start(DATABASE_URL=migrated_database, DB_POOL_SIZE=str(POOL_SIZE), **UNLIMITED)
    async with client(process) as api:
        watch = Watch(api, operator.token, KEYS)
        async with owner.transaction():
            await owner.execute("LOCK TABLE beta_key_words IN ACCESS EXCLUSIVE MODE")
            async with watch.watching(migrated_database, owner.get_server_pid()):
                searching = [asyncio.create_task(ask(api, search, operator.token)) for _ in range(12)]
                registered = await ask(api, REGISTER, i=registration(key))
                for refused in await asyncio.gather(*searching):
                    assert_masked(refused, "UNAVAILABLE")
        found = (await ask(api, search, operator.token)).json()

    assert watch.failed() == []
    assert watch.most_backends <= POOL_SIZE + 2
    assert registered.json()["data"]["register"]["__typename"] == "Registration"
    assert len(found["data"]["betaKeys"]["edges"]) == 1


@pytest.mark.slow
async def test_a_standby_that_is_away_delays_only_commits(
    registered: Registered, start: Start, tmp_path: Path
) -> None:
    """A registration that is not on the standby is not reported as done; repeated, it answers the same."""
    database = EmbeddedServer(registered.home)
    database.start()
    try:
        owner = await asyncpg.connect(database.dsn(user="postgres"))
        keys = [await issue_key(owner) for _ in range(14)]
        operator = await hire(owner, None, "SUPER_ADMIN")
        forms: list[dict[str, Any]] = [registration(key) for key in keys]
        process = start(DATABASE_URL=database.dsn(), DB_POOL_SIZE=str(POOL_SIZE), **UNLIMITED)
        async with client(process) as api:
            watch = Watch(api, operator.token, KEYS)
            await _set_standby(owner, "away")
            async with watch.watching(database.dsn(), owner.get_server_pid()):
                refused = await asyncio.gather(*(ask(api, REGISTER, i=form) for form in forms))
            await _set_standby(owner, "")
            again = await asyncio.gather(*(ask(api, REGISTER, i=form) for form in forms))
        await owner.close()
    finally:
        database.stop()

    for answer in refused:
        assert_masked(answer, "UNAVAILABLE")
    assert watch.failed() == []
    assert len(watch.answers) > 20
    assert watch.most_backends <= POOL_SIZE + 2
    tenants = {answer.json()["data"]["register"]["tenant"]["id"] for answer in again}
    assert len(tenants) == len(forms)


async def _set_standby(owner: asyncpg.Connection, name: str) -> None:
    await owner.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    await owner.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
