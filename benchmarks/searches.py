"""`make bench-searches`: measures searches of beta keys and tenants at two sizes, and what the words cost.

Other sizes: `python -m benchmarks.searches 10000 10000000`; of tenants there are at most a million. A
measurement is the CPU time of the connection's process of PostgreSQL, which other load changes less than the
time that passes, of the page of the 20 newest results and of the total. Linux only.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg

from api.domain.beta_keys import listing as keys
from api.domain.beta_keys.issue import generate_keys
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.pagination import Position
from api.domain.tenants import listing as tenants
from benchmarks.servers import ROOT, Database, environment, postgres

SIZES = (10_000, 300_000)
MAX_TENANTS = 1_000_000
CHUNK = 50_000
ROUNDS = 7
ISSUED = 100_000

# Of the oldest tenth of the keys, so many have a word that no newer key has.
_ADD_KEYS = """
INSERT INTO beta_keys (key, notes, "recipientEmail", batch, "createdAt", "revokedAt")
SELECT 'BETA-' || substr(digest, 1, 5) || '-' || substr(digest, 6, 5),
       CASE WHEN n > $3 * 0.9 THEN 'Navidad 2024'
            ELSE (ARRAY['Feria de Bogotá 2026', 'Panadería Peña', 'cliente ' || n % 1000, NULL])[n % 4 + 1]
       END,
       CASE WHEN n % 3 = 0 THEN 'ana.perez' || n || '@example.com' END,
       'batch ' || n % 10, now() - n * interval '1 s', CASE WHEN n % 1000 = 0 THEN now() END
  FROM generate_series($1::int, $2::int) n,
       LATERAL (SELECT translate(upper(md5(n::text)), '01', 'YZ') AS digest) d
    ON CONFLICT DO NOTHING
"""

_ADD_TENANTS = """
WITH tenant AS (
    INSERT INTO tenants (nit, "businessName", "businessType", address, email, "createdAt")
    SELECT (800000000 + n)::text,
           (ARRAY['Panadería', 'Farmacia', 'Tienda', 'Café', 'Ferretería'])[n % 5 + 1] || ' '
           || (ARRAY['Peña', 'Muñoz', 'del Río', 'Gómez', 'El Sol', 'La Luna', 'Ibáñez'])[n % 7 + 1]
           || ' ' || n,
           'TIENDA', 'Calle 10', 'hola' || n || '@example.com', now() - n * interval '1 s'
      FROM generate_series($1::int, $2::int) n WHERE n <= $3
    RETURNING id, nit
)
INSERT INTO users (email, password, "firstName", "lastName", role, "tenantId", "isOwner")
SELECT 'luz' || nit || '@example.org', '', 'Luz', 'Mora', 'ADMIN', id, true FROM tenant
"""


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    with postgres() as server:
        print(f"\nissuing {ISSUED:,} keys with notes of four words, ms of CPU")
        for name, milliseconds in measure_issuing(Database(server, "issued").migrate("all")).items():
            print(f"  {name:40}{milliseconds:10,.0f}", flush=True)
        results = [measure(fill(Database(server, f"of{size}").migrate("all"), size)) for size in sizes]
    print(f"\nms of CPU: page, total{'':20}" + "".join(f"{size:>22,}" for size in sizes))
    for name in results[0]:
        print(
            f"  {name:40}"
            + "".join(f"{page:15.1f}{total:7.1f}" for page, total in (of[name] for of in results))
        )


def fill(database: Database, size: int) -> Database:
    """Add so many keys, and as many tenants up to a million, each with its owner."""
    started = time.monotonic()
    asyncio.run(_fill(database, size))
    print(f"{size:,} keys after {time.monotonic() - started:.0f} s", flush=True)
    return database


async def _fill(database: Database, size: int) -> None:
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute(
            f"SET gatehouse.scope = 'platform'; ALTER DATABASE {database.name}"
            " SET max_parallel_workers_per_gather = 0"
        )
        for first in range(1, size + 1, CHUNK):
            last = min(size, first + CHUNK - 1)
            await connection.execute(_ADD_KEYS, first, last, size)
            await connection.execute(_ADD_TENANTS, first, last, MAX_TENANTS)
        for table in ("beta_keys", "tenants", "users", "beta_key_words", "tenant_words"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()


def measure(database: Database) -> dict[str, tuple[float, float]]:
    """By search, the milliseconds of a page and of the total. In a process of its own, for its settings."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.searches", "measure"],
        cwd=ROOT, env=environment(database), stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Listing:
    """The functions of a listing, for a filter."""

    page: Callable[[], Awaitable[Any]]
    total: Callable[[], Awaitable[Any]]


