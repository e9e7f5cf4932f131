"""`make bench-migrations`: what the users of a large database notice of its migrations.

A database of 2,000,000 users (or as many as are named: `python -m benchmarks.migrations 100000`) has seen the
first migration only. While clients use it (see `benchmarks.traffic`), `piccolo migrations forwards all` does
the others; then, on a copy and beside the same clients, the same statements run as most tools would run
them: in one transaction, without CONCURRENTLY, NOT VALID and lock_timeout.

No request may fail, and none may take a second; each is timed from the moment at which it was wanted. The
longest pause is told with the migration that was under way when it began. The line “while nothing was
migrated” is what the machine and its disk do by themselves: where it comes near the longest pause of all,
that one tells nothing, and the machine wants to be quieter. How long a migration waits depends on whether it
meets a report, so each turn begins at another moment of it, and the worst of all turns counts.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median

import asyncpg

from api.deploy.migrations.migration import Index, SqlMigration, all_migrations
from benchmarks.servers import Database, gatehouse, postgres
from benchmarks.traffic import IN_SCOPE, KINDS, REPORT_EVERY, Request, Traffic, fill

USERS = 2_000_000
FEWEST = 10_000
"""Users that the clients need, so that they do not meet at one of them."""

TURNS = 3

SLOW = 1.0
"""Seconds that no request should take."""

BEFORE, AFTER = 3.0, 10.0
"""Seconds, at least, for which the clients are at work before the first migration and after the last."""

Starts = list[tuple[float, str]]
"""When each migration began, on the clock that all processes share, and its id."""

Apply = Callable[[Database], Starts]


def main() -> None:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    if users < FEWEST:
        sys.exit(f"{users} users are too few; {FEWEST} or more are wanted")
    begun = time.monotonic()
    with postgres() as server:
        filled = Database(server, "filled").migrate("gatehouse", "1")
        # What PostgreSQL would do by itself later is done now, and not in the middle of a measurement.
        filled.execute(fill(users), "VACUUM (ANALYZE) users")
        print(f"{users:,} users after {time.monotonic() - begun:.0f} s", flush=True)
        guarded, plain = Runs("Gatehouse"), Runs("plain")
        for turn in range(TURNS):
            before = BEFORE + REPORT_EVERY * turn / TURNS
            guarded.measure(Database(server, f"guarded{turn}", filled.name), users, before, apply_guarded)
            plain.measure(Database(server, f"plain{turn}", filled.name), users, before, apply_plain)
    show(guarded, plain)
    print(f"\ndone after {time.monotonic() - begun:.0f} s")


class Runs:
    """What was measured in all turns of one way to migrate."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.requests: list[Request] = []
        self.apart: list[Request] = []
        """Those among `requests` that no migration can have held up."""
        self.longest_was = ""

    def measure(self, database: Database, users: int, before: float, apply: Apply) -> None:
        database.settle()
        with gatehouse(database) as api, Traffic(database.dsn, users, api.port) as traffic:
            time.sleep(before)
            begun = time.perf_counter()
            starts = apply(database)
            ended = time.perf_counter()
            time.sleep(AFTER)
            requests = traffic.stop()
        database.drop()
        for kind in KINDS:
            if not any(request.kind == kind for request in requests):
                raise RuntimeError(f"no client came to {kind}")
        longest = max(requests, key=lambda request: request.seconds)
        if longest.seconds > longest_of(self.requests):
            steps = [(0.0, "before the first migration"), *starts, (ended, "after the last migration")]
            step = [what for start, what in steps if start <= longest.due][-1]
            self.longest_was = f"“{longest.kind}”, {longest.due - begun:.1f} s in, {step}"
        self.seconds.append(ended - begun)
        self.requests += requests
        self.apart += [each for each in requests if each.due > ended or each.due + each.seconds < begun]

    def of(self, kind: str) -> list[Request]:
        return [request for request in self.requests if request.kind == kind]

    def failures(self) -> Counter[str]:
        return Counter(request.failure for request in self.requests if request.failure is not None)


