"""Registrations that wait, for a locked table or for a standby, beside look-ups that need neither."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import httpx

from api.database.embedded import SUPERUSER
from benchmarks.load import Clients, Load, Outcome
from benchmarks.requests import IS_VALID, REGISTER, business, make_keys, validations
from benchmarks.servers import Database, gatehouse, postgres

POOL_SIZE = 10

REGISTERING = 10
"""Clients that register all the time."""

SECONDS = 15.0

MIN_RATE = 0.95
"""Of look-ups beside registrations that wait, compared with look-ups beside none."""

_BACKENDS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'drill'
"""

Block = Callable[[str], AbstractAsyncContextManager[None]]


def locked_table() -> bool:
    """An outsider locks the table of tenants."""
    return _drill("while tenants is locked", _tenants_locked)


def standby_away() -> bool:
    """Each COMMIT waits for a synchronous standby that does not exist."""
    return _drill("while the standby is away", _standby_required)


def _drill(name: str, block: Block) -> bool:
    keys = make_keys(2000, seed=1)
    with postgres() as server, Clients() as clients:
        database = Database(server, "drill").migrate()
        database.add_keys(keys)
        superuser = f"{server.dsn(user=SUPERUSER, database='drill')}&application_name=drill"
        with gatehouse(database, DB_POOL_SIZE=str(POOL_SIZE), WORKER="off") as target:
            load = Load(
                port=target.port, requests=validations(keys[1000:]), expected=IS_VALID, seconds=SECONDS
            )
            quiet = clients.run(load)
            blocked, most = asyncio.run(_measure(clients, load, superuser, block, keys[:1000]))
    ratio = blocked.rate / quiet.rate
    sys.stdout.write(
        f"look-ups a second: {quiet.rate:,.0f} quiet, {blocked.rate:,.0f} {name}:"
        f" {ratio:.2f}, at least {MIN_RATE}; p99 {1000 * quiet.p99:.1f} and {1000 * blocked.p99:.1f} ms\n"
        f"backends of the server: {most}, at most {POOL_SIZE + 2}\n"
    )
    return ratio >= MIN_RATE and most <= POOL_SIZE + 2


async def _measure(
    clients: Clients, load: Load, superuser: str, block: Block, keys: list[str]
) -> tuple[Outcome, int]:
    connection = await asyncpg.connect(superuser)
    most = [0]
    async with block(superuser):
        tasks = [
            asyncio.create_task(_count(connection, most)),
            *(asyncio.create_task(_register(load.port, keys[n::REGISTERING])) for n in range(REGISTERING)),
        ]
        outcome = await asyncio.wrap_future(clients.start(load))
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    await connection.close()
    if failed := [one for one in ended if not isinstance(one, asyncio.CancelledError)]:
        raise RuntimeError(f"the drill ended early: {failed}")
    return outcome, most[0]


async def _count(connection: asyncpg.Connection, most: list[int]) -> None:
    while True:
        most[0] = max(most[0], await connection.fetchval(_BACKENDS) or 0)
        await asyncio.sleep(0.1)


async def _register(port: int, keys: list[str]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        number = int(keys[0].encode().hex(), 16) % 10**6
        while True:
            for key in keys:
                number += 1
                variables = {"input": business(key, number)}
                await http.post("/graphql", json={"query": REGISTER, "variables": variables})


@asynccontextmanager
async def _tenants_locked(superuser: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(superuser)
    async with connection.transaction():
        await connection.execute("LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


@asynccontextmanager
async def _standby_required(superuser: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(superuser)
    await _set_standby(connection, "away")
    yield
    await _set_standby(connection, "")
    await connection.close()


async def _set_standby(connection: asyncpg.Connection, name: str) -> None:
    await connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    await connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.5)
