"""What the commands advise leads out of every state of a database, and never in a circle."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from tests.command_series import Done, Series, command_series
from tests.conftest import TEMPLATE, create_database
from tests.deploy.adoption.old_databases import old
from tests.deploy.migrations.psql import start_psql

pytestmark = pytest.mark.anyio

FORWARDS, ADOPT, VERIFY = "piccolo migrations forwards all", "gatehouse db adopt", "gatehouse db verify"
STATUS, DEPLOY = "gatehouse db status", "./predeploy.sh"
DEPLOY_COMMANDS = f"{FORWARDS} && {VERIFY}"
BACKWARDS = "piccolo migrations backwards gatehouse"

TWO_EMAILS = """
INSERT INTO users (email, password, "firstName", "lastName") SELECT upper(email), 'x', 'x', 'x' FROM users;
"""
TWO_TAX_IDS = """
ALTER TABLE users DROP CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3";
ALTER TABLE tenants DROP CONSTRAINT "UQ_tenant_nit";
INSERT INTO tenants ("businessName", nit, "businessType", address) VALUES ('x', '900123456-8', 'Otro', 'x');
"""
NOT_UNIQUE = 'ALTER TABLE users DROP CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3";'

STATES: dict[str, Sequence[str]] = {
    "an empty database": [],
    "users only": [old("users_only")],
    "users only, with equal emails": [old("users_only") + NOT_UNIQUE + TWO_EMAILS],
    "that, half way, with equal tax ids": [
        old("migrated") + TWO_TAX_IDS,
        "piccolo migrations forwards gatehouse 1",
    ],
    "the old system's schema sync": [old("synced")],
    "another system's users": ["CREATE TABLE users (id int PRIMARY KEY, name text)"],
    "tenants without users": ["CREATE TABLE tenants (id uuid PRIMARY KEY)"],
    "another system's sessions": [old("synced") + "CREATE TABLE sessions (id int PRIMARY KEY);"],
    "another system's bookkeeping": [old("migrated") + "CREATE TABLE migration (id int PRIMARY KEY);"],
    "no bookkeeping, and changed": [
        FORWARDS,
        "DROP TABLE migration; ALTER TABLE tenants DROP COLUMN phone",
    ],
    "behind, and changed": [
        FORWARDS,
        f"{BACKWARDS} 1 --auto_agree",
        "ALTER TABLE tenants DROP COLUMN phone",
    ],
    "a change of policies reverted, and changed": [
        FORWARDS,
        f"{BACKWARDS} 1 --auto_agree",
        f"{BACKWARDS} 1 --auto_agree",
        "ALTER TABLE tenants ALTER COLUMN address TYPE varchar(1000)",
    ],
    "all reverted": [FORWARDS, f"{BACKWARDS} all --auto_agree"],
    "ahead": [
        FORWARDS,
        "INSERT INTO migration (name, app_name) VALUES ('2030-01-01T00:00:00:000000', 'gatehouse');"
        " ALTER TABLE users ADD COLUMN future text NOT NULL DEFAULT ''",
    ],
    "changed by hand": [FORWARDS, "ALTER TABLE tenants DROP COLUMN phone; DROP TABLE mails"],
}
"""The statements and commands that make each state."""

READING = [
    STATUS,
    VERIFY,
    "gatehouse doctor",
    f"{BACKWARDS} 1 --preview",
    "gatehouse keys list",
    "gatehouse tenants list",
    "gatehouse serve",
]
WRITING = [FORWARDS, ADOPT, f"{BACKWARDS} 1 --auto_agree"]
"""Each begins in the state."""

RARE = [
    "piccolo migrations check",
    f"{FORWARDS} --preview",
    f"{BACKWARDS} all --preview",
    "gatehouse operators list",
    "gatehouse mail failed",
    "gatehouse db dump FILE",
    "gatehouse db forget --yes",
    "gatehouse smoke URL",
]
PSQL, RESTORE = "gatehouse db sql | psql", "gatehouse db restore DUMP"
RARELY_WRITING = [PSQL, RESTORE]
RARE_STATES = (
    "an empty database",
    "users only",
    "another system's bookkeeping",
    "behind, and changed",
    "all reverted",
)
"""In the other states these commands do the same as in one of them."""

FREQUENT_STATES = {"an empty database", "users only", "all reverted", "changed by hand"}

WORK = ["gatehouse keys list", "gatehouse tenants list", "gatehouse serve", "gatehouse smoke URL"]
"""They work in a state without advice."""

MAX_STEPS = 6

_ADVICE = re.compile(
    r"(?:run|see): ((?:gatehouse|piccolo|\./predeploy\.sh|&&)(?: (?:[a-z-]+|1|&&)(?![=\w]))*)"
)

_FINAL = r"restore (its file|it$|them first)|has no tables to dump|restore into a new database"

_FINGERPRINT = """
SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
    SELECT concat_ws(' ', a.attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull) AS part
      FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid AND c.relkind IN ('r', 'i')
     WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('gatehouse_undone')) AND attnum > 0
       AND NOT attisdropped
    UNION ALL
    SELECT concat_ws(' ', conrelid::regclass, conname) FROM pg_constraint
    {rows}
) AS parts
"""


_ROWS = """
UNION ALL SELECT string_agg(md5((to_jsonb(t) - 'ran_on' - 'id')::text), ' ' ORDER BY t::text) FROM {table} t
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "states",
    [
        pytest.param(FREQUENT_STATES, id="frequent"),
        pytest.param(STATES.keys() - FREQUENT_STATES, id="others", marks=pytest.mark.slow),
    ],
)
async def test_advice_ends(
    server: EmbeddedServer, empty_database: str, tmp_path: Path, states: Collection[str]
) -> None:
    """A command that fails says what to do, and then it works; so do those that say nothing."""
    name = empty_database.split("?")[0].rsplit("/", 1)[1]
    with command_series(DATABASE_URL=empty_database, WORKER="off") as series:
        walk = Walk(server, name, series, tmp_path)
        await walk.make_dump()
        for state, steps in STATES.items():
            if state not in states:
                continue
            try:
                if state in RARE_STATES:
                    await walk.walk(steps, [*READING, *RARE], [*WRITING, *RARELY_WRITING])
                else:
                    await walk.walk(steps, READING, WRITING)
            except AssertionError as error:
                error.add_note(f"in the state: {state}")
                raise


