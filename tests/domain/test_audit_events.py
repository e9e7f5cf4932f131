"""The record: every act leaves an event with it, nobody changes one, and whoever may reads them."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.database.embedded import EmbeddedServer
from api.domain.audit_events import listing
from api.domain.audit_events.listing import EventFilter
from api.domain.cleanup import clean_up
from api.domain.pagination import Position
from tests.cli.test_commands import failure, printed, wrong_usage
from tests.observability.test_log_secrets import (
    ACTS,
    COMMANDS,
    SECRETS,
    open_business,
    ready,
    rows_refused,
    run,
    tables,
    words_of,
)
from tests.support import GATEHOUSE, ROOT, Api, Person, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

EVENTS: dict[str, set[str]] = {
    "register": {"tenant.registered", "beta_key.used"},
    "login": {"session.opened"},
    "logout": {"session.closed"},
    "revokeSession": {"session.revoked"},
    "changePassword": {"password.changed"},
    "requestPasswordReset": {"password.reset_requested"},
    "resetPassword": {"password.reset"},
    "requestEmailVerification": {"email.verification_requested"},
    "verifyEmail": {"email.verified"},
    "updateTenant": {"tenant.updated"},
    "createStaff": {"staff.created"},
    "updateStaff": {"staff.updated"},
    "removeStaff": {"staff.removed"},
    "issueBetaKeys": {"beta_key.issued"},
    "updateBetaKey": {"beta_key.updated"},
    "revokeBetaKey": {"beta_key.revoked"},
    "sendBetaKey": {"beta_key.sent"},
    "suspendTenant": {"tenant.suspended"},
    "reactivateTenant": {"tenant.reactivated"},
    "setSeats": {"tenant.seats_set"},
    "requestTenantDeletion": {"tenant.deletion_requested"},
    "deleteTenant": {"tenant.deleted"},
    "/api/auth/register": {"tenant.registered", "beta_key.used"},
    "/api/auth/login": {"session.opened"},
    "/api/beta-keys/validate/{key:path}": set(),
    "a query": set(),
}
"""What each act records; those that change nothing leave nothing."""

ANONYMOUS = {"requestPasswordReset", "requestEmailVerification", "verifyEmail"}
"""Whoever does these tells an address, and proves nothing."""

COMMAND_EVENTS = {
    "keys issue": "beta_key.issued",
    "keys update": "beta_key.updated",
    "keys invite": "beta_key.sent",
    "keys revoke": "beta_key.revoked",
    "keys import": "beta_key.imported",
    "keys send": "beta_key.sent",
    "operators add": "operator.added",
    "tenants suspend": "tenant.suspended",
    "tenants reactivate": "tenant.reactivated",
    "tenants seats": "tenant.seats_set",
    "tenants delete": "tenant.deleted",
    "tenants restore": "tenant.restored",
}


async def events(database: asyncpg.Connection) -> list[asyncpg.Record]:
    return await database.fetch("SELECT * FROM audit_events ORDER BY at, id")


async def everything(database: asyncpg.Connection) -> dict[str, Any]:
    """All rows of all tables, but for the tries of a code, which count whatever comes of them."""
    uncounted = ("attempts", "lastSeenAt")
    return {
        table: [
            {name: value for name, value in row.items() if name not in uncounted}
            for row in await database.fetch(f"SELECT * FROM {table} ORDER BY id")
        ]
        for table in await tables(database)
    }


def secrets_in(event: asyncpg.Record) -> list[str]:
    # Fractions of a second look like one-time codes.
    return SECRETS.findall(str({name: value for name, value in event.items() if name != "at"}))


# What is recorded


def test_every_act_is_known_here() -> None:
    assert EVENTS.keys() == set(ACTS)
    assert COMMAND_EVENTS.keys() == {name for name, (_, table) in COMMANDS.items() if table is not None}


@pytest.mark.parametrize("act", EVENTS)
async def test_an_act_records_who_did_it_from_where_and_no_secret(
    api: Api, database: asyncpg.Connection, act: str
) -> None:
    async with open_business(api, database) as business:
        request = await ready(business, act)
        known = {event["id"] for event in await events(database)}
        # An act of operators is done by the one who was just made.
        actor = await one_row(
            database,
            'SELECT id, email FROM users WHERE "isOwner" OR "tenantId" IS NULL ORDER BY "isOwner" LIMIT 1',
        )
        await api.http.send(request)

    recorded = [event for event in await events(database) if event["id"] not in known]
    assert {event["action"] for event in recorded} == EVENTS[act]
    assert len(recorded) == len(EVENTS[act])
    for event in recorded:
        assert event["ipAddress"] == "127.0.0.1"
        assert event["actorEmail"] is not None
        if act in ANONYMOUS:
            assert event["actorId"] is None
        elif "register" not in act:
            assert (event["actorId"], event["actorEmail"]) == tuple(actor)
        assert secrets_in(event) == []


@pytest.mark.parametrize("act", [act for act, actions in EVENTS.items() if actions])
async def test_what_cannot_be_recorded_is_not_done(api: Api, database: asyncpg.Connection, act: str) -> None:
    """An event is written in the transaction of what it tells of."""
    async with open_business(api, database) as business:
        request = await ready(business, act)
        before = await everything(database)
        async with rows_refused(database, "audit_events"):
            answer = await api.http.send(request)

    assert '"INTERNAL"' in answer.text
    assert await everything(database) == before


@pytest.mark.parametrize("command", COMMAND_EVENTS)
async def test_a_command_records_itself(database: asyncpg.Connection, tmp_path: Path, command: str) -> None:
    """Nobody has signed in to type it, so that it is nobody's by name."""
    words = await words_of(database, tmp_path, command)
    async with rows_refused(database, "audit_events"):
        before = await everything(database)
        assert (await run(words))[0] == 1
        assert await everything(database) == before

    assert (await run(words))[0] == 0

    event = await one_row(database, "SELECT * FROM audit_events")
    assert event["action"] == COMMAND_EVENTS[command]
    assert (event["actorId"], event["actorEmail"], event["ipAddress"]) == (None, None, None)
    assert secrets_in(event) == []


