"""Every act records an event, and no event can be changed or removed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from api.database.embedded import EmbeddedServer
from api.domain.cleanup import clean_up
from tests import account_acts, invitation_acts
from tests.acts import ACTS, COMMANDS, SECRETS, all_rows, open_business, ready, rows_refused, run, words_of
from tests.authenticator import ORIGIN
from tests.support import Api, Settings, issue_key, one_row, registration

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _public_url(settings: Settings) -> None:
    """Passkeys are bound to it."""
    settings(PUBLIC_URL=ORIGIN)


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
    **account_acts.EVENTS,
    **invitation_acts.EVENTS,
    "POST /api/auth/register": {"tenant.registered", "beta_key.used"},
    "POST /api/auth/login": {"session.opened"},
    "POST /api/auth/verify-email/request-otp": {"email.verification_requested"},
    "POST /api/auth/verify-email/verify-otp": {"email.verified"},
    "POST /api/auth/check-user": set(),
    "GET /api/users/me": set(),
    "GET /api/beta-keys/validate/{key:path}": set(),
    "GET /api/beta-keys": set(),
    "GET /api/beta-keys/stats": set(),
    "POST /api/beta-keys": {"beta_key.issued"},
    "POST /api/beta-keys/bulk": {"beta_key.issued"},
    "DELETE /api/beta-keys/{id}": {"beta_key.revoked"},
    "PATCH /api/beta-keys/{id}": {"beta_key.updated"},
    "PATCH /api/beta-keys/{id}/notes": {"beta_key.updated"},
    "POST /api/beta-keys/{id}/send-invitation": {"beta_key.sent"},
    "GET /api/tenant-management": set(),
    "POST /api/tenant-management/suspend/request-otp": {"tenant.suspension_requested"},
    "POST /api/tenant-management/suspend/verify": {"tenant.suspended"},
    "POST /api/tenant-management/delete/request-otp": {"tenant.deletion_requested"},
    "POST /api/tenant-management/delete/verify": {"tenant.deleted"},
    "POST /api/tenant-management/reactivate/{id}": {"tenant.reactivated"},
    "a query": set(),
}
"""The actions that each act records; acts that change nothing record none."""

ANONYMOUS = {
    "requestPasswordReset",
    "requestEmailVerification",
    "verifyEmail",
    "POST /api/auth/verify-email/request-otp",
    "POST /api/auth/verify-email/verify-otp",
}
"""Acts for which the client names an address without proving that it is theirs."""

COMMAND_EVENTS = {
    "keys issue": "beta_key.issued",
    "keys update": "beta_key.updated",
    "keys invite": "beta_key.sent",
    "keys revoke": "beta_key.revoked",
    "keys import": "beta_key.imported",
    "keys send": "beta_key.sent",
    "operators add": "operator.added",
    **account_acts.COMMAND_EVENTS,
    "tenants suspend": "tenant.suspended",
    "tenants reactivate": "tenant.reactivated",
    "tenants seats": "tenant.seats_set",
    "tenants delete": "tenant.deleted",
    "tenants restore": "tenant.restored",
    "users attach": "user.attached",
    "users remove": "user.removed",
}


async def events(database: asyncpg.Connection) -> list[asyncpg.Record]:
    return await database.fetch("SELECT * FROM audit_events ORDER BY at, id")


def secrets_in(event: asyncpg.Record) -> list[str]:
    # Fractions of a second look like one-time codes.
    return SECRETS.findall(str({name: value for name, value in event.items() if name != "at"}))


# Recording


def test_every_act_is_in_the_table() -> None:
    assert EVENTS.keys() == set(ACTS)
    assert COMMAND_EVENTS.keys() == {name for name, (_, table) in COMMANDS.items() if table is not None}


@pytest.mark.parametrize("act", EVENTS)
async def test_an_act_records_its_actor_and_address_and_no_secret(
    api: Api, database: asyncpg.Connection, act: str
) -> None:
    async with open_business(api, database) as business:
        request = await ready(business, act)
        known = {event["id"] for event in await events(database)}
        # The operator who was just created performs the acts of operators.
        actor = await one_row(
            database,
            'SELECT id, email FROM users WHERE "isOwner" OR "tenantId" IS NULL'
            ' ORDER BY "isOwner", "createdAt" LIMIT 1',
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
        elif act == "acceptInvitation":
            assert event["actorEmail"] == invitation_acts.EVA["email"]
        elif "register" not in act:
            assert (event["actorId"], event["actorEmail"]) == tuple(actor)
        assert secrets_in(event) == []


@pytest.mark.parametrize("act", [act for act, actions in EVENTS.items() if actions])
async def test_an_act_whose_event_cannot_be_recorded_is_rolled_back(
    api: Api, database: asyncpg.Connection, act: str
) -> None:
    """An event is inserted in the transaction of its act."""
    async with open_business(api, database) as business:
        request = await ready(business, act)
        before = await all_rows(database)
        async with rows_refused(database, "audit_events"):
            answer = await api.http.send(request)

    assert '"INTERNAL"' in answer.text
    assert await all_rows(database) == before


@pytest.mark.parametrize("command", COMMAND_EVENTS)
async def test_a_command_records_an_event_without_an_actor(
    database: asyncpg.Connection, tmp_path: Path, command: str
) -> None:
    """A command has no signed-in user, so the event has no actor."""
    words = await words_of(database, tmp_path, command)
    async with rows_refused(database, "audit_events"):
        before = await all_rows(database)
        assert (await run(words))[0] == 1
        assert await all_rows(database) == before

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
async def test_a_failed_sign_in_is_recorded(
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


async def test_a_password_typed_as_the_address_is_not_recorded(
    api: Api, database: asyncpg.Connection
) -> None:
    for typed in ("Sup3r!secret", "", "x" * 10_000, "a\0b@example.com"):
        await api.login(typed, "Wr0ng!word")

    assert [event["actorEmail"] for event in await events(database)] == [None] * 4


# Immutability and retention


@pytest.fixture
async def application(server: EmbeddedServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the application's role, which owns the tables, in the platform scope."""
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
        # Events younger than a month are never deleted, whatever the setting is.
        "SET LOCAL gatehouse.audit_retention_days = '1'; DELETE FROM audit_events",
        "SET LOCAL gatehouse.audit_retention_days = '-1000'; DELETE FROM audit_events",
        "SET LOCAL gatehouse.audit_retention_days = ''; DELETE FROM audit_events",
        "SET LOCAL gatehouse.audit_retention_days = '30'; TRUNCATE audit_events",
        "SET LOCAL gatehouse.audit_retention_days = '30'; UPDATE audit_events SET action = 'nothing'",
        "SET LOCAL gatehouse.audit_retention_days = '2000'; DELETE FROM audit_events",
    ],
)
async def test_no_event_can_be_changed_or_removed(
    application: asyncpg.Connection, database: asyncpg.Connection, statement: str
) -> None:
    await database.execute(f"{OLD}; INSERT INTO audit_events (action) VALUES ('new')")
    before = await events(database)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="neither changed nor removed"):
        await application.execute(statement)

    assert await events(database) == before


async def test_the_clean_up_removes_events_older_than_the_retention(
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
