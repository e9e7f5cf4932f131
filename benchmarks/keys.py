"""A million keys: issue, import and export compared with a plain COPY, and listings page by page."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import NamedTuple

import asyncpg
import orjson

from api.database.embedded import EmbeddedServer
from api.domain.pagination import Position
from api.schema.pagination import write_cursor
from benchmarks.report import print_heading, print_row
from benchmarks.requests import make_tokens
from benchmarks.servers import PROGRAMS, ROOT, Database, Server, environment, gatehouse

MANY, FEWER = 1_000_000, 100_000

# Files


class Run(NamedTuple):
    """The duration and the memory of a command."""

    seconds: float
    peak: float
    """Peak memory of its process in MiB."""


def measure_key_files(server: EmbeddedServer) -> None:
    """Rates do not include the time that a command takes to start."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-benchmarks-") as folder:
        fewer, many = (_measure_files(server, Path(folder), count) for count in (FEWER, MANY))
    print_heading(f"{MANY:,} keys in files, rows/s", "Gatehouse", "COPY")
    for command, comparison in many.items():
        print_row(command, comparison.ours, comparison.baseline, at_least=0.5)
    print_heading("peak memory, MiB", f"{MANY:,}", f"{FEWER:,}")
    for command in many:
        print_row(command, many[command].peak, fewer[command].peak, at_most=1.1)


class Comparison(NamedTuple):
    """Rows a second, and MiB."""

    ours: list[float]
    baseline: list[float]
    peak: list[float]


def _measure_files(server: EmbeddedServer, folder: Path, count: int) -> dict[str, Comparison]:
    empty = Database(server, f"empty{count}").migrate("all")
    start = run(empty, ["keys", "export"]).seconds
    filled, copied, target = (Database(server, f"{name}{count}", empty.name) for name in ("a", "b", "c"))
    keys, plain = folder / f"keys{count}.csv", folder / f"plain{count}.csv"
    issue = ["keys", "issue", "--count", str(count), "--batch", "launch", "--notes", "feria", "--csv", keys]
    issued = run(filled, issue)
    copied_out = copy_out(filled, plain)
    exported = {
        kind: run(filled, ["keys", "export", "--format", kind, "--output", folder / f"{count}.{kind}"])
        for kind in ("csv", "json")
    }
    copied_in = copy_in(copied, plain)
    copied.drop()
    imported = run(target, ["keys", "import", keys])
    target.drop()
    copied_out = median([copied_out, copy_out(filled, plain), copy_out(filled, plain)])
    filled.drop()

    def compare(ours: Run, baseline: float) -> Comparison:
        return Comparison([count / (ours.seconds - start)], [count / baseline], [ours.peak])

    return {
        "issue": compare(issued, copied_in),
        "import": compare(imported, copied_in),
        "export csv": compare(exported["csv"], copied_out),
        "export json": compare(exported["json"], copied_out),
    }


def run(database: Database, words: Sequence[str | Path]) -> Run:
    """Run `gatehouse …` on a database. Raises `RuntimeError` if it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        [PROGRAMS / "gatehouse", *words], cwd=ROOT, env=environment(database), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{words} failed")
    # Linux reports KiB.
    return Run(seconds, usage.ru_maxrss / 1024)


_COLUMNS = ("id", "key", "notes", "batch", "recipientEmail", "expiresAt", "createdAt", "updatedAt")


def copy_out(database: Database, file: Path) -> float:
    """Seconds of a plain COPY of the columns of a key file."""
    return asyncio.run(_copy(database, file, out=True))


def copy_in(database: Database, file: Path) -> float:
    """Seconds of a plain COPY of such a file into an empty table with all its indexes."""
    return asyncio.run(_copy(database, file, out=False))


async def _copy(database: Database, file: Path, *, out: bool) -> float:
    connection = await asyncpg.connect(database.dsn)
    try:
        started = time.monotonic()
        if out:
            await connection.copy_from_table("beta_keys", columns=_COLUMNS, output=file, format="csv")
        else:
            await connection.copy_to_table("beta_keys", columns=_COLUMNS, source=file, format="csv")
        return time.monotonic() - started
    finally:
        await connection.close()


# Listings

ROUNDS = 25

_PAGE = """
query($after: String, $filter: BetaKeyFilter) {
  betaKeys(first: 100, after: $after, filter: $filter) {
    edges { node { id key status notes batch recipientEmail expiresAt sentAt usedAt revokedAt createdAt } }
  }
}
"""
_COUNT = "query($filter: BetaKeyFilter) { betaKeys(first: 1, filter: $filter) { totalCount } }"
_STATS = "{ betaKeyStats { total available used expired revoked sent usagePercentage } }"

# Realistic keys: ten batches, every status, issued over months.
_ADD_KEYS = """
INSERT INTO beta_keys (key, batch, notes, "isUsed", "usedAt", "revokedAt", "expiresAt", "expiredAt",
                       "sentAt", "createdAt")
