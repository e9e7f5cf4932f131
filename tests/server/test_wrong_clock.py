"""A machine whose clock is wrong: times come from the clock of the database, and are judged by it."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests import debian
from tests.domain.accounts.codes import REQUEST_RESET, RESET
from tests.domain.beta_keys.keys import issue
from tests.server.serving import Start, ask, client
from tests.support import REGISTER, hire, registration

pytestmark = pytest.mark.anyio

NEW_PASSWORD = "una frase de paso muy larga"


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [-20, 20])
async def test_codes_keys_and_sessions_do_not_depend_on_the_clock_of_the_machine(
    migrated_database: str, start: Start, tmp_path: Path, minutes: int
) -> None:
    library = debian.library("libfaketime.so.1", "faketime")
    home = tmp_path / "home"
    owner = await asyncpg.connect(migrated_database)
    await owner.execute("SET gatehouse.scope = 'platform'")
    operator = await hire(owner, None, "SUPER_ADMIN")
    await owner.close()
    process = start(
        is_forked=False,
        DATABASE_URL=migrated_database,
        GATEHOUSE_HOME=str(home),
        WORKER="on",
        LD_PRELOAD=library,
        FAKETIME=f"{minutes * 60:+d}",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    async with client(process) as api:
        now = datetime.now(UTC)
        past = await issue(api, operator.token, count=1, expiresAt=(now - timedelta(minutes=5)).isoformat())
        soon = await issue(api, operator.token, count=1, expiresAt=(now + timedelta(minutes=5)).isoformat())
        key = soon["keys"][0]["key"]
        form = registration(key)
        registered = (await ask(api, REGISTER, i=form)).json()["data"]["register"]
        await api.data(REQUEST_RESET, e=form["email"])
        code = await _mailed_code(home / "outbox")
        fields = {"email": form["email"], "code": code, "newPassword": NEW_PASSWORD}
        reset = (await api.data(RESET, i=fields))["resetPassword"]
        signed_in = await api.login(form["email"], NEW_PASSWORD)

    assert past["fields"] == [{"field": "expiresAt", "code": "IN_THE_PAST"}]
    assert registered["__typename"] == "Registration"
    assert reset["__typename"] == "Done"
    assert signed_in["accessToken"]


async def _mailed_code(outbox: Path) -> str:
    async with asyncio.timeout(20):
        while (code := _find_code(outbox)) is None:
            await asyncio.sleep(0.1)
    return code


def _find_code(outbox: Path) -> str | None:
    for file in outbox.glob("*.eml") if outbox.exists() else ():
        if found := re.search(r"(?m)^\s*(\d{6})\s*$", file.read_text()):
            return found[1]
    return None
