"""Sessions end without use, those of operators soon; and all sessions of a user can be ended at once."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.domain.tenants.business import Business, open_business, outcome
from tests.support import SESSIONS, Api, Settings, hire, issue_key, registration, until_waiting

pytestmark = pytest.mark.anyio


async def aged(database: asyncpg.Connection, **ages: str) -> None:
    """Make all sessions older: `ages` are intervals by the column."""
    for column, age in ages.items():
        await database.execute(f"""UPDATE sessions SET "{column}" = now() - interval '{age}'""")


@pytest.mark.parametrize(
    ("role", "ages", "is_open"),
    [
        ("CASHIER", {"lastSeenAt": "13 days 23 hours"}, True),
        ("CASHIER", {"lastSeenAt": "14 days"}, False),
        ("CASHIER", {"createdAt": "20 days", "lastSeenAt": "1 day"}, True),
        ("SUPER_ADMIN", {"lastSeenAt": "59 minutes"}, True),
        ("SUPER_ADMIN", {"lastSeenAt": "60 minutes"}, False),
        ("SUPER_ADMIN", {"createdAt": "11 hours 59 minutes"}, True),
        ("SUPER_ADMIN", {"createdAt": "12 hours"}, False),
    ],
)
async def test_a_session_ends_without_use(
    api: Api, database: asyncpg.Connection, role: str, ages: dict[str, str], is_open: bool
) -> None:
    """Also one of an operator that was opened for 30 days, before operators had 12 hours."""
    user = await hire(database, None, role)
    await aged(database, **ages)
    other = (await hire(database, None, "SUPER_ADMIN")).token

    assert (await api.viewer(user.token) is not None) == is_open
    assert await api.viewer(other) is not None


async def test_the_lifetimes_are_settings(api: Api, database: asyncpg.Connection, settings: Settings) -> None:
    settings(SESSION_IDLE_DAYS="2", OPERATOR_SESSION_IDLE_MINUTES="5", OPERATOR_SESSION_HOURS="100")
    cashier, operator = await hire(database, None, "CASHIER"), await hire(database, None, "SUPER_ADMIN")

    await aged(database, createdAt="90 hours", lastSeenAt="4 minutes")
    assert await api.viewer(operator.token) is not None
    await aged(database, lastSeenAt="1 hour")
    assert await api.viewer(operator.token) is None
    assert (await api.data(SESSIONS, cashier.token))["sessions"]
    await aged(database, lastSeenAt="2 days")
    assert await api.viewer(cashier.token) is None


async def test_use_prolongs_a_session_and_is_written_once_a_minute(
    api: Api, database: asyncpg.Connection
) -> None:
    operator = await hire(database, None, "SUPER_ADMIN")
    await aged(database, lastSeenAt="50 minutes")
    await api.viewer(operator.token)
    await api.viewer(operator.token)
    written = 'SELECT "lastSeenAt", xmin::text FROM sessions'
    before = await database.fetchrow(written)
    for _ in range(5):
        await api.viewer(operator.token)

    assert await database.fetchrow(written) == before
    assert await database.fetchval("""SELECT "lastSeenAt" > now() - interval '1 minute' FROM sessions""")


async def test_idle_sessions_are_not_listed(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    await aged(database, lastSeenAt="15 days")
    token = (await api.login(form["email"]))["accessToken"]

    assert len((await api.data(SESSIONS, token))["sessions"]) == 1


async def test_a_sign_in_of_an_operator_lasts_twelve_hours(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    await database.execute("""UPDATE users SET role = 'SUPER_ADMIN', "tenantId" = NULL""")

    await api.login(form["email"])

    lasts = """SELECT max("expiresAt") - max("createdAt") = interval '12 hours' FROM sessions"""
    assert await database.fetchval(f"{lasts} WHERE \"expiresAt\" < now() + interval '1 day'")


EVERYWHERE = "mutation { signOutEverywhere { message } }"


async def test_a_user_signs_out_everywhere(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    tokens = [(await api.register(form))["accessToken"]]
    tokens += [(await api.login(form["email"]))["accessToken"] for _ in range(2)]
    other = await hire(database, None, "SUPER_ADMIN")

    answer = await api.data(EVERYWHERE, tokens[1], "es")

    assert answer == {"signOutEverywhere": {"message": "Se cerró su sesión en todos los dispositivos."}}
    assert [await api.viewer(token) for token in tokens] == [None] * 3
    assert await api.viewer(other.token) is not None
    (error,) = (await api.post(EVERYWHERE, tokens[1]))["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert await database.fetchval(
        "SELECT count(*) = 1 FROM audit_events WHERE action = 'session.all_closed'"
    )


async def test_acts_that_end_the_same_sessions_do_not_deadlock(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database))
    tokens = [(await api.register(form))["accessToken"], (await api.login(form["email"]))["accessToken"]]

    async with database.transaction():
        await database.execute("SELECT FROM users FOR UPDATE")
        both = [asyncio.create_task(api.post(EVERYWHERE, token)) for token in tokens]
        await until_waiting(database, 2)
    answers = await asyncio.gather(*both)

    assert all("errors" not in answer for answer in answers)


async def end_sessions(api: Api, business: Business, actor: str, subject: str) -> str:
    document = "mutation($id: ID!) { endStaffSessions(id: $id) { __typename } }"
    token = business.people[actor].token
    answer: dict[str, Any] = await api.post(document, token, id=business.people[subject].id)
    return outcome(answer)


async def test_sessions_of_staff_are_ended_by_those_who_manage_them(
    api: Api, database: asyncpg.Connection
) -> None:
    business = await open_business(api, database)
    refused = [
        ("admin", "owner"),
        ("manager", "admin"),
        ("manager", "another manager"),
        ("cashier", "cashier"),
    ]
    for actor, subject in [*refused, ("operator", "cashier")]:
        assert await end_sessions(api, business, actor, subject) == "FORBIDDEN", (actor, subject)

    for actor, subject in [("owner", "another admin"), ("admin", "manager"), ("another manager", "cashier")]:
        assert await end_sessions(api, business, actor, subject) == "ok", (actor, subject)
        assert await api.viewer(business.people[subject].token) is None
    for person in ("owner", "admin", "another manager", "another cashier", "operator"):
        assert await api.viewer(business.people[person].token) is not None
    assert await end_sessions(api, business, "owner", "owner") == "ok"
    assert await end_sessions(api, business, "admin", "operator") == "NotFound"
    recorded = "SELECT count(*) FROM audit_events WHERE action = 'staff.signed_out'"
    assert await database.fetchval(recorded) == 4
