"""Standbys that answer reads: the writer sees what it wrote, and a standby that is away costs no request."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.commands import run_command
from tests.postgres_servers import PostgresServer
from tests.server.serving import Start, client
from tests.standby import primary_and_standbys
from tests.support import (
    SESSIONS,
    Api,
    GatehouseProcess,
    hire,
    issue_key,
    postgres_processes,
    registration,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Servers = tuple[PostgresServer, list[PostgresServer]]

TOKEN = "a-token-for-metrics"

ISSUE = """mutation($i: IssueBetaKeysInput!) { issueBetaKeys(input: $i) { __typename
  ... on IssuedBetaKeys { keys { id key } } } }"""

KEYS_OF = """query($batch: String) { betaKeys(first: 5, filter: {batch: $batch}) {
  totalCount edges { node { key notes } } } betaKeyStats(batch: $batch) { total } }"""

UPDATE = """mutation($id: ID!, $notes: String) { updateBetaKey(id: $id, input: {notes: $notes}) {
  __typename } }"""


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Servers]:
    with primary_and_standbys(tmp_path_factory.mktemp("replicas"), 2) as found:
        yield found


def address_of(standbys: list[PostgresServer]) -> str:
    queries = [parse_qs(urlsplit(standby.dsn()).query) for standby in standbys]
    hosts, ports = (",".join(query[name][0] for query in queries) for name in ("host", "port"))
    return f"postgresql://gatehouse@/gatehouse?host={hosts}&port={ports}"


@pytest.fixture
def environment(servers: Servers) -> dict[str, str]:
    primary, standbys = servers
    return {
        "DATABASE_URL": primary.dsn(),
        "DATABASE_READ_URL": address_of(standbys),
        "READ_REPLICA_MAX_LAG_SECONDS": "3",
        "METRICS_TOKEN": TOKEN,
    }


@pytest.fixture
async def owner(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the primary."""
    connection = await asyncpg.connect(servers[0].dsn(user="postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def standbys(
    servers: Servers,
) -> AsyncIterator[list[asyncpg.Connection]]:
    """Superusers' connections; the standbys replay again after the test."""
    connections = [await asyncpg.connect(each.dsn(user="postgres")) for each in servers[1]]
    yield connections
    for connection in connections:
        if not connection.is_closed():
            await connection.execute("ALTER SYSTEM RESET ALL")
            await connection.execute("SELECT pg_reload_conf(), pg_wal_replay_resume()")
            await connection.close()


async def reads(process: GatehouseProcess) -> dict[str, float]:
    """Reads by target, as /metrics has them."""
    async with client(process) as api:
        text = (await api.http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})).text
    found = re.findall(r'^gatehouse_reads_total\{target="(.+?)"\} (\S+)', text, re.MULTILINE)
    return {target: float(count) for target, count in found}


async def of_standbys(process: GatehouseProcess) -> float:
    return sum(count for target, count in (await reads(process)).items() if target != "primary")


async def until_read(process: GatehouseProcess, api: Api, token: str) -> None:
    """Wait until standbys answer reads of that session."""
    before = await of_standbys(process)
    async with asyncio.timeout(20):
        while await of_standbys(process) == before:
            await api.data(KEYS_OF, token)
            await asyncio.sleep(0.1)


async def test_a_writer_reads_what_it_has_written(
    environment: dict[str, str], owner: asyncpg.Connection, standbys: list[asyncpg.Connection], start: Start
) -> None:
    """Ten operators write at one instance and read at once at another, while the standbys replay late."""
    people = [await hire(owner, None, "SUPER_ADMIN") for _ in range(10)]
    processes = [start(**environment, RATE_LIMITS="off") for _ in range(2)]
    for connection, delay in zip(standbys, ("300ms", "900ms"), strict=True):
        await connection.execute(f"ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'")
        await connection.execute("SELECT pg_reload_conf()")
    stale: list[Any] = []
    answers = 0

    async def work(number: int, apis: list[Api]) -> None:
        nonlocal answers
        token = people[number].token
        for turn in range(12):
            batch = f"b{number}-{turn}"
            issued = await apis[turn % 2].data(ISSUE, token, i={"count": 2, "batch": batch})
            key = issued["issueBetaKeys"]["keys"][0]
            for read in range(6):
                found = await apis[(turn + read) % 2].data(KEYS_OF, token, batch=batch)
                if found["betaKeys"]["totalCount"] != 2 or found["betaKeyStats"]["total"] != 2:
                    stale.append(("issued", number, turn, read, found))
                await asyncio.sleep(0.1 * read)
            await apis[turn % 2].data(UPDATE, token, id=key["id"], notes=f"n{turn}")
            found = await apis[(turn + 1) % 2].data(KEYS_OF, token, batch=batch)
            if f"n{turn}" not in str(found):
                stale.append(("updated", number, turn, found))
            answers += 7

    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(client(process)) for process in processes]
        await asyncio.gather(*(work(number, apis) for number in range(len(people))))
    by_standbys = [await of_standbys(process) for process in processes]

    assert stale == []
    assert answers == 840
    assert min(by_standbys) > 50


