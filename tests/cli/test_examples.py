"""The examples in the help of each command: they are shown, and they can be typed as they stand."""

import io
import re
import shlex
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.main import get_command

from api.cli import app
from api.cli.examples import EXAMPLES
from api.database.embedded import EmbeddedServer
from api.database.engine import get_engine
from api.database.roles import Role, Roles
from tests.cli.commands import run_here, type_in

pytestmark = pytest.mark.anyio

GATEHOUSE: Any = get_command(app)

STATE = """
DELETE FROM beta_keys; DELETE FROM users; DELETE FROM tenants;
INSERT INTO beta_keys (key, batch) VALUES ('BETA-XXXXX-XXXXX', 'launch');
INSERT INTO tenants ("businessName", nit, "businessType", address)
  VALUES ('El Ahorro', '900123456', 'TIENDA', 'Calle 1');
INSERT INTO users (email, password, "firstName", "lastName", role)
  VALUES ('early@example.com', '', 'Eva', 'Mora', 'CASHIER'),
    ('other@example.com', '', 'Luz', 'Ríos', 'SUPER_ADMIN'),
    ('third@example.com', '', 'Sol', 'Paz', 'SUPER_ADMIN');
"""
"""What the examples are about."""

FILES = {
    "addresses.csv": "email\nluz@example.com\n",
    "old-keys.csv": "key\nOLD-1\n",
    "counts.sql": "SELECT 1",
}

FAILING = ("health", "db restore")
"""They find no server, or a database that is not empty."""

NOT_RUN = (
    "operators second-factor",
    "operators reset-second-factor",
    "users reset-second-factor",
    "keys send",
    "serve",
    "worker",
    "doctor",
    "smoke",
    "db squash",
    "db contract",
    "db upgrade",
)
"""They run until they are stopped, need a network or change files of the project; other tests run them."""


def commands(command: Any, *words: str) -> list[str]:
    """The words of a command and of those below it."""
    below = [
        line
        for name, child in getattr(command, "commands", {}).items()
        for line in commands(child, *words, name)
    ]
    return [" ".join(words), *below]


def test_every_command_and_group_has_examples_of_itself() -> None:
    assert list(EXAMPLES) == sorted(EXAMPLES, key=commands(GATEHOUSE).index)
    assert set(EXAMPLES) == set(commands(GATEHOUSE))
    for words, examples in EXAMPLES.items():
        assert examples
        assert all(f"gatehouse {words}".strip() in example for example in examples)


def test_examples_stand_in_one_line_of_the_help() -> None:
    for words in ("", "keys", "keys issue", "serve"):
        help_text = type_in(*words.split(), "--help", COLUMNS="80").stdout

        assert "\n Examples:" in help_text
        assert all(f"\n {example} " in help_text for example in EXAMPLES[words])
    assert max(len(example) for examples in EXAMPLES.values() for example in examples) <= 78


async def test_every_example_can_be_typed(
    server: EmbeddedServer, database: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = Roles(get_engine().roles.application, Role("MIGRATION_DATABASE_URL", {"dsn": server.dsn()}))
    monkeypatch.setattr(get_engine(), "roles", roles)
    monkeypatch.setattr(get_engine(), "role", get_engine().role)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    for example in dict.fromkeys(example for examples in EXAMPLES.values() for example in examples):
        command = _command_of(example)
        if command not in NOT_RUN:
            await _prepare(database, command)
            words = [
                str(tmp_path / word) if re.fullmatch(r"[a-z-]+\.[a-z]+", word) else word
                for word in shlex.split(example)[1:]
            ]
            done = await run_here(*words)
            assert done.returncode == (1 if command in FAILING else 0), f"{example}\n{done}"


def _command_of(example: str) -> str:
    typed = example.partition("gatehouse ")[2]
    return max((words for words in EXAMPLES if typed.startswith(words)), key=len)


async def _prepare(database: asyncpg.Connection, command: str) -> None:
    for statement in STATE.split(";")[:-1]:
        await database.execute(statement)
    if command == "operators reactivate":
        await database.execute("UPDATE users SET \"isActive\" = false WHERE email = 'other@example.com'")
    if command == "tenants reactivate":
        await database.execute('UPDATE tenants SET "isActive" = false')
    if command == "tenants restore":
        await database.execute('UPDATE tenants SET "deletedAt" = now()')
