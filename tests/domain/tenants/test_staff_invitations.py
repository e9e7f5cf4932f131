"""Staff is invited: who may invite whom, what the inviter learns, and what the mails say."""

import hashlib
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from api.domain.cleanup import clean_up
from tests.domain.conftest import Clock
from tests.domain.tenants.business import Business, open_business, outcome
from tests.domain.tenants.documents import NOBODY
from tests.domain.tenants.invitations import (
    AGED,
    CANCEL,
    INVITE,
    LIST,
    RESEND,
    accept,
    accept_mail,
    guest,
    invite,
    mails_of,
    token_of,
)
from tests.support import Api, Settings, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

EVENTS = """
SELECT action, detail::text, "subjectId"::text, "actorEmail" FROM audit_events
 WHERE action LIKE 'staff.%' ORDER BY at
"""


def result(answer: dict[str, Any]) -> str:
    return "ok" if not answer.get("errors") and "StaffInvitation" in str(answer["data"]) else outcome(answer)


# Who may

WHO_MAY = """
whom      | owner        admin        manager      cashier   | operator
ADMIN     | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
MANAGER   | ok           ok           FORBIDDEN    FORBIDDEN | FORBIDDEN
CASHIER   | ok           ok           ok           FORBIDDEN | FORBIDDEN
OPERATOR  | InvalidInput InvalidInput InvalidInput FORBIDDEN | FORBIDDEN
"""

_HEAD, *_ROWS = [line.replace("|", " ").split() for line in WHO_MAY.split("\n") if line]

CASES = [
    (whom, actor, expected)
    for whom, *outcomes in _ROWS
    for actor, expected in [*zip(_HEAD[1:], outcomes, strict=True), ("nobody", "UNAUTHENTICATED")]
]


@pytest.mark.parametrize(("whom", "actor", "expected"), CASES)
async def test_each_role_invites_the_roles_that_it_manages(
    api: Api, database: asyncpg.Connection, business: Business, whom: str, actor: str, expected: str
) -> None:
    """And sends and cancels their invitations; a refusal changes nothing."""
    token = business.people[actor].token if actor in business.people else None
    role = {"OPERATOR": "SUPER_ADMIN"}.get(whom, whom)

    invited = await api.post(INVITE, token, i=guest(role))

    assert result(invited) == expected
    assert await database.fetchval("SELECT count(*) FROM staff_invitations") == (expected == "ok")
    if role == "SUPER_ADMIN":
        return
    if expected != "ok":
        await invite(api, business.people["owner"].token, role=role)
    await database.execute(AGED, timedelta(hours=1))
    found = str(await database.fetchval("SELECT id FROM staff_invitations"))
    assert result(await api.post(RESEND, token, id=found)) == expected
    assert outcome(await api.post(CANCEL, token, id=found)) == expected
    assert await database.fetchval("SELECT count(*) FROM staff_invitations") == (expected != "ok")


async def test_problems_of_fields_are_for_those_who_may_invite(api: Api, business: Business) -> None:
    form = {"email": "x", "firstName": "", "lastName": "www.evil", "role": "ADMIN", "documentId": "x" * 21}

    refused = [await api.post(INVITE, business.people[who].token, i=form) for who in ("manager", "cashier")]
    owner = await invite(api, business.people["owner"].token, **form)

    assert [outcome(answer) for answer in refused] == ["FORBIDDEN"] * 2
    assert {problem["field"]: problem["code"] for problem in owner["fields"]} == {
        "email": "INVALID_EMAIL",
        "firstName": "REQUIRED",
        "lastName": "WEB_ADDRESS",
        "documentId": "TOO_LONG",
    }


@pytest.mark.parametrize("actor", ["manager", "cashier", "operator"])
async def test_invitations_are_listed_for_those_who_manage_staff(
    api: Api, business: Business, actor: str
) -> None:
    """Personal data of the invited, for those who manage the role."""
    owner = business.people["owner"].token
    await invite(api, owner, role="ADMIN", documentId="1", phoneNumber="300 123 4567")
    await invite(api, owner, email="luz@example.com", documentId="2")
    query = """query($id: ID!, $n: Int!) { tenant(id: $id) { id
        invitations(first: $n) { edges { node { email documentId } } } } }"""
    token = business.people[actor].token

    answer = await api.post(query, token, id=business.id, n=20)
    wrong = await api.post(query, token, id=business.id, n=0)

    shown = answer["data"]["tenant"]
    assert shown["id"] == business.id
    if actor == "cashier":
        assert shown["invitations"] is None
        for refused in (answer, wrong):
            (error,) = refused["errors"]
            assert error["extensions"] == {"code": "FORBIDDEN"}
        return
    assert wrong["errors"][0]["extensions"]["code"] == "INVALID_ARGUMENT"
    assert [edge["node"] for edge in shown["invitations"]["edges"]] == [
        {"email": "eva@example.com", "documentId": "1" if actor == "operator" else None},
        {"email": "luz@example.com", "documentId": "2"},
    ]