class Walk:
    def __init__(self, server: EmbeddedServer, name: str, series: Series, folder: Path) -> None:
        self.server = server
        self.name = name
        self.series = series
        self.folder = folder
        self.done: set[tuple[str, str]] = set()
        """Fingerprints of the database, each with a command that ends well from there."""

    async def make_dump(self) -> None:
        """The file DUMP: the tables of a database with all migrations."""
        await self.create(self.name, TEMPLATE)
        done = self.run("gatehouse db dump FILE")
        assert done.code == 0, done
        (self.folder / "FILE").rename(self.folder / "DUMP")

    async def walk(self, steps: Sequence[str], reading: Sequence[str], writing: Sequence[str]) -> None:
        """Run each command in the state that the steps make, and follow all advice."""
        await self.make_state(steps)
        await self.create(f"{self.name}_state", self.name)
        state = await self.fingerprint()
        advised = [one for command in reading for one in self.advice_of(command)]
        for command in (*writing, *(one for commands in advised for one in commands.split(" && "))):
            if (state, command) in self.done:
                continue
            if await self.fingerprint() != state:
                await self.create(self.name, f"{self.name}_state")
            if await self.resolve(command):
                await self.deploy()

    async def deploy(self) -> None:
        ended = [await self.resolve(command) for command in DEPLOY_COMMANDS.split(" && ")]
        if all(ended):
            await self.require_working()

    async def make_state(self, steps: Sequence[str]) -> None:
        """A copy of the database with all migrations takes a tenth of their time."""
        is_migrated = steps[:1] == [FORWARDS]
        await self.create(self.name, TEMPLATE if is_migrated else "template1")
        for step in steps[is_migrated:]:
            if step.startswith("piccolo"):
                self.run(step)
            else:
                await self.execute(step)

    async def create(self, name: str, template: str) -> None:
        connection = await asyncpg.connect(self.server.dsn(user="postgres", database="postgres"))
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await create_database(connection, name, template)
        await connection.close()

    def advice_of(self, command: str) -> list[str]:
        """The commands that the output asks for; SQL is followed later, when `command` is resolved."""
        done = self.run(command)
        statements, advised = self.statements_in(command, done), advice(command, done)
        assert statements or advised or done.code == 0 or is_final(command, done), (command, done)
        return [*advised, *([command] if statements else [])]

    async def resolve(self, command: str, above: Sequence[tuple[str, str]] = ()) -> bool:
        """Run a command, and do what it advises until it succeeds.

        Returns whether it has: not where the rest of the way is known.
        """
        step = await self.fingerprint(), command
        if step in self.done:
            return False
        assert step not in above, f"a circle: {[one for _, one in above]}"
        assert len(above) < MAX_STEPS, f"too many steps: {[one for _, one in above]}"
        done = self.run(command)
        statements, advised = self.statements_in(command, done), advice(command, done)
        for statement in statements:
            await self.execute(statement)
        ended = True
        for one in (one for commands in advised for one in commands.split(" && ")):
            ended &= await self.resolve(one, [*above, step])
        if not statements and not advised:
            assert done.code == 0 or is_final(command, done), (command, done)
        elif ended:
            ended = await self.resolve(command, [*above, step])
        self.done.add(step)
        return ended

    async def require_working(self) -> None:
        fingerprint = await self.fingerprint()
        for command in (STATUS, VERIFY, *WORK):
            if (fingerprint, command) not in self.done:
                done = self.run(command)
                assert not advice(command, done), (command, done)
                assert done.code == 0 or is_final(command, done), (command, done)
                self.done.add((fingerprint, command))

    def run(self, command: str) -> Done:
        (self.folder / "FILE").unlink(missing_ok=True)
        words = command.removesuffix(" | psql").split()
        done = self.series.run(
            *(str(self.folder / word) if word in ("FILE", "DUMP") else word for word in words)
        )
        if command == PSQL:
            psql = start_psql(self.server.dsn(database=self.name), done.output, self.folder)
            output, _ = psql.communicate()
            done = Done(psql.returncode, output)
        assert "Traceback" not in done.output
        return done

    def statements_in(self, command: str, done: Done) -> list[str]:
        """The statements that the output asks for."""
        if command == ADOPT and done.code == 3:
            questions = json.loads(self.run(f"{ADOPT} --json").output)["undecided"]
            return [statement for one in questions for statement in one["choices"][0]["sql"]]
        if command == VERIFY and "RENAME TO …" not in done.output:
            lines = [line for line in done.output.splitlines() if not line.startswith(("--", "gatehouse:"))]
            return [one for one in "\n".join(lines).split(";\n") if one.strip()]
        renames = dict.fromkeys(re.findall(r"ALTER TABLE \w+ RENAME TO …", done.output))
        return [one.replace("…", "renamed") for one in renames]

    async def execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.server.dsn(database=self.name))
        await connection.execute(sql)
        await connection.close()

    async def fingerprint(self) -> str:
        connection = await asyncpg.connect(self.server.dsn(user="postgres", database=self.name))
        tables = await connection.fetch(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        )
        rows = " ".join(_ROWS.format(table=table) for (table,) in tables)
        found = await connection.fetchval(_FINGERPRINT.format(rows=rows))
        await connection.close()
        return found


def advice(command: str, done: Done) -> list[str]:
    """The commands that the output asks for; SQL has messages of its own, and ends by naming verify."""
    if done.code == 0 and command.endswith(("--preview", PSQL)):
        return []
    advised = (DEPLOY_COMMANDS if one == DEPLOY else one for one in _ADVICE.findall(done.output))
    return list(dict.fromkeys(advised))


def is_final(command: str, done: Done) -> bool:
    """Whether a failure is none of the database, or one that a missing or an empty one causes."""
    if command == "gatehouse doctor":
        return done.code == 3
    return bool(re.search(_FINAL, done.output, re.M))