SELECT 'BENCH-' || n, 'batch ' || n % 10, 'note ' || n % 1000,
       n % 5 = 0, CASE WHEN n % 5 = 0 THEN now() END, CASE WHEN n % 5 = 1 THEN now() END,
       CASE WHEN n % 5 = 2 THEN now() - interval '1 day' END, CASE WHEN n % 5 = 2 THEN now() END,
       CASE WHEN n % 2 = 0 THEN now() END, now() - n * interval '1 s'
  FROM generate_series(1, $1::int) n
"""
_ADD_OPERATOR = """
WITH operator AS (
    INSERT INTO users (email, password, "firstName", "lastName", role)
    VALUES ('operator@example.com', '', 'Op', 'Erator', 'SUPER_ADMIN') RETURNING id)
INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
SELECT id, sha256($1::bytea), now() + interval '1 day' FROM operator
"""


def measure_key_listing(server: EmbeddedServer) -> None:
    database = Database(server, "listing").migrate("all")
    (token,) = make_tokens(1)
    middle, end = asyncio.run(_fill(database, token))
    filters = [
        {},
        *({"status": status} for status in ("AVAILABLE", "USED", "EXPIRED", "REVOKED")),
        {"batch": "batch 3"},
        *({"batch": f"batch {n}", "status": status} for n, status in ((3, "AVAILABLE"), (5, "USED"))),
        {"search": "BENCH-"},
        {"search": "note 77"},
    ]
    with gatehouse(database) as ours:
        print_heading(f"pages of 100 of {MANY:,} keys, ms, one after the other", "deepest", "first")
        for key_filter in filters:
            first, *deep = _milliseconds(
                ours,
                token,
                [(_PAGE, {"after": after, "filter": key_filter}) for after in (None, middle, end)],
            )
            name = " ".join(key_filter.values()) or "all"
            print_row(name, max(deep, key=median), first, at_most=2)
        print_heading(f"counted among {MANY:,} keys, ms", "", "first page")
        page, stats, count, count_batch = _milliseconds(
            ours,
            token,
            [
                (_PAGE, {}),
                (_STATS, {}),
                (_COUNT, {}),
                (_COUNT, {"filter": {"batch": "batch 3", "status": "USED"}}),
            ],
        )
        print_row("betaKeyStats", stats, page)
        print_row("totalCount", count, page)
        print_row("totalCount of a batch, used", count_batch, page)
    database.drop()


async def _fill(database: Database, token: str) -> tuple[str, str]:
    """Add the keys. Returns cursors to their middle and to near their end."""
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute("SET gatehouse.scope = 'platform'")
        await connection.execute(_ADD_KEYS, MANY)
        await connection.execute(_ADD_OPERATOR, token.encode())
        await connection.execute("VACUUM (ANALYZE) beta_keys")
        rows = [
            await connection.fetchrow('SELECT "createdAt", id FROM beta_keys WHERE key = $1', f"BENCH-{n}")
            for n in (MANY // 2, MANY - MANY // 50)
        ]
    finally:
        await connection.close()
    middle, end = (write_cursor(Position(row["createdAt"], row["id"])) for row in rows if row is not None)
    return middle, end


def _milliseconds(
    server: Server, token: str, requests: Sequence[tuple[str, dict[str, object]]]
) -> list[list[float]]:
    """The durations of each request in all rounds, on one connection."""
    connection = HTTPConnection("127.0.0.1", server.port)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    bodies = [orjson.dumps({"query": query, "variables": variables}) for query, variables in requests]
    durations: list[list[float]] = [[] for _ in bodies]
    # The first rounds prepare statements and warm the caches. They do not count.
    for round_number in range(-5, ROUNDS):
        for index, body in enumerate(bodies):
            started = time.perf_counter()
            connection.request("POST", "/graphql", body, headers)
            answer = connection.getresponse().read()
            if round_number >= 0:
                durations[index].append(1000 * (time.perf_counter() - started))
            if b'"errors"' in answer or b'"edges":[]' in answer:
                raise RuntimeError(answer[:200])
    connection.close()
    return durations
