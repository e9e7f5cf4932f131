"""`make bench-migrations`: measures the pauses of clients while a large database is migrated.

A database has 2,000,000 users (another number: `python -m benchmarks.migrations 100000`) and the first
migration only. While clients use it (see `benchmarks.traffic`), `piccolo migrations forwards all` applies the
other migrations. Then, on a copy with the same clients, the same statements run as most tools run them: in
one transaction, without CONCURRENTLY, NOT VALID and lock_timeout.

No request may fail or take half a second; its time counts from the moment at which it is due. The longest
pause is printed with the migration that was running when the request was due. The line "without a migration"
is the noise of the machine and its disk: if it is near the longest pause, repeat the run on a quieter
machine. The time that a migration waits depends on the report that it meets, so each round starts at another
moment of the report, and the worst of all rounds counts.
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
from benchmarks.traffic import IN_SCOPE, KINDS, REPORT_INTERVAL, Request, Traffic, fill

USERS = 2_000_000
MIN_USERS = 10_000
"""With fewer users the clients would wait for locks on the same rows."""

ROUNDS = 3

MAX_SECONDS = 0.5
"""No request may take as long."""

BEFORE, AFTER = 3.0, 10.0
"""Seconds of traffic before the first migration, at least, and after the last."""

Starts = list[tuple[float, str]]
"""When each migration started, in `time.perf_counter`, which all processes share, and its id."""

Apply = Callable[[Database], Starts]


def main() -> None:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    if users < MIN_USERS:
        sys.exit(f"{users} users are too few; use {MIN_USERS} or more")
    started = time.monotonic()
    with postgres() as server:
        filled = Database(server, "filled").migrate("gatehouse", "1")
        # Now, so that autovacuum does not do it during a measurement.
        filled.execute(fill(users), "VACUUM (ANALYZE) users")
        print(f"{users:,} users after {time.monotonic() - started:.0f} s", flush=True)
        guarded, plain = Runs("Gatehouse"), Runs("plain")
        for round_number in range(ROUNDS):
            before = BEFORE + REPORT_INTERVAL * round_number / ROUNDS
            for runs, apply in ((guarded, apply_guarded), (plain, apply_plain)):
                database = Database(server, f"{runs.name.lower()}{round_number}", filled.name)
                runs.measure(database, users, before, apply)
                database.drop()
    print_results(guarded, plain)
    print(f"\ndone after {time.monotonic() - started:.0f} s")


class Runs:
    """The measurements of all rounds of one way to migrate."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.requests: list[Request] = []
        self.undisturbed: list[Request] = []
        """The requests that were finished before the first migration or due after the last."""
        self.repeated = 0
        """Transactions that were rejected, because the type of a column had changed."""
        self.longest_description = ""

    def measure(
        self, database: Database, users: int, before: float, apply: Apply, column: str = "firstName"
    ) -> None:
        database.flush()
        with gatehouse(database) as api, Traffic(database.dsn, users, api.port, column) as traffic:
            time.sleep(before)
            started = time.perf_counter()
            starts = apply(database)
            ended = time.perf_counter()
            time.sleep(AFTER)
            requests, repeated = traffic.stop()
        for kind in KINDS:
            if not any(request.kind == kind for request in requests):
                raise RuntimeError(f"no client did {kind}")
        longest = max(requests, key=lambda request: request.seconds)
        if longest.seconds > longest_of(self.requests):
            steps = [(0.0, "before the first migration"), *starts, (ended, "after the last migration")]
            step = [what for start, what in steps if start <= longest.due][-1]
            self.longest_description = (
                f"“{longest.kind}”, {longest.due - started:.1f} s after the start, {step}"
            )
        self.seconds.append(ended - started)
        self.requests += requests
        self.repeated += repeated
        self.undisturbed += [
            each for each in requests if each.due > ended or each.due + each.seconds < started
        ]

    def of(self, kind: str) -> list[Request]:
        return [request for request in self.requests if request.kind == kind]

    def failures(self) -> Counter[str]:
        return Counter(request.failure for request in self.requests if request.failure is not None)


def longest_of(requests: Iterable[Request]) -> float:
    return max((request.seconds for request in requests), default=0.0)


def apply_guarded(database: Database) -> Starts:
    return run_piccolo(database, "forwards", "all")


def run_piccolo(database: Database, direction: str, *arguments: str) -> Starts:
    starts: Starts = []
    with database.start_migrating(direction, *arguments) as process:
        assert process.stdout
        output = ""
        # Read by character: the line of a migration ends when the migration does.
        while character := process.stdout.read(1):
            output += character
            if output.endswith(f" {direction} …"):
                starts.append((time.perf_counter(), output.split()[-3]))
    if process.returncode:
        raise RuntimeError(f"the migrations failed: {output}")
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
    """The steps of each migration by its id, without CONCURRENTLY, NOT VALID and VALIDATE CONSTRAINT."""
    plain: dict[str, list[str]] = {}
    not_valid = validated = 0
    for migration in migrations:
        statements = plain[migration.migration_id] = []
        for step in migration.steps:
            if isinstance(step, Index):
                statements.append(step.sql(concurrently=False))
            elif not isinstance(step, str):
                statements.append(step.sql)
            elif "VALIDATE CONSTRAINT" in step:
                validated += 1
            else:
                not_valid += step.count(" NOT VALID")
                statements.append(step.replace(" NOT VALID", ""))
    # Without NOT VALID both ways would be the same. With different numbers their results would differ.
    if not not_valid or not_valid != validated:
        raise RuntimeError(f"{not_valid} constraints are added NOT VALID, and {validated} validated")
    return plain


def print_results(guarded: Runs, plain: Runs) -> None:
    ways = guarded, plain
    print(f"\n  {f'{ROUNDS} rounds of each':32}{'Gatehouse':>12}{'plain':>12}  expected")
    print_row("migrations, s", [f"{median(way.seconds):.1f}" for way in ways])
    print_row("requests", [f"{len(way.requests):,}" for way in ways])
    for kind in KINDS:
        print_row(f"  {kind}", [f"{len(way.of(kind)):,}" for way in ways])
    print_row("longest pause, s")
    for kind in KINDS:
        print_row(f"  {kind}", [f"{longest_of(way.of(kind)):.3f}" for way in ways])
    print_row("  without a migration", [f"{longest_of(way.undisturbed):.3f}" for way in ways])
    ours, theirs = (longest_of(way.requests) for way in ways)
    print_row(
        "  of all", [f"{ours:.3f}", f"{theirs:.3f}"], expected(f"< {MAX_SECONDS:g}", ours < MAX_SECONDS)
    )
    print_row("  of all, ratio", [f"{ours / theirs:.2f}", "1"])
    slow = [sum(request.seconds > MAX_SECONDS for request in way.requests) for way in ways]
    print_row(f"requests that took over {MAX_SECONDS:g} s", [f"{count:,}" for count in slow])
    print_row("repeated after a change of type", [f"{way.repeated:,}" for way in ways])
    failed = [way.failures().total() for way in ways]
    print_row("requests failed", [f"{count:,}" for count in failed], expected("0", not failed[0]))
    for way in ways:
        print(f"\n  {way.name}: the longest pause: {way.longest_description}")
        for failure, count in way.failures().most_common(5):
            print(f"    failed {count:,} times: {failure}")


def print_row(name: str, values: Sequence[str] = (), expected: str = "") -> None:
    print(f"  {name:32}{''.join(f'{value:>12}' for value in values)}  {expected}".rstrip())


def expected(what: str, met: bool) -> str:
    return f"{what:6}{'ok' if met else 'above'}"


if __name__ == "__main__":
    main()