@pytest.mark.parametrize(
    ("email", "password", "change", "reason"),
    [
        ("nobody@example.com", "Wr0ng!word", "", "unknown address"),
        ("OWNER", "Wr0ng!word", "", "wrong password"),
        ("OWNER", "Sup3r!secret", 'UPDATE users SET "isActive" = false', "inactive"),
        ("OWNER", "Sup3r!secret", 'UPDATE tenants SET "isActive" = false', "tenant suspended"),
    ],
)
async def test_a_sign_in_that_fails_is_recorded(
    api: Api, database: asyncpg.Connection, email: str, password: str, change: str, reason: str
) -> None:
    answer = await api.register(registration(await issue_key(database)))
    if change:
        await database.execute(change)
    email = email.replace("OWNER", answer["user"]["email"])

    assert (await api.login(email, password))["__typename"] != "SignedIn"

    event = (await events(database))[-1]
    assert (event["action"], event["actorEmail"], event["actorId"]) == ("session.refused", email, None)
    assert orjson.loads(event["detail"]) == {"reason": reason}
    known = reason != "unknown address"
    assert str(event["tenantId"]) == (answer["tenant"]["id"] if known else "None")
    assert str(event["subjectId"]) == (answer["user"]["id"] if known else "None")


async def test_a_password_in_the_place_of_an_address_is_not_recorded(
    api: Api, database: asyncpg.Connection
) -> None:
    for typed in ("Sup3r!secret", "", "x" * 10_000, "a\0b@example.com"):
        await api.login(typed, "Wr0ng!word")

    assert [event["actorEmail"] for event in await events(database)] == [None] * 4


# Kept


