"""`make bench-migrations`, third part: measures the pauses of clients while columns are renamed and dropped.

A copy of the project has three more migrations, for 2,000,000 users (another number: `python -m
benchmarks.contracts 100000`). The first adds the columns `nickname` and `remark`. The second is the first of
two deploys: a `Rename` of `nickname` to `alias`, and a `Retire` of `remark`. The third has a `Contract` of
both old columns. The second and third are applied and reverted, each while the clients of
`benchmarks.traffic` write the column of the release that runs then. No request may fail or take longer than
half a second.
"""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.migrations import MAX_SECONDS, Runs, Starts, expected, longest_of, print_row, run_piccolo
from benchmarks.servers import ROOT, Database, postgres
from benchmarks.traffic import fill

USERS = 2_000_000

IDS = [f"2100-01-0{number}T00:00:00:000000" for number in (1, 2, 3)]

ADD, EXPAND, CONTRACT = (
    """
    '''
    ALTER TABLE users
        ADD COLUMN IF NOT EXISTS nickname varchar(60) NOT NULL DEFAULT '' CHECK (nickname <> 'root'),
        ADD COLUMN IF NOT EXISTS remark text;
    ''',
    Index("users_nickname", "users (nickname)"),
    """,
    """
    Rename("users", "nickname", "alias", "varchar(60)", default="''", not_null=True),
    Index("users_alias", "users (alias)"),
    Retire("users", "remark"),
    """,
    f"""
    Contract(
        "users", "nickname", unused_since="{IDS[1]}", type="varchar(60)", default="''", not_null=True,
        renamed_to="alias", indexes=(Index("users_nickname", "users (nickname)"),),
        constraints={{"users_nickname_check": "CHECK (nickname <> 'root')"}},
    ),
    Contract("users", "remark", unused_since="{IDS[1]}", type="text"),
    """,
)

FILE = """
from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Rename, Retire
from api.deploy.migrations.migration import Index, SqlMigration

ID = "{id}"
DESCRIPTION = "For a benchmark."
MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=[{steps}])
"""

STAGES = (
    ("Rename", "nickname", EXPAND, "forwards", "all"),
    ("Contract", "alias", CONTRACT, "forwards", "all"),
    ("Contract, reverted", "alias", None, "backwards", "--auto_agree"),
    ("Rename, reverted", "nickname", None, "backwards", "--auto_agree"),
)
"""What is measured, the column that the clients write meanwhile, the new migration, and the command."""


def main() -> None:
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    started = time.monotonic()
    measured: list[Runs] = []
    with postgres() as server, project() as folder:
        add_migration(folder, ADD)
        database = Database(server, "contracts", folder=folder).migrate("all")
        rows = fill(users, nickname="'Nick ' || n", remark="CASE WHEN n % 2 = 0 THEN 'Remark ' || n END")
        database.execute(f"SET gatehouse.scope = 'platform'; {rows}")
        print(f"{users:,} users after {time.monotonic() - started:.0f} s", flush=True)
        for name, column, steps, *command in STAGES:
            runs = Runs(name)
            # Now, so that autovacuum does not do it during a measurement.
            database.execute("VACUUM (ANALYZE) users")
            runs.measure(database, users, 3.0, partial(migrate, steps, command), column)
            measured.append(runs)
            print(f"{name} after {time.monotonic() - started:.0f} s", flush=True)
    print_results(users, measured)
    print(f"\ndone after {time.monotonic() - started:.0f} s")


def migrate(steps: str | None, command: list[str], database: Database) -> Starts:
    """The servers have started: they are of the release before, so the file of a new migration comes now."""
    if steps is not None:
        add_migration(database.folder, steps)
    starts = run_piccolo(database, *command)
    if steps is None:
        # The next servers are of the release before, whose code has no file of it.
        max((database.folder / "migrations").glob("gatehouse_*.py")).unlink()
    return starts


@contextmanager
def project() -> Iterator[Path]:
    """A copy of what runs, with room for other migrations."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-benchmarks-") as name:
        for folder in ("api", "tables", "migrations"):
            shutil.copytree(ROOT / folder, Path(name) / folder)
        for file in ("piccolo_conf.py", "pyproject.toml"):
            shutil.copy(ROOT / file, name)
        yield Path(name)


def add_migration(folder: Path, steps: str) -> None:
    migration_id = IDS[(ADD, EXPAND, CONTRACT).index(steps)]
    path = folder / "migrations" / f"gatehouse_{re.sub('[-:]', '_', migration_id).lower()}.py"
    path.write_text(FILE.format(id=migration_id, steps=steps))


def print_results(users: int, measured: list[Runs]) -> None:
    headings = "seconds", "requests", "failed", "longest", "noise"
    print()
    print_row(f"{users:,} users", headings, expected="expected: 0 failed")
    for runs in measured:
        longest, failures = longest_of(runs.requests), runs.failures()
        values = (
            f"{runs.seconds[0]:.1f}",
            f"{len(runs.requests):,}",
            f"{failures.total():,}",
            f"{longest:.3f}",
            f"{longest_of(runs.undisturbed):.3f}",
        )
        met = not failures and longest <= MAX_SECONDS
        print_row(runs.name, values, expected(f"≤ {MAX_SECONDS:g}", met))
        print(f"    the longest: {runs.longest_description}")
        for failure, count in failures.most_common(5):
            print(f"    failed {count:,} times: {failure}")


if __name__ == "__main__":
    main()
