"""Options of commands as word processors and chats write them."""

import asyncpg
import pytest

from tests.cli.commands import json_of, printed, type_in, wrong_usage
from tests.support import issue_key
from tests.test_typed_text import DASHES, MINUS_SIGNS

pytestmark = pytest.mark.anyio


async def test_each_dash_begins_an_option(database: asyncpg.Connection) -> None:
    """Most word processors make one long dash of the two of ASCII, and some only of the second one."""
    free, used = await issue_key(database), await issue_key(database, isUsed=True)
    commands = [
        *(["keys", "list", f"{dash}status", "used", "--json"] for dash in ("—", "–", "―", "\u2212", "－")),
        ["keys", "list", "–-status", "used", "--json"],
        ["keys", "list", "-–status", "used", "—json"],
        ["keys", "list", "——status=used", "––json"],
        ["keys", "list", "—status\u00a0used", "\u200b--json"],
        ["keys", "list", "--status\u00a0used", "--json\ufeff"],
    ]

    for command in commands:
        assert f'"key": "{used}"' in printed(*command), ascii(command)
        assert free not in printed(*command), ascii(command)
    assert all("Usage: " in type_in("keys", f"{dash}h").stdout for dash in ("–", "—"))


def test_every_character_for_a_dash_is_read() -> None:
    from typer.main import get_command

    from api.cli import app
    from api.cli.pasted_options import read_options

    command = get_command(app)
    for dash in DASHES + MINUS_SIGNS:
        if dash not in ("-", "\u30fc"):
            typed = [f"{dash}yes", f"{dash}{dash}dry{dash}run=", "--", f"{dash}yes"]
            assert read_options(command, typed) == ["--yes", "--dry-run=", *typed[2:]], ascii(dash)


async def test_a_text_that_is_no_option_stays(database: asyncpg.Connection) -> None:
    issued = json_of("keys", "issue", "--notes", "— urgente —", "--batch", "—feria")

    assert [(key["notes"], key["batch"]) for key in issued] == [("— urgente —", "—feria")]
    assert "No such option" in wrong_usage("keys", "list", "--nothing")
    assert json_of("keys", "list", "--search", "—nothing") == []