async def test_a_standby_that_is_late_hangs_or_dies_costs_no_request(
    environment: dict[str, str],
    owner: asyncpg.Connection,
    standbys: list[asyncpg.Connection],
    servers: Servers,
    start: Start,
) -> None:
    reader = await hire(owner, None, "SUPER_ADMIN")
    process = start(**environment, RATE_LIMITS="off")
    failed: list[Any] = []

    async with client(process) as api:
        await until_read(process, api, reader.token)

        async def ask() -> None:
            while True:
                answer = await api.post(KEYS_OF, reader.token, batch="late")
                if "errors" in answer:
                    failed.append(answer)
                await asyncio.sleep(0.02)

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for connection in standbys:
            await connection.execute("SELECT pg_wal_replay_pause()")
        await issue_key(owner, batch="late")
        await asyncio.sleep(5)
        late = await api.data(KEYS_OF, reader.token, batch="late")
        for connection in standbys:
            await connection.execute("SELECT pg_wal_replay_resume()")
        await until_read(process, api, reader.token)

        hanging = postgres_processes(servers[1][0].home)
        for pid in hanging:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(6)
        for pid in reversed(hanging):
            os.kill(pid, signal.SIGCONT)
        await until_read(process, api, reader.token)

        for standby in servers[1]:
            standby.stop()
        await asyncio.sleep(3)
        said = await doctor(environment)
        for standby in servers[1]:
            standby.start()
        await until_read(process, api, reader.token)
        for task in asking:
            task.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)

    assert failed == []
    assert {type(one) for one in ended} == {asyncio.CancelledError}
    assert late["betaKeys"]["totalCount"] == 1
    assert "do not answer, so that others are read" in said
    assert re.search("read replicas\t2 standbys answer", await doctor(environment))
    assert "Traceback" not in process.log.read_text()


async def doctor(environment: dict[str, str]) -> str:
    return (await asyncio.to_thread(run_command, "gatehouse", "doctor", **environment)).stdout


async def test_a_revoked_session_ends_at_once_and_standbys_show_a_tenant_its_own_rows(
    environment: dict[str, str], owner: asyncpg.Connection, standbys: list[asyncpg.Connection], start: Start
) -> None:
    process = start(**environment, RATE_LIMITS="off")
    events = "{ auditEvents(first: 50) { edges { node { action tenantId } } } }"
    async with client(process) as api:
        ana, eva = [await api.register(registration(await issue_key(owner))) for _ in range(2)]
        first = await api.data(events, ana["accessToken"])
        by_standby = first
        before = await of_standbys(process)
        async with asyncio.timeout(20):
            while await of_standbys(process) == before:
                by_standby = await api.data(events, ana["accessToken"])
        assert by_standby == first
        of_tenants = {edge["node"]["tenantId"] for edge in by_standby["auditEvents"]["edges"]}
        assert of_tenants == {ana["tenant"]["id"]} != {eva["tenant"]["id"]}

        for connection in standbys:
            await connection.execute("SELECT pg_wal_replay_pause()")
        await api.data("mutation { logout { __typename } }", ana["accessToken"])
        answer = await api.post(SESSIONS, ana["accessToken"])
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_standbys_validate_beta_keys_if_a_setting_says_so(
    environment: dict[str, str], owner: asyncpg.Connection, standbys: list[asyncpg.Connection], start: Start
) -> None:
    """A key that they lack is looked up on the primary, and so is that of a client with a token."""
    process = start(**environment, RATE_LIMITS="off", READ_REPLICA_BETA_KEYS="on")
    query = "query($k: String!) { validateBetaKey(key: $k) { valid reason } }"
    async with client(process) as api:
        key = await issue_key(owner)
        async with asyncio.timeout(20):
            while await of_standbys(process) == 0:
                await api.data(query, k=key)
        for connection in standbys:
            await connection.execute("SELECT pg_wal_replay_pause()")
        new = await issue_key(owner)
        assert (await api.data(query, k=new))["validateBetaKey"]["valid"]
        registered = await api.register(registration(key))
        seen = await api.data(query, registered["accessToken"], k=key)
        again = await api.register(registration(key))
    assert seen["validateBetaKey"] == {"valid": False, "reason": "USED"}
    assert again["__typename"] == "BetaKeyRejected"