async def test_pages_of_invitations_are_those_of_staff(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    token = business.people["owner"].token
    for number in range(5):
        await invite(api, token, email=f"eva{number}@example.com")
    seen: list[str] = []
    after = None
    for has_next in (True, True, False):
        page = (await api.data(LIST, token, first=2, after=after))["viewer"]["tenant"]["invitations"]
        seen += [edge["node"]["email"] for edge in page["edges"]]
        assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (5, has_next)
        after = page["pageInfo"]["endCursor"]

    assert seen == [f"eva{number}@example.com" for number in range(5)]


async def test_all_tenants_of_a_listing_share_one_query(
    api: Api, database: asyncpg.Connection, business: Business, operator: str
) -> None:
    """Each tenant shows its own invitations."""
    other = await open_business(api, database)
    await invite(api, business.people["owner"].token)
    await invite(api, other.people["owner"].token, email="luz@example.com")
    query = "{ tenants { edges { node { id invitations { totalCount edges { node { email } } } } } } }"

    listed = (await api.data(query, operator))["tenants"]["edges"]

    found = {
        edge["node"]["id"]: [one["node"]["email"] for one in edge["node"]["invitations"]["edges"]]
        for edge in listed
    }
    assert found == {business.id: ["eva@example.com"], other.id: ["luz@example.com"]}


# What is sent, and what is stored


async def test_the_person_gets_a_link_and_a_code(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings
) -> None:
    settings(INVITATION_URL="https://shop.example.com/join?lang=es")
    owner = business.people["owner"]

    answer = (await api.data(INVITE, owner.token, "es", i=guest(email="Eva@Example.com")))["inviteStaff"]

    (mail,) = await mails_of(database, "Eva@example.com")
    link = mail.pop("link")
    code = mail.pop("code")
    assert link.startswith("https://shop.example.com/join?lang=es&token=")
    assert datetime.fromisoformat(mail.pop("expiresAt")) == datetime.fromisoformat(answer["expiresAt"])
    assert mail == {
        "template": "staff_invitation",
        "firstName": "Eva",
        "inviterName": "Ana Ríos",
        "businessName": await database.fetchval('SELECT "businessName" FROM tenants'),
    }
    row = await one_row(database, 'SELECT *, "expiresAt" - "sentAt" AS lasts FROM staff_invitations')
    assert timedelta(days=6, hours=23) < row["lasts"] <= timedelta(days=7, minutes=1)
    token = link.partition("token=")[2]
    assert len(token) == 43
    assert row["tokenDigest"] == hashlib.sha256(token.encode()).digest()
    assert token not in str(dict(row))
    assert code.replace("-", "") not in str(dict(row))
    language, expires = await one_row(
        database, """SELECT language, "expiresAt" FROM mails WHERE template = 'staff_invitation'"""
    )
    assert (language, expires) == ("es", row["expiresAt"])


async def test_the_mail_has_a_code_alone_without_a_page(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    await invite(api, business.people["owner"].token)

    (mail,) = await mails_of(database)

    assert mail["link"] is None
    assert (await accept(api, email="eva@example.com", code=mail["code"]))["__typename"] == "SignedIn"


async def test_every_act_is_recorded(api: Api, database: asyncpg.Connection, business: Business) -> None:
    owner = business.people["owner"]
    first = await invite(api, owner.token)
    await database.execute(AGED, timedelta(hours=1))
    await api.data(RESEND, owner.token, id=first["id"])
    await api.data(CANCEL, owner.token, id=first["id"])
    await invite(api, owner.token, email="luz@example.com")
    accepted = await accept_mail(api, database, "luz@example.com")

    events = [tuple(event) for event in await database.fetch(EVENTS)]

    eva = ('{"role": "CASHIER", "email": "eva@example.com"}', first["id"], owner.email)
    assert events[:3] == [
        ("staff.invited", *eva),
        ("staff.invitation_resent", *eva),
        ("staff.invitation_cancelled", *eva),
    ]
    luz = '{"role": "CASHIER", "email": "luz@example.com"}'
    assert events[4] == ("staff.invitation_accepted", luz, accepted["user"]["id"], "luz@example.com")


# What the inviter learns


async def known_addresses(api: Api, database: asyncpg.Connection, business: Business) -> list[str]:
    """The addresses of an operator, of staff elsewhere, of a colleague, of an inactive user, and of a person
    whom an old database had before tenants."""
    other = await open_business(api, database)
    inactive = await hire(database, other.id, "CASHIER", isActive=False)
    early = await hire(database, None, "CASHIER")
    return [
        business.people["operator"].email,
        other.people["owner"].email,
        business.people["cashier"].email,
        inactive.email,
        early.email,
    ]


async def test_the_answer_does_not_reveal_whether_an_address_has_an_account(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """The person reads it in the mail."""
    token = business.people["owner"].token
    varying = ("id", "email", "createdAt", "sentAt", "expiresAt")
    known = await known_addresses(api, database, business)

    answers = {email: await invite(api, token, email=email) for email in [*known, "eva@example.com"]}

    shapes = {
        str({name: value for name, value in answer.items() if name not in varying})
        for answer in answers.values()
    }
    assert len(shapes) == 1
    for email, answer in answers.items():
        assert answer["email"] == email
        mail = (await mails_of(database, email))[-1]
        expected = "staff_invitation" if email == "eva@example.com" else "staff_invitation_of_holder"
        assert mail["template"] == expected
    listed = (await api.data(LIST, token))["viewer"]["tenant"]["invitations"]["edges"]
    assert [edge["node"] for edge in listed] == [
        {name: value for name, value in answer.items() if name != "__typename"} for answer in answers.values()
    ]


async def test_the_time_does_not_reveal_whether_an_address_has_an_account(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """By the medians of 60 invitations each, in turns."""
    await database.execute('UPDATE tenants SET "maxCashiers" = 1000')
    other = await open_business(api, database)
    token = business.people["owner"].token
    taken = [(await hire(database, other.id, "CASHIER")).email for _ in range(60)]
    times: dict[bool, list[float]] = {True: [], False: []}
    for number, email in enumerate(taken):
        for is_known in (True, False) if number % 2 else (False, True):
            start = time.perf_counter()
            await invite(api, token, email=email if is_known else f"eva{number}@example.com")
            times[is_known].append(time.perf_counter() - start)

    known, unknown = statistics.median(times[True]), statistics.median(times[False])

    assert abs(known - unknown) < 0.25 * min(known, unknown), (known, unknown)


async def test_an_address_is_invited_once_by_a_tenant(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """In any spelling; an expired invitation is replaced, and other tenants may invite the address too."""
    token = business.people["owner"].token
    first = await invite(api, token)

    again = await invite(api, token, email="EVA@Example.com", role="MANAGER")

    assert (again["__typename"], again["code"]) == ("Conflict", "CONFLICT")
    assert (
        again["message"] == "This person is already invited. Send the invitation again, or cancel it first."
    )
    assert len(await mails_of(database)) == 1
    await database.execute(AGED, timedelta(days=8))
    renewed = await invite(api, token, email="EVA@example.com", role="MANAGER")
    assert renewed["__typename"] == "StaffInvitation"
    assert renewed["id"] != first["id"]
    other = await open_business(api, database)
    assert (await invite(api, other.people["owner"].token))["__typename"] == "StaffInvitation"
    assert await database.fetchval("SELECT count(*) FROM staff_invitations") == 2


# Sending again, cancelling, clean-up


async def test_a_resent_invitation_has_a_new_link_and_a_new_code(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings
) -> None:
    settings(INVITATION_URL="https://shop.example.com/join")
    token = business.people["owner"].token
    first = await invite(api, token)
    soon = (await api.data(RESEND, token, id=first["id"]))["resendInvitation"]
    await database.execute(AGED, timedelta(days=6))

    again = (await api.data(RESEND, token, id=first["id"]))["resendInvitation"]

    assert soon["__typename"] == "RateLimited"
    assert 290 < soon["retryAfterSeconds"] <= 300
    assert again["id"] == first["id"]
    left = datetime.fromisoformat(again["expiresAt"]) - datetime.fromisoformat(again["sentAt"])
    # The statement reads the clock twice.
    assert abs(left - timedelta(days=7)) < timedelta(seconds=1)
    old, new = await mails_of(database)
    assert (await accept(api, token=token_of(old)))["__typename"] == "WrongCode"
    assert (await accept(api, email="eva@example.com", code=old["code"]))["__typename"] == "WrongCode"
    assert (await accept(api, token=token_of(new)))["__typename"] == "SignedIn"


async def test_an_invitation_can_be_cancelled_once(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    token = business.people["owner"].token
    first = await invite(api, token)

    cancelled = (await api.data(CANCEL, token, "es", id=first["id"]))["cancelInvitation"]

    message = "La invitación fue cancelada: su enlace y su código ya no son válidos."
    assert cancelled == {"__typename": "Done", "message": message}
    assert (await accept_mail(api, database))["__typename"] == "WrongCode"
    for act in (CANCEL, RESEND):
        for one in (first["id"], NOBODY, "no id"):
            assert outcome(await api.post(act, token, id=one)) == "NotFound"


async def test_old_invitations_are_erased(api: Api, database: asyncpg.Connection, business: Business) -> None:
    token = business.people["owner"].token
    for name, age in (("old", "38 days"), ("expired", "36 days"), ("open", "1 day")):
        await invite(api, token, email=f"{name}@example.com")
        await database.execute(
            f"""UPDATE staff_invitations SET "expiresAt" = now() + '7 days' - interval '{age}'
                 WHERE email LIKE '{name}%'"""
        )

    await clean_up()

    rows = await database.fetch("SELECT email FROM staff_invitations ORDER BY email")
    assert [row["email"] for row in rows] == ["expired@example.com", "open@example.com"]


# Limits


async def test_a_user_invites_a_limited_number_of_people(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings, clock: Clock
) -> None:
    """With those who are created; a colleague has an own count, and other networks change nothing."""
    settings(RATE_LIMITS="on", RATE_LIMIT_NEW_STAFF="3/hour")
    owner, admin = business.people["owner"].token, business.people["admin"].token
    there = api.at("203.0.113.9")

    answers = [await invite(api, owner, email=f"eva{number}@example.com") for number in range(3)]
    refused = await invite(there, owner, email="luz@example.com")
    other = await invite(api, admin, email="luz@example.com")

    assert [answer["__typename"] for answer in answers] == ["StaffInvitation"] * 3
    assert (refused["__typename"], refused["retryAfterSeconds"]) == ("RateLimited", 3600)
    assert other["__typename"] == "StaffInvitation"
    clock.now += 3600
    assert (await invite(api, owner, email="zoe@example.com"))["__typename"] == "StaffInvitation"


async def invite_again(api: Api, token: str, email: str) -> str:
    """Invite a person, and cancel that; returns the kind of the answer."""
    invited = await invite(api, token, email=email)
    if invited["__typename"] == "StaffInvitation":
        await api.data(CANCEL, token, id=invited["id"])
    return invited["__typename"]


async def test_a_tenant_does_not_stop_the_invitations_of_another(
    api: Api, database: asyncpg.Connection, settings: Settings, clock: Clock
) -> None:
    """Nor does the other one learn of them, whether the address has an account or not."""
    one, two = [(await open_business(api, database)).people["owner"].token for _ in range(2)]
    form = registration(await issue_key(database), email="ana@example.com")
    await api.register(form)
    settings(RATE_LIMITS="on", RATE_LIMIT_MAILBOX_INVITATIONS="2/day")

    for email in ("eva@example.com", form["email"]):
        kinds = [await invite_again(api, one, email) for _ in range(4)]
        assert kinds == ["StaffInvitation"] * 2 + ["RateLimited"] * 2

        assert await invite_again(api, two, email) == "StaffInvitation"
        assert len(await mails_of(database, email)) == 3 + (email == form["email"])


async def test_all_tenants_together_send_a_limited_number_of_invitations_to_a_mailbox(
    api: Api, database: asyncpg.Connection, settings: Settings, clock: Clock
) -> None:
    """Further ones are accepted without a mail; the next day they can be sent again."""
    owners = [(await open_business(api, database)).people["owner"].token for _ in range(7)]
    settings(RATE_LIMITS="on", RATE_LIMIT_MAILBOX_INVITATIONS="1/day")

    answers = [await invite(api, token) for token in owners]

    assert [answer["__typename"] for answer in answers] == ["StaffInvitation"] * 7
    assert len(await mails_of(database)) == 5
    clock.now += 24 * 3600
    await database.execute(AGED, timedelta(days=1))
    again = (await api.data(RESEND, owners[6], id=answers[6]["id"]))["resendInvitation"]
    assert again["__typename"] == "StaffInvitation"
    assert len(await mails_of(database)) == 6
    assert (await accept_mail(api, database))["__typename"] == "SignedIn"
