"""`make bench-migrations`, second part: measures the pauses of clients while rows are changed.

A `Backfill` changes all of 2,000,000 users (another number: `python -m benchmarks.backfills 100000`) while
the clients of `benchmarks.traffic` use them. Beside it, one UPDATE sets the same column of 300,000 users with
the same clients. During the backfill no request may fail or take longer than half a second.
"""

import asyncio
import os
import sys
import time

from api.deploy.migrations.backfill import Backfill
from api.deploy.migrations.backfill_run import Lines, run_backfill
from benchmarks.migrations import MAX_SECONDS, Runs, expected, longest_of, print_row
from benchmarks.servers import Database, postgres
from benchmarks.traffic import IN_SCOPE, KINDS, fill

USERS = 2_000_000
UPDATED = 300_000

STEP = Backfill("users", {"phoneNumber": "'+57' || substr(id::text, 1, 8)"}, '"phoneNumber" IS NULL')


def main() -> None:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    updated = min(UPDATED, users)
    started = time.monotonic()
    backfill, update = Runs("Backfill"), Runs("UPDATE")
    with postgres() as server:
        for runs, count, apply in ((update, updated, _update), (backfill, users, _backfill)):
            database = Database(server, runs.name.lower()).migrate("all")
            database.execute(f"SET gatehouse.scope = 'platform'; {fill(count)}", "VACUUM (ANALYZE) users")
            print(f"{count:,} users after {time.monotonic() - started:.0f} s", flush=True)
            runs.measure(database, count, 3.0, apply)
            database.drop()
    print(f"\n  {'':32}{'Backfill':>12}{'UPDATE':>12}  expected")
    print_row("users", [f"{users:,}", f"{updated:,}"])
    print_row("seconds", [f"{runs.seconds[0]:.1f}" for runs in (backfill, update)])
    print_row("requests", [f"{len(runs.requests):,}" for runs in (backfill, update)])
    print_row("longest pause, s")
    for kind in KINDS:
        print_row(f"  {kind}", [f"{longest_of(runs.of(kind)):.3f}" for runs in (backfill, update)])
    print_row("  without either", [f"{longest_of(runs.undisturbed):.3f}" for runs in (backfill, update)])
    ours, theirs = longest_of(backfill.requests), longest_of(update.requests)
    print_row(
        "  of all", [f"{ours:.3f}", f"{theirs:.3f}"], expected(f"≤ {MAX_SECONDS:g}", ours <= MAX_SECONDS)
    )
    failed = [runs.failures().total() for runs in (backfill, update)]
    print_row("requests failed", [f"{count:,}" for count in failed], expected("0", not failed[0]))
    print(f"\n  Backfill: the longest pause: {backfill.longest_description}")
    for failure, count in backfill.failures().most_common(5):
        print(f"    failed {count:,} times: {failure}")
    print(f"\ndone after {time.monotonic() - started:.0f} s")


def _backfill(database: Database) -> list[tuple[float, str]]:
    os.environ["DATABASE_URL"] = database.dsn
    started = time.perf_counter()
    asyncio.run(run_backfill(STEP.statement("benchmark", 0), Lines(_print)))
    return [(started, "backfill")]


def _print(text: str) -> None:
    print(text, end="", flush=True)


def _update(database: Database) -> list[tuple[float, str]]:
    started = time.perf_counter()
    database.execute(f"{IN_SCOPE}; {STEP.sql}")
    return [(started, "update")]


if __name__ == "__main__":
    main()
