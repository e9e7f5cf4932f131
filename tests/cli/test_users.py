"""`gatehouse users …`, and operators who were users without a tenant."""

import re

import asyncpg
import pytest

from tests.cli.commands import failure, json_of, printed, type_in
from tests.support import Api, Person, hire, one_row

pytestmark = pytest.mark.anyio


async def test_users_without_a_tenant_are_listed_attached_and_removed(
    api: Api, database: asyncpg.Connection, operator: str, owner: Person
) -> None:
    early = [await hire(database, None, role, email=f"{role}@example.com") for role in ("CASHIER", "ADMIN")]
    await hire(database, None, "CASHIER", email="unused@example.com")

    assert [user["email"] for user in json_of("users", "list")][:2] == [user.email for user in early]
    assert "unused@example.com" in printed("users", "list")
    assert [user["email"] for user in json_of("users", "list", "--limit", "1")] == [early[0].email]

    (attached,) = json_of("users", "attach", "cashier@EXAMPLE.com", "900.123.456-8", "--role", "MANAGER")
    assert (attached["id"], attached["role"], attached["tenantId"]) == (early[0].id, "MANAGER", owner.id)
    assert (await api.viewer(early[0].token))["tenant"]["id"] == owner.id
    assert "no free seat for the role ADMIN" in failure("users", "attach", early[1].id, owner.id)
    assert "has an owner already" in failure("users", "attach", early[1].id, owner.id, "--owner")
    assert "gatehouse operators add" in failure(
        "users", "attach", early[1].id, owner.id, "--role", "SUPER_ADMIN"
    )

    assert type_in("users", "remove", "unused@example.com", typed="n\n").returncode == 1
    for other in ("unu\u017fed@example.com", "UNUSED\u0130@example.com"):
        assert "not found" in failure("users", "remove", other, "--yes")
    assert (
        printed("users", "remove", "\u202aUnused@example.com\u200b", "--yes")
        == "user unused@example.com removed\n"
    )
    assert "not found" in failure("users", "remove", "unused@example.com", "--yes")
    actions = {row["action"] for row in await database.fetch("SELECT action FROM audit_events")}
    assert {"user.attached", "user.removed"} <= actions

    await database.execute('UPDATE users SET "isOwner" = false; UPDATE tenants SET "maxAdmins" = 2')
    (new_owner,) = json_of("users", "attach", early[1].email, owner.id, "--owner")
    assert (new_owner["role"], new_owner["isOwner"]) == ("ADMIN", True)


async def test_others_are_left_alone(database: asyncpg.Connection, operator: str, owner: Person) -> None:
    """Staff, operators, users to whom rows of the old system refer, and deleted tenants."""
    early = await hire(database, None, "CASHIER")
    email = (await one_row(database, "SELECT email FROM users WHERE role = 'SUPER_ADMIN'"))["email"]
    await database.execute('CREATE TABLE orders (id int, "userId" uuid REFERENCES users (id))')
    await database.execute("INSERT INTO orders VALUES (1, $1)", early.id)
    try:
        for words in (["attach", owner.email, owner.id], ["remove", owner.email, "--yes"]):
            assert "has a tenant" in failure("users", *words)
        assert "is an operator" in failure("users", "remove", email, "--yes")
        assert "rows of the old system refer" in failure("users", "remove", early.id, "--yes")
        printed("tenants", "delete", owner.id, "--yes")
        assert "is deleted" in failure("users", "attach", early.id, owner.id)
        assert "gatehouse tenants list" in failure("users", "attach", early.id, "900999999")
        assert "gatehouse users list" in failure("users", "attach", "x\udcffy", owner.id)
    finally:
        await database.execute("DROP TABLE orders")


async def test_a_user_without_a_tenant_becomes_an_operator(
    api: Api, database: asyncpg.Connection, owner: Person
) -> None:
    """With a new password, so the sessions end; staff stays staff."""
    early = await hire(database, None, "CASHIER", email="Early@example.com", isActive=False)

    output = printed("operators", "add", "early@example.com")

    (password,) = re.findall(r"^password: (\S+)$", output, re.MULTILINE)
    answer = await api.login("early@example.com", password)
    assert (await api.viewer(answer["accessToken"]))["role"] == "SUPER_ADMIN"
    assert answer["user"]["email"] == "Early@example.com"
    assert await api.viewer(early.token) is None
    assert json_of("users", "list") == []
    assert "already registered" in failure("operators", "add", owner.email)
    assert "already registered" in failure("operators", "add", "early@example.com")