@pytest.fixture
async def application(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """SQL as the application's role, which owns the tables, and sees all rows."""
    connection = await asyncpg.connect(server.dsn())
    await connection.execute("SET gatehouse.scope = 'platform'")
    try:
        yield connection
    finally:
        await connection.close()


OLD = "INSERT INTO audit_events (action, at) VALUES ('old', now() - interval '1000 days')"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET action = 'nothing'",
        "UPDATE audit_events SET at = now() - interval '1000 days'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (id) DO UPDATE SET action = 'x'",
        # No younger than a month, whatever it says.
        "SET LOCAL gatehouse.audit_retention_days = '1'; DELETE FROM audit_events",
        "SET LOCAL gatehouse.audit_retention_days = '-1000'; DELETE FROM audit_events",
        "SET LOCAL gatehouse.audit_retention_days = ''; DELETE FROM audit_events",
        "SET LOCAL gatehouse.audit_retention_days = '30'; TRUNCATE audit_events",
        "SET LOCAL gatehouse.audit_retention_days = '30'; UPDATE audit_events SET action = 'nothing'",
        "SET LOCAL gatehouse.audit_retention_days = '2000'; DELETE FROM audit_events",
    ],
)
async def test_no_event_is_changed_or_removed(
    application: asyncpg.Connection, database: asyncpg.Connection, statement: str
) -> None:
    await database.execute(f"{OLD}; INSERT INTO audit_events (action) VALUES ('new')")
    before = await events(database)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="neither changed nor removed"):
        await application.execute(statement)

    assert await events(database) == before


async def test_the_clean_up_removes_what_is_older_than_the_setting_says(
    database: asyncpg.Connection, settings: Any
) -> None:
    settings(AUDIT_RETENTION_DAYS="400")
    await database.execute(
        """INSERT INTO audit_events (action, at)
        SELECT 'at', now() - n * interval '1 day' FROM generate_series(398, 402) n;
        INSERT INTO audit_events (action, at)
        SELECT 'crowd', now() - interval '500 days' FROM generate_series(1, 2500) n"""
    )

    await clean_up()

    days = [(datetime.now(UTC) - event["at"]).days for event in await events(database)]
    assert sorted(days) == [398, 399]


# Read

PAGE = """
query($first: Int!, $after: String, $filter: AuditEventFilter) {
  auditEvents(first: $first, after: $after, filter: $filter) {
    edges { node { id at action actorEmail tenantId subjectId detail ipAddress } }
    pageInfo { hasNextPage endCursor } } }
"""


async def actions(api: Api, token: str, **wanted: Any) -> list[str]:
    page = (await api.data(PAGE, token, first=100, filter=wanted))["auditEvents"]
    return [edge["node"]["action"] for edge in page["edges"]]


@pytest.fixture
async def operator(database: asyncpg.Connection) -> Person:
    return await hire(database, None, "SUPER_ADMIN")


async def test_an_event_tells_all_that_is_known(
    api: Api, database: asyncpg.Connection, operator: Person
) -> None:
    answer = await api.register(registration(await issue_key(database)))
    suspend = 'mutation($id: ID!) { suspendTenant(id: $id, reason: "unpaid") { __typename } }'
    await api.data(suspend, operator.token, id=answer["tenant"]["id"])

    (edge,) = (await api.data(PAGE, operator.token, first=1))["auditEvents"]["edges"]

    event = edge["node"]
    at = datetime.fromisoformat(event.pop("at"))
    assert datetime.now(UTC) - at < timedelta(minutes=5)
    assert event.pop("id")
    assert event == {
        "action": "tenant.suspended",
        "actorEmail": operator.email,
        "tenantId": answer["tenant"]["id"],
        "subjectId": answer["tenant"]["id"],
        "detail": {"reason": "unpaid"},
        "ipAddress": "127.0.0.1",
    }


async def test_events_are_filtered(api: Api, database: asyncpg.Connection, operator: Person) -> None:
    tenant = "11111111-1111-4111-8111-111111111111"
    await database.execute(
        """INSERT INTO audit_events (action, "tenantId", "actorEmail", at) VALUES
        ('a', $1, 'Ana@Example.com', '2026-01-01Z'), ('b', $1, NULL, '2026-01-02Z'),
        ('a', NULL, 'eva@example.com', '2026-01-03Z')""",
        tenant,
    )

    assert await actions(api, operator.token) == ["a", "b", "a"]
    assert await actions(api, operator.token, action="a") == ["a", "a"]
    assert await actions(api, operator.token, tenantId=tenant) == ["b", "a"]
    assert await actions(api, operator.token, actorEmail="ANA@example.com") == ["a"]
    span = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-02T19:00:00-05:00"}
    assert await actions(api, operator.token, **span) == ["b"]
    assert await actions(api, operator.token, tenantId=tenant, action="b", actorEmail=None) == ["b"]
    for nothing in ({"action": "\0"}, {"tenantId": "none"}, {"actorEmail": "%"}, {"action": "A"}):
        assert await actions(api, operator.token, **nothing) == []


