"""Commands that cannot be undone ask first; without an answer they do nothing."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from typer.main import get_command

from api.cli import app
from tests.cli.commands import type_in
from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

ASKING = {"operators remove", "users remove", "tenants delete", "db forget"}

SENDING = {"keys invite", "keys send"}
"""They ask about people; see `test_sending.py`."""


def _commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


def test_every_command_with_yes_is_tried_here() -> None:
    commands = _commands(get_command(app))
    asking = {name for name, command in commands if any("--yes" in part.opts for part in command.params)}

    assert asking == ASKING | SENDING


async def test_without_an_answer_nothing_is_removed(api: Api, database: asyncpg.Connection) -> None:
    """As in a script or a job, whose standard input is empty."""
    tenant = (await api.register(registration(await issue_key(database))))["tenant"]["id"]
    await hire(database, None, "SUPER_ADMIN")
    operator = await hire(database, None, "SUPER_ADMIN")
    user = await hire(database, None, "CASHIER")
    before = await database.fetch('SELECT email FROM users UNION SELECT "deletedAt"::text FROM tenants')
    subjects = {"operators remove": operator.id, "users remove": user.id, "tenants delete": tenant}

    for command in ASKING:
        words = [*command.split(), *([subjects[command]] if command in subjects else [])]
        assert type_in(*words, typed="").returncode == 1, command

    after = await database.fetch('SELECT email FROM users UNION SELECT "deletedAt"::text FROM tenants')
    assert after == before
