"""A server behind the real PgBouncer in transaction mode, without support of named prepared statements."""

import asyncio
import json
from pathlib import Path

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.pgbouncer import pgbouncer
from tests.server.serving import Start, ask, client
from tests.support import LOGIN, PASSWORD, REGISTER, hire, registration, run_gatehouse

pytestmark = pytest.mark.anyio

REQUESTS = 128

# Fewer connections of PostgreSQL than the server opens, so that each transaction may get another one.
FEW = "default_pool_size = 4"

KEYS = "{ betaKeyStats { total } betaKeys(first: 3) { totalCount edges { node { key } } } }"
LOOK_UP = '{ validateBetaKey(key: "BETA-TEST-12345") { reason } }'


async def test_128_requests_at_once_are_answered(
    server: EmbeddedServer, migrated_database: str, start: Start, tmp_path: Path
) -> None:
    """Look-ups, lists and registrations, and then sign-ins."""
    name = migrated_database.split("?")[0].rsplit("/", 1)[1]
    owner = await asyncpg.connect(server.dsn(user="postgres", database=name))
    operator = await hire(owner, None, "SUPER_ADMIN")
    await owner.close()
    with pgbouncer(migrated_database, tmp_path, "transaction", FEW) as pooled:
        code, output = await asyncio.to_thread(
            run_gatehouse, pooled, "keys", "issue", "--count", "32", "--json"
        )
        assert code == 0, output
        forms = [registration(key["key"]) for key in json.loads(output)]
        process = start(DATABASE_URL=pooled)
        async with client(process) as api:
            signing_in = [{"email": form["email"], "password": PASSWORD} for form in forms]
            first = await asyncio.gather(
                *(ask(api, REGISTER, i=form) for form in forms),
                *(ask(api, LOOK_UP) for _ in range(REQUESTS // 4)),
                *(ask(api, KEYS, operator.token) for _ in range(REQUESTS // 2)),
            )
            second = await asyncio.gather(*(ask(api, LOGIN, i=who) for who in signing_in))
            ready = await api.http.get("/readyz")
        process.stop()

    assert len(first) == REQUESTS
    assert [answer.text for answer in first + second if "errors" in answer.json()] == []
    assert _types(first[:32]) == {"Registration"}
    assert _types(second) == {"SignedIn"}
    assert ready.status_code == 200
    log = process.log.read_text()
    assert "leads through a pooler" in log
    assert "error" not in log.lower()


def _types(responses: list[httpx.Response]) -> set[str]:
    return {next(iter(response.json()["data"].values()))["__typename"] for response in responses}
