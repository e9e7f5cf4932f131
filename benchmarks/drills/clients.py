"""Clients that look keys up and register during a drill, and remember every answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx

from benchmarks.requests import REGISTER, VALIDATE, business, make_keys
from benchmarks.servers import Database

KEYS = 5000

PAUSE = 0.1
"""Seconds between two requests of a client: the drills are about failures, not about speed."""


class Clients:
    """`failures` counts what was answered in place of data; `registered` has the acknowledged forms."""

    def __init__(self, url: str, keys: list[str]) -> None:
        self.url = url
        self.answers = 0
        self.failures: Counter[str] = Counter()
        self.registered: list[dict[str, str]] = []
        self._keys = keys
        self._forms: Iterator[dict[str, str]] = (business(key, n) for n, key in enumerate(keys, 1))
        self._stopped = False

    @asynccontextmanager
    async def working(self, registering: int, looking_up: int) -> AsyncIterator[None]:
        """So many clients of each kind work inside; at the end each waits for its last answer."""
        limits = httpx.Limits(max_connections=registering + looking_up)
        async with httpx.AsyncClient(base_url=self.url, timeout=40, limits=limits) as http:
            kinds = [self._register] * registering + [self._look_up] * looking_up
            tasks = [asyncio.create_task(kind(http)) for kind in kinds]
            yield
            self._stopped = True
            await asyncio.gather(*tasks)

    async def _register(self, http: httpx.AsyncClient) -> None:
        """A form is sent again until it is acknowledged, as a person does."""
        form = next(self._forms)
        while not self._stopped:
            if await self._post(http, REGISTER, {"input": form}, "Registration"):
                self.registered.append(form)
                form = next(self._forms)
            await asyncio.sleep(PAUSE)

    async def _look_up(self, http: httpx.AsyncClient) -> None:
        while not self._stopped:
            await self._post(http, VALIDATE, {"key": self._keys[self.answers % len(self._keys)]}, "valid")
            await asyncio.sleep(PAUSE)

    async def _post(
        self, http: httpx.AsyncClient, query: str, variables: dict[str, Any], expected: str
    ) -> bool:
        self.answers += 1
        try:
            response = await http.post("/graphql", json={"query": query, "variables": variables})
        except httpx.TransportError as error:
            self.failures[type(error).__name__] += 1
            return False
        if response.status_code != 200 or '"errors"' in response.text or expected not in response.text:
            self.failures[f"{response.status_code} {response.text[:200]}"] += 1
            return False
        return True


def clients(database: Database, url: str) -> Clients:
    """Clients of the server at `url`, with keys that are added to `database`."""
    keys = make_keys(KEYS, seed=1)
    database.add_keys(keys)
    return Clients(url, keys)


_HALF_DONE = """
SELECT (SELECT count(*) FROM tenants t WHERE NOT EXISTS (
           SELECT FROM users u JOIN beta_keys k ON k."usedByTenantId" = t.id
            WHERE u."tenantId" = t.id AND u."isOwner"))
     + (SELECT count(*) FROM beta_keys WHERE "usedByTenantId" IS NULL AND "usedAt" IS NOT NULL)
     + abs((SELECT count(*) FROM tenants) - (SELECT count(*) FROM beta_keys WHERE "usedAt" IS NOT NULL))
     + abs((SELECT count(*) FROM tenants) - (SELECT count(*) FROM users))
     + abs((SELECT count(*) FROM tenants) - (SELECT count(*) FROM mails))
     + abs((SELECT count(*) FROM tenants)
         - (SELECT count(*) FROM audit_events WHERE action = 'tenant.registered'))
"""


async def lost_and_half_done(dsn: str, registered: list[dict[str, str]]) -> tuple[int, int]:
    """How many acknowledged registrations the database lacks, and how many it has in part."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET gatehouse.scope = 'platform'")
        emails = [form["email"] for form in registered]
        found = await connection.fetchval("SELECT count(*) FROM users WHERE email = ANY($1)", emails)
        return len(emails) - found, await connection.fetchval(_HALF_DONE)
    finally:
        await connection.close()