def of_keys(search: str | None, after: Position | None = None, **others: Any) -> Listing:
    key_filter = keys.KeyFilter(search=search, **others)
    return Listing(lambda: keys.list_keys(key_filter, 20, after), lambda: keys.count_keys(key_filter))


def of_tenants(search: str | None) -> Listing:
    tenant_filter = tenants.TenantFilter(search=search)
    return Listing(
        lambda: tenants.list_tenants(tenant_filter, 20), lambda: tenants.count_tenants(tenant_filter)
    )


async def _measure() -> dict[str, tuple[float, float]]:
    from api.database.engine import get_engine

    engine = get_engine()
    await engine.start_connection_pool()
    newest = await keys.list_keys(keys.KeyFilter(), 100)
    symbols = newest.items[50].row.key.removeprefix("BETA-")
    mean = newest.items[-1].row
    listings = {
        "keys": of_keys(None),
        "keys: a whole key": of_keys(f"BETA-{symbols}"),
        "keys: the second group": of_keys(symbols[6:]),
        "keys: three symbols": of_keys(symbols[:3]),
        "keys: one letter": of_keys("a"),
        "keys: a letter of no key": of_keys("x"),
        "keys: nothing found": of_keys("qqqqq"),
        "keys: two words, none with both": of_keys("feria pena"),
        "keys: panaderia pena": of_keys("panaderia pena"),
        "keys: panaderia pena, deep": of_keys("panaderia pena", Position(mean.created_at, mean.id)),
        "keys: only on old keys": of_keys("navidad"),
        "keys: cliente 77": of_keys("cliente 77"),
        "keys: an address": of_keys("ana.perez3000@example.com"),
        "keys: the domain of all": of_keys("@example"),
        "keys: feria, revoked": of_keys("feria", status=BetaKeyStatus.REVOKED),
        "keys: panaderia, of a batch": of_keys("panaderia", batch="batch 3"),
        "tenants": of_tenants(None),
        "tenants: tax id": of_tenants("NIT 800.003.000"),
        "tenants: part of the tax id": of_tenants("3000"),
        "tenants: panaderia pena": of_tenants("panaderia pena"),
        "tenants: one letter": of_tenants("p"),
        "tenants: nothing found": of_tenants("qqqqq"),
        "tenants: an owner's address": of_tenants("luz800003000@"),
        "tenants: the domain of all owners": of_tenants("example.org"),
    }
    (row,) = await engine.fetch("SELECT pg_backend_pid() AS pid")
    schedule = Path(f"/proc/{row['pid']}/schedstat")
    return {
        name: (await _cpu(schedule, listing.page), await _cpu(schedule, listing.total))
        for name, listing in listings.items()
    }


def _spent(schedule: Path) -> int:
    """Nanoseconds of CPU of a process."""
    return int(schedule.read_text().split()[0])


async def _cpu(schedule: Path, work: Callable[[], Awaitable[Any]]) -> float:
    """The median of milliseconds of CPU. The first rounds prepare statements, and do not count."""
    spent: list[float] = []
    for _ in range(ROUNDS + 2):
        before = _spent(schedule)
        await work()
        spent.append((_spent(schedule) - before) / 1e6)
    return median(spent[2:])


def measure_issuing(database: Database) -> dict[str, float]:
    """With the words, and without the triggers that store and list them."""
    return asyncio.run(_measure_issuing(database))


async def _measure_issuing(database: Database) -> dict[str, float]:
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute("SET gatehouse.scope = 'platform'")
        spent: dict[str, list[float]] = {"with words": [], "without words": []}
        for _ in range(3):
            await _set_triggers(connection, "ENABLE")
            spent["with words"].append(await _issue(connection))
            await _set_triggers(connection, "DISABLE")
            spent["without words"].append(await _issue(connection))
        return {name: median(all_) for name, all_ in spent.items()}
    finally:
        await connection.close()


async def _set_triggers(connection: asyncpg.Connection, change: str) -> None:
    for trigger in ("store_search_words", "list_new_words"):
        await connection.execute(f"ALTER TABLE beta_keys {change} TRIGGER {trigger}")


async def _issue(connection: asyncpg.Connection) -> float:
    """Milliseconds of CPU of the COPY of so many keys."""
    schedule = Path(f"/proc/{connection.get_server_pid()}/schedstat")
    before = _spent(schedule)
    await connection.copy_records_to_table(
        "beta_keys",
        columns=["id", "key", "notes", "batch"],
        records=((uuid4(), key, "Feria de Bogotá 2026", "feria") for key in generate_keys(ISSUED)),
    )
    return (_spent(schedule) - before) / 1e6


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(asyncio.run(_measure())))
    else:
        main()