def longest_of(requests: Iterable[Request]) -> float:
    return max((request.seconds for request in requests), default=0.0)


def apply_guarded(database: Database) -> Starts:
    starts: Starts = []
    with database.migrating("all") as process:
        assert process.stdout
        told = ""
        # It names a migration without ending the line, so that one sees what it is about.
        while character := process.stdout.read(1):
            told += character
            if told.endswith(" forwards …"):
                starts.append((time.perf_counter(), told.split()[-3]))
    if process.returncode:
        raise RuntimeError(f"the migrations failed: {told}")
    return starts


def apply_plain(database: Database) -> Starts:
    return asyncio.run(_apply_plain(database.dsn))


async def _apply_plain(dsn: str) -> Starts:
    starts: Starts = []
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL client_min_messages = warning; {IN_SCOPE}")
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migration")}
        plain = plain_statements(all_migrations())
        for migration_id in [each for each in plain if each not in done]:
            starts.append((time.perf_counter(), migration_id))
            for statement in plain[migration_id]:
                await connection.execute(statement)
            await connection.execute(
                "INSERT INTO migration (name, app_name, ran_on) VALUES ($1, 'gatehouse', now())", migration_id
            )
    await connection.close()
    return starts


def plain_statements(migrations: Iterable[SqlMigration]) -> dict[str, list[str]]:
    """The steps of each migration, by its id, as they would be had nobody thought of rows and clients."""
    plain: dict[str, list[str]] = {}
    later = checks = 0
    for migration in migrations:
        statements = plain[migration.migration_id] = []
        for step in migration.steps:
            if isinstance(step, Index):
                statements.append(step.sql(concurrently=False))
            elif "VALIDATE CONSTRAINT" in step:
                checks += 1
            else:
                later += step.count(" NOT VALID")
                statements.append(step.replace(" NOT VALID", ""))
    # Otherwise both would go the same way, or not to the same end.
    if not later or later != checks:
        raise RuntimeError(f"{later} constraints are added NOT VALID, and {checks} validated")
    return plain


def show(guarded: Runs, plain: Runs) -> None:
    ways = guarded, plain
    print(f"\n  {f'{TURNS} turns of each':32}{'Gatehouse':>12}{'plain':>12}  expected")
    row("migrations, s", [f"{median(way.seconds):.1f}" for way in ways])
    row("requests", [f"{len(way.requests):,}" for way in ways])
    for kind in KINDS:
        row(f"  {kind}", [f"{len(way.of(kind)):,}" for way in ways])
    row("longest pause, s")
    for kind in KINDS:
        row(f"  {kind}", [f"{longest_of(way.of(kind)):.3f}" for way in ways])
    row("  while nothing was migrated", [f"{longest_of(way.apart):.3f}" for way in ways])
    ours, theirs = (longest_of(way.requests) for way in ways)
    row("  of all", [f"{ours:.3f}", f"{theirs:.3f}"], expected(f"< {SLOW:g}", ours < SLOW))
    row("  of all, ratio", [f"{ours / theirs:.2f}", "1"])
    slow = [sum(request.seconds > SLOW for request in way.requests) for way in ways]
    row(f"requests that took over {SLOW:g} s", [f"{count:,}" for count in slow])
    failed = [way.failures().total() for way in ways]
    row("requests failed", [f"{count:,}" for count in failed], expected("0", not failed[0]))
    for way in ways:
        print(f"\n  {way.name}: the longest pause was that of {way.longest_was}")
        for failure, count in way.failures().most_common(5):
            print(f"    failed {count:,} times: {failure}")


def row(name: str, values: Sequence[str] = (), expected: str = "") -> None:
    print(f"  {name:32}{''.join(f'{value:>12}' for value in values)}  {expected}".rstrip())


def expected(what: str, met: bool) -> str:
    return f"{what:6}{'ok' if met else 'above'}"


if __name__ == "__main__":
    main()
