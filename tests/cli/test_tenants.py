"""`gatehouse tenants …`."""

import asyncpg
import pytest

from tests.cli.commands import failure, json_of, printed, type_in
from tests.domain.tenants.documents import NOBODY
from tests.support import Api, Person

pytestmark = pytest.mark.anyio


async def test_the_commands_do_what_the_api_does(
    api: Api, operator: str, database: asyncpg.Connection, owner: Person
) -> None:
    shown = json_of("tenants", "show", "900123456-8")
    assert (shown["id"], shown["owner"]["email"]) == (owner.id, owner.email)
    assert shown["seats"][0] == {"role": "ADMIN", "used": 1, "reserved": 0, "max": 1}

    assert json_of("tenants", "suspend", owner.id, "--reason", "unpaid")["suspendedReason"] == "unpaid"
    assert await api.viewer(owner.token) is None
    assert "already suspended" in failure("tenants", "suspend", owner.id, "--reason", "unpaid")
    (listed,) = json_of("tenants", "list", "--suspended", "--search", "ahorro")
    assert listed["isActive"] is False
    assert json_of("tenants", "list", "--active") == []

    assert json_of("tenants", "reactivate", owner.id)["isActive"] is True
    assert "is not suspended" in failure("tenants", "reactivate", owner.id)
    seats = json_of("tenants", "seats", owner.id, "--managers", "4")["seats"]
    assert [seat["max"] for seat in seats] == [1, 4, 2]
    assert "more active staff" in failure("tenants", "seats", owner.id, "--admins", "0")
    assert "maxAdmins" in failure("tenants", "seats", owner.id, "--admins", "-1")


async def test_a_command_for_a_deleted_tenant_says_how_to_restore_it(owner: Person) -> None:
    printed("tenants", "delete", owner.id, "--yes")

    for words in (["suspend", "--reason", "unpaid"], ["reactivate"], ["seats", "--admins", "3"]):
        assert "gatehouse tenants restore 9001234568" in failure("tenants", *words, "9001234568")


async def test_a_table_shows_tenants_and_their_seats(database: asyncpg.Connection, owner: Person) -> None:
    table = printed("tenants", "list")

    for expected in ("9001234568", "El Ahorro", "admin 1/1"):
        assert expected in table
    printed("tenants", "delete", owner.id, "--yes")
    assert "El Ahorro" not in printed("tenants", "list")
    assert "deleted" in printed("tenants", "list", "--deleted")


async def test_a_deletion_asks_for_confirmation(api: Api, owner: Person) -> None:
    for answer in ("n\n", ""):
        asked = type_in("tenants", "delete", owner.id, typed=answer)
        assert asked.returncode == 1
        assert "El Ahorro, tax id 9001234568" in asked.stderr
        assert (await api.viewer(owner.token)) is not None
    assert type_in("tenants", "delete", owner.id, typed="y\n").returncode == 0
    assert await api.viewer(owner.token) is None


@pytest.mark.parametrize("which", ["900999999", NOBODY, "", "x\udcffy", "--", "…"])
async def test_an_unknown_tenant_is_reported_in_one_line(database: asyncpg.Connection, which: str) -> None:
    output = failure("tenants", "show", "--", which)

    assert "not found" in output
    assert "gatehouse tenants list" in output
