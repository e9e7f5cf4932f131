"""Races about invitations of staff, against server processes with real connections."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from tests.domain.test_races import CREATE_STAFF, ask_all, cashier, open_business
from tests.support import GatehouseProcess, Person, hire, one_row

pytestmark = pytest.mark.anyio

INVITE = "mutation($i: InviteStaffInput!) { inviteStaff(input: $i) { __typename } }"
CANCEL = "mutation($id: ID!) { cancelInvitation(id: $id) { __typename } }"
RESEND = "mutation($id: ID!) { resendInvitation(id: $id) { __typename } }"
ACCEPT = "mutation($i: AcceptInvitationInput!) { acceptInvitation(input: $i) { __typename } }"
SUSPEND = 'mutation($id: ID!) { suspendTenant(id: $id, reason: "unpaid") { __typename } }'
SEATS = "mutation($id: ID!, $n: Int!) { setSeats(tenantId: $id, input: {maxCashiers: $n}) { __typename } }"

TAKEN = """
SELECT (SELECT count(*) FROM users WHERE role = 'CASHIER' AND "isActive"),
       (SELECT count(*) FROM staff_invitations WHERE role = 'CASHIER' AND "expiresAt" > now())
"""


def guest(number: int) -> dict[str, Any]:
    return {"i": {key: value for key, value in cashier(number)["i"].items() if key != "password"}}


async def taken(database: asyncpg.Connection) -> tuple[int, int]:
    """The used and the reserved seats of cashiers."""
    (row,) = await database.fetch(TAKEN)
    return row[0], row[1]


async def invited(
    serving: GatehouseProcess, database: asyncpg.Connection, owner: Person, number: int
) -> tuple[str, dict[str, Any]]:
    """The id of a new invitation that may be sent again, and what accepts it."""
    assert await ask_all(serving, [(INVITE, owner.token, guest(number))]) == ["StaffInvitation"]
    email = guest(number)["i"]["email"]
    (invitation,) = await database.fetch(
        """UPDATE staff_invitations SET "sentAt" = now() - interval '1 hour'
            WHERE email = $1 AND "sentAt" > now() - interval '30 minutes' RETURNING id::text""",
        email,
    )
    (mail,) = await database.fetch('SELECT "values" FROM mails WHERE recipient = $1', email)
    code = orjson.loads(mail["values"])["code"]
    return invitation["id"], {"i": {"email": email, "code": code, "password": "correct horse battery"}}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_of_twenty_concurrent_invitations_for_two_seats_two_succeed(
    gatehouse: GatehouseProcess, database: asyncpg.Connection, workers: str
) -> None:
    gatehouse.environment["WORKERS"] = workers
    gatehouse.start()
    owner = await open_business(gatehouse, database)

    answers = await ask_all(gatehouse, [(INVITE, owner.token, guest(n)) for n in range(20)])

    assert Counter(answers) == {"StaffInvitation": 2, "NoSeat": 18}
    assert await taken(database) == (0, 2)
    assert await database.fetchval("SELECT count(*) FROM mails WHERE template = 'staff_invitation'") == 2
    assert await database.fetchval("SELECT count(*) FROM audit_events WHERE action = 'staff.invited'") == 2


async def test_invitations_and_created_accounts_share_the_last_seats(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    for _ in range(3):
        owner = await open_business(serving, database)
        asked = [(INVITE, owner.token, guest(n)) for n in range(10)]
        asked += [(CREATE_STAFF, owner.token, cashier(n)) for n in range(10, 20)]

        answers = Counter(await ask_all(serving, asked))

        assert answers["StaffInvitation"] + answers["User"] == 2
        assert answers["NoSeat"] == 18
        assert sum(await taken(database)) == 2
        await database.execute("DELETE FROM staff_invitations; DELETE FROM users; DELETE FROM tenants")


async def test_an_invitation_that_is_accepted_many_times_at_once_makes_one_account(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    owner = await open_business(serving, database)
    _, acceptance = await invited(serving, database, owner, 1)

    answers = await ask_all(serving, [(ACCEPT, owner.token, acceptance)] * 10)

    assert answers.count("SignedIn") == 1
    assert set(answers) <= {"SignedIn", "WrongCode", "EmailTaken"}
    assert await taken(database) == (1, 0)
    sessions = """SELECT count(*) FROM sessions s JOIN users u ON u.id = s."userId" WHERE NOT "isOwner" """
    assert await database.fetchval(sessions) == 1


@pytest.mark.slow
async def test_of_an_acceptance_and_a_cancellation_one_succeeds(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    owner = await open_business(serving, database)
    await database.execute('UPDATE tenants SET "maxCashiers" = 100')
    outcomes: Counter[str] = Counter()
    for number in range(12):
        invitation, acceptance = await invited(serving, database, owner, number)
        before = await taken(database)
        asked = [(ACCEPT, owner.token, acceptance), (CANCEL, owner.token, {"id": invitation})]

        accepted, cancelled = await ask_all(serving, asked[:: 1 if number % 2 else -1])
        if not number % 2:
            accepted, cancelled = cancelled, accepted

        assert (accepted, cancelled) in [("SignedIn", "NotFound"), ("WrongCode", "Done")]
        outcomes[accepted] += 1
        assert await taken(database) == (before[0] + (accepted == "SignedIn"), before[1] - 1)
    assert sum(outcomes.values()) == 12


@pytest.mark.slow
async def test_of_an_acceptance_and_a_resending_the_account_or_the_new_mail_exists(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    owner = await open_business(serving, database)
    await database.execute('UPDATE tenants SET "maxCashiers" = 100')
    for number in range(8):
        invitation, acceptance = await invited(serving, database, owner, number)

        answers = await ask_all(
            serving, [(ACCEPT, owner.token, acceptance), (RESEND, owner.token, {"id": invitation})]
        )

        assert tuple(answers) in [("SignedIn", "NotFound"), ("WrongCode", "StaffInvitation")]


@pytest.mark.slow
async def test_a_suspension_or_deletion_during_acceptances_leaves_no_access(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """Each of the people is staff before the tenant ends, or keeps the invitation."""
    operator = await hire(database, None, "SUPER_ADMIN")
    for end in ("suspend", "delete"):
        owner = await open_business(serving, database)
        await database.execute('UPDATE tenants SET "maxCashiers" = 100')
        numbers = range(100, 108) if end == "suspend" else range(200, 208)
        acceptances = [(await invited(serving, database, owner, number))[1] for number in numbers]
        asked = [(ACCEPT, owner.token, one) for one in acceptances]
        if end == "suspend":
            ending = (SUSPEND, operator.token, {"id": owner.id})
        else:
            ending = await deletion(serving, database, operator, owner)

        answers = await ask_all(serving, [*asked[:4], ending, *asked[4:]])

        assert answers[4] in ("Tenant", "Done")
        kinds = Counter(answers[:4] + answers[5:])
        refusal = "TenantSuspended" if end == "suspend" else "WrongCode"
        assert set(kinds) <= {"SignedIn", refusal}
        staff = """SELECT count(*) FROM users WHERE "tenantId" = $1 AND NOT "isOwner" """
        assert await database.fetchval(staff, owner.id) == kinds["SignedIn"]
        open_ones = 'SELECT count(*) FROM staff_invitations WHERE "tenantId" = $1'
        assert await database.fetchval(open_ones, owner.id) == kinds[refusal]
        if end == "delete":
            # The deletion ended the sessions of those who were staff by then.
            opened = """SELECT count(*) FROM sessions s JOIN users u ON u.id = s."userId"
                         WHERE u."tenantId" = $1 AND s."revokedAt" IS NULL"""
            assert await database.fetchval(opened, owner.id) == 0


async def deletion(
    serving: GatehouseProcess, database: asyncpg.Connection, operator: Person, owner: Person
) -> tuple[str, str, dict[str, Any]]:
    """The request that deletes the tenant of an owner, with its code."""
    request = "mutation($id: ID!) { requestTenantDeletion(id: $id) { __typename } }"
    assert await ask_all(serving, [(request, operator.token, {"id": owner.id})]) == ["Accepted"]
    mail = await one_row(
        database,
        """SELECT "values" FROM mails WHERE template = 'tenant_deletion_code'
            ORDER BY "createdAt" DESC LIMIT 1""",
    )
    delete = "mutation($id: ID!, $c: String!) { deleteTenant(id: $id, code: $c) { __typename } }"
    return delete, operator.token, {"id": owner.id, "c": orjson.loads(mail["values"])["code"]}


async def test_seats_are_not_lowered_below_concurrent_invitations(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    operator = await hire(database, None, "SUPER_ADMIN")
    owner = await open_business(serving, database)
    for _ in range(5):
        await database.execute("""UPDATE tenants SET "maxCashiers" = 3; DELETE FROM staff_invitations""")
        asked = [(INVITE, owner.token, guest(n)) for n in range(3)]
        asked.insert(1, (SEATS, operator.token, {"id": owner.id, "n": 1}))

        answers = await ask_all(serving, asked)

        maximum = await one_row(database, 'SELECT "maxCashiers" FROM tenants')
        assert sum(await taken(database)) <= maximum["maxCashiers"]
        assert answers[1] in ("Tenant", "Conflict")


@pytest.mark.slow
async def test_two_tenants_that_invite_one_person_get_one_account(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """The acceptances do not deadlock, and the loser keeps the invitation."""
    for number in range(4):
        owners = [await open_business(serving, database) for _ in range(2)]
        acceptances: list[dict[str, Any]] = []
        for owner in owners:
            acceptances.append((await invited(serving, database, owner, number))[1])
            await database.execute("DELETE FROM mails")

        answers = await ask_all(serving, [(ACCEPT, owners[0].token, one) for one in acceptances])

        assert sorted(answers) == ["EmailTaken", "SignedIn"]
        assert await database.fetchval('SELECT count(*) FROM users WHERE NOT "isOwner"') == number + 1


@pytest.mark.slow
async def test_an_expired_invitation_is_not_accepted_after_the_seat_was_taken(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """The acceptance began before the expiry, and waited for the tenant meanwhile."""
    owner = await open_business(serving, database)
    await database.execute('UPDATE tenants SET "maxCashiers" = 1')
    _, acceptance = await invited(serving, database, owner, 1)
    await database.execute("""UPDATE staff_invitations SET "expiresAt" = now() + interval '1500 ms'""")
    async with asyncio.TaskGroup() as tasks, database.transaction():
        await database.execute("SELECT FROM tenants FOR UPDATE")
        accepting = tasks.create_task(ask_all(serving, [(ACCEPT, owner.token, acceptance)]))
        await asyncio.sleep(2)

    assert accepting.result() == ["WrongCode"]
    assert await ask_all(serving, [(INVITE, owner.token, guest(2))]) == ["StaffInvitation"]
    assert await taken(database) == (0, 1)


@pytest.mark.slow
async def test_a_server_that_is_killed_during_acceptances_leaves_nothing_half_done(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    gatehouse.start()
    owner = await open_business(gatehouse, database)
    await database.execute('UPDATE tenants SET "maxCashiers" = 100')
    acceptances = [(await invited(gatehouse, database, owner, number))[1] for number in range(12)]
    accepting = [asyncio.create_task(ask_all(gatehouse, [(ACCEPT, owner.token, one)])) for one in acceptances]
    async with asyncio.timeout(20):
        while not await database.fetchval('SELECT count(*) >= 2 FROM users WHERE NOT "isOwner"'):
            await asyncio.sleep(0.001)
    gatehouse.kill()
    ended = await asyncio.gather(*accepting, return_exceptions=True)

    assert any(isinstance(answer, httpx.TransportError) for answer in ended)
    used, reserved = await taken(database)
    assert used + reserved == 12
    recorded = "SELECT count(*) FROM audit_events WHERE action = 'staff.invitation_accepted'"
    sessions = """SELECT count(*) FROM sessions s JOIN users u ON u.id = s."userId" WHERE NOT "isOwner" """
    assert (await database.fetchval(recorded), await database.fetchval(sessions)) == (used, used)