@pytest.mark.parametrize("since", ["2026-01-02T00:00:00", "2026-01-02", "0001-01-01T00:00:00+14:00", 5, "x"])
async def test_a_time_is_one_in_every_zone(api: Api, operator: Person, since: Any) -> None:
    (error,) = (await api.post(PAGE, operator.token, first=1, filter={"since": since}))["errors"]

    assert "since" in error["message"]
    assert "2027-01-31T12:00:00Z" in error["message"]


async def test_every_event_is_on_one_page(api: Api, database: asyncpg.Connection, operator: Person) -> None:
    """Those of one transaction as well, which are of one moment."""
    await database.execute(
        "INSERT INTO audit_events (action, at)"
        " SELECT n::text, now() - interval '1 s' * (n % 3) FROM generate_series(1, 25) n"
    )
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.data(PAGE, operator.token, first=7, after=after))["auditEvents"]
        seen += [edge["node"]["action"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        await database.execute("INSERT INTO audit_events (action) VALUES ('later')")

    assert sorted(seen, key=int) == [str(number) for number in range(1, 26)]


async def test_admins_see_their_own_tenants_events_whatever_they_ask_for(
    api: Api, database: asyncpg.Connection
) -> None:
    ours, theirs = [await api.register(registration(await issue_key(database))) for _ in range(2)]
    admin = await hire(database, ours["tenant"]["id"], "ADMIN")
    for token in (ours["accessToken"], admin.token):
        for wanted in ({}, {"tenantId": ours["tenant"]["id"]}):
            assert sorted(await actions(api, token, **wanted)) == ["beta_key.used", "tenant.registered"]
        for wanted in ({"tenantId": theirs["tenant"]["id"]}, {"actorEmail": theirs["user"]["email"]}):
            assert await actions(api, token, **wanted) == []


@pytest.mark.parametrize(
    "wanted",
    [
        EventFilter(),
        EventFilter(action="session.opened"),
        EventFilter(tenant_id=UUID("11111111-1111-4111-8111-111111111117")),
        EventFilter(actor_email="ana7@example.com"),
        EventFilter(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 10, 1, tzinfo=UTC)),
    ],
    ids=["all", "action", "tenant", "actor", "span"],
)
async def test_a_deep_page_costs_what_the_first_one_does(
    database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, wanted: EventFilter
) -> None:
    """Under each filter; counted in blocks that are read, because a test is no place for time."""
    await database.execute(
        """INSERT INTO audit_events (action, at, "tenantId", "actorEmail")
        SELECT CASE WHEN n % 2 = 0 THEN 'session.opened' ELSE 'x' || n % 50 END,
               '2026-01-01Z'::timestamptz + n * interval '1 minute',
               ('11111111-1111-4111-8111-11111111' || lpad((n % 100)::text, 4, '1'))::uuid,
               'ana' || n % 100 || '@example.com' FROM generate_series(1, 100000) n"""
    )
    await database.execute("VACUUM (ANALYZE) audit_events")
    blocks: list[int] = []

    async def explain(query: str, *values: Any) -> list[dict[str, Any]]:
        query = query.format(*(f"${place}" for place in range(1, len(values) + 1)))
        (told,) = await database.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {query}", *values)
        (plan,) = (explained["Plan"] for explained in orjson.loads(told[0]))
        assert plan["Actual Rows"] == 21
        blocks.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        return []

    monkeypatch.setattr(listing, "read_platform", explain)
    for after in (None, Position(datetime(2026, 2, 1, tzinfo=UTC), UUID(int=0))):
        await listing.list_events(wanted, 20, after)

    first, deep = blocks
    assert deep <= first + 21


# Followed


@asynccontextmanager
async def followed(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        GATEHOUSE, "audit", "--follow", *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    return [(await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip() for _ in range(count)]


async def test_whoever_follows_sees_each_event_once_however_late_it_ends(
    database: asyncpg.Connection, server: EmbeddedServer
) -> None:
    """Also one whose transaction began before others that were told, and that wrote it in a savepoint."""
    add = "INSERT INTO audit_events (action) VALUES ('{}')"
    late = await asyncpg.connect(server.dsn(user="postgres"))
    await database.execute(add.format("before"))
    async with followed("--json") as process:
        (first,) = await lines(process, 1)
        assert orjson.loads(first)["action"] == "before"

        ending = late.transaction()
        await ending.start()
        await late.execute("SELECT now()")
        await database.execute(add.format("quick"))
        async with late.transaction():
            await late.execute(add.format("late"))
        (quick,) = await lines(process, 1)
        await database.execute(add.format("quicker"))
        (quicker,) = await lines(process, 1)
        await ending.commit()
        (told,) = await lines(process, 1)
        for number in range(5):
            await database.execute(add.format(f"after {number}"))
        rest = await lines(process, 5)

        process.send_signal(signal.SIGINT)
        output, complaint = await process.communicate()
    await late.close()

    assert [orjson.loads(line)["action"] for line in (quick, quicker, told)] == ["quick", "quicker", "late"]
    assert [orjson.loads(line)["action"] for line in rest] == [f"after {number}" for number in range(5)]
    assert (output, complaint, process.returncode) == (b"", b"", 130)


async def test_what_was_there_before_is_no_news_beside_a_long_transaction(
    database: asyncpg.Connection, server: EmbeddedServer
) -> None:
    add = "INSERT INTO audit_events (action) VALUES ('{}')"
    long = await asyncpg.connect(server.dsn(user="postgres"))
    try:
        async with long.transaction():
            await long.execute(add.format("long"))
            for number in range(3):
                await database.execute(add.format(f"before {number}"))
            async with followed("--json", "--limit", "1") as process:
                told = await lines(process, 1)
                await database.execute(add.format("after"))
                told += await lines(process, 1)
    finally:
        await long.close()

    assert [orjson.loads(line)["action"] for line in told] == ["before 2", "after"]


async def test_following_goes_on_after_an_outage(
    database: asyncpg.Connection, server: EmbeddedServer
) -> None:
    await database.execute("INSERT INTO audit_events (action) VALUES ('before')")
    async with followed() as process:
        await lines(process, 1)
        await database.execute("ALTER ROLE gatehouse NOLOGIN")
        try:
            await database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gatehouse'"
            )
            await database.execute("INSERT INTO audit_events (action) VALUES ('meanwhile')")
            assert process.stderr is not None
            told = await asyncio.wait_for(process.stderr.readline(), 30)
        finally:
            await database.execute("ALTER ROLE gatehouse LOGIN")
        (line,) = await lines(process, 1)

    assert b"the database is away" in told
    assert " meanwhile " in f"{line} "


async def test_the_record_is_printed_a_line_an_event_the_latest_last(
    api: Api, database: asyncpg.Connection
) -> None:
    answer = await api.register(registration(await issue_key(database), nit="900123456"))
    await api.login(answer["user"]["email"], "Wr0ng!word")

    told = printed("audit").splitlines()
    assert len(told) == 3
    assert "session.refused" in told[-1]
    assert f"{answer['user']['email']} (127.0.0.1)" in told[-1]
    assert '{"reason":"wrong password"}' in told[-1]
    assert len(printed("audit", "--limit", "2").splitlines()) == 2
    assert printed("audit", "--action", "session.refused").splitlines() == told[-1:]
    assert (
        printed("audit", "--tenant", "900.123.456", "--actor", answer["user"]["email"]).splitlines() == told
    )
    assert printed("audit", "--since", "2099-01-01") == ""
    assert printed("audit", "--until", "2026-01-01") == ""
    assert printed("audit", "--until", "2099-01-01").splitlines() == told
    assert "no tenant" in failure("audit", "--tenant", "900999999")
    for never in ("soon", "0001-01-01T00:00+14:00"):
        assert never in wrong_usage("audit", "--since", never)


async def test_nobody_writes_to_the_terminal_of_whoever_reads(database: asyncpg.Connection) -> None:
    await database.execute(
        "INSERT INTO audit_events (action, detail) VALUES ('x', $1)", '{"a": "line\\nand \\u001b[2J"}'
    )

    told = printed("audit")

    assert len(told.splitlines()) == 1
    assert "\x1b" not in told
