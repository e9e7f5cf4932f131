"""A user changes the email address: a code proves the new one, and the old one hears of it."""

import asyncio
import statistics
import time
from typing import Any

import asyncpg
import pytest

from tests.acts import SECRETS
from tests.domain.accounts.codes import REQUEST_RESET, code_for_reset, mailed, other_than, reset
from tests.domain.conftest import Clock
from tests.support import PASSWORD, SESSIONS, Api, Settings, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

REQUEST = """
mutation($e: String!) { requestEmailChange(email: $e) { __typename
  ... on Accepted { message expiresAt } ... on Error { code message }
  ... on InvalidInput { fields { field code } } } }
"""

CONFIRM = """
mutation($i: ConfirmEmailChangeInput!) { confirmEmailChange(input: $i) { __typename
  ... on User { id email tenant { businessName } } ... on Error { code message } } }
"""

NEW = "new@example.com"


async def request(api: Api, token: str | None, email: str = NEW) -> Any:
    return (await api.data(REQUEST, token, e=email))["requestEmailChange"]


async def confirm(api: Api, token: str | None, code: str, email: str = NEW) -> Any:
    return (await api.data(CONFIRM, token, i={"email": email, "code": code}))["confirmEmailChange"]


async def code_for(api: Api, database: asyncpg.Connection, token: str, email: str = NEW) -> str:
    assert (await request(api, token, email))["__typename"] == "Accepted"
    return (await mailed(database, "email_change_code"))[-1]["code"]


async def test_the_address_changes_with_the_code(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """The sessions stay, sign-in takes the new address only, and the events show both."""
    other = (await api.login(ana["email"]))["accessToken"]
    code = await code_for(api, database, ana["token"], " New@Example.COM ")

    answer = await confirm(api, ana["token"], f"{code[:3]} {code[3:]}", "New@example.com")

    assert (answer["__typename"], answer["email"]) == ("User", "New@example.com")
    assert answer["tenant"] == {"businessName": ana["businessName"]}
    for token in (ana["token"], other):
        assert (await api.viewer(token))["email"] == "New@example.com"
    assert len((await api.data(SESSIONS, ana["token"]))["sessions"]) == 2
    assert (await api.login("new@example.com"))["__typename"] == "SignedIn"
    assert (await api.login(ana["email"]))["__typename"] == "WrongCredentials"
    (mail,) = await mailed(database, "email_change_code")
    assert mail["recipient"] == "New@example.com"
    (notice,) = await mailed(database, "email_changed")
    assert (notice["recipient"], notice["code"]) == (ana["email"], None)
    rows = await database.fetch(
        """SELECT action, "actorEmail", detail::text FROM audit_events
            WHERE action LIKE 'account.%' ORDER BY at"""
    )
    assert [tuple(row) for row in rows] == [
        ("account.email_change_requested", ana["email"], '{"email": "New@example.com"}'),
        (
            "account.email_changed",
            ana["email"],
            '{"changes": {"email": ["ana@example.com", "New@example.com"]}}',
        ),
    ]
    assert SECRETS.findall(str(rows)) == []


async def test_an_operator_gets_eight_digits(api: Api, database: asyncpg.Connection, operator: str) -> None:
    code = await code_for(api, database, operator)

    assert len(code) == 8
    answer = await confirm(api, operator, code)
    assert (answer["email"], answer["tenant"]) == (NEW, None)


# What a request reveals


async def holders(api: Api, database: asyncpg.Connection) -> list[str]:
    """The addresses of an operator, and of active and inactive staff of another tenant."""
    form = registration(await issue_key(database))
    tenant = (await api.register(form))["tenant"]["id"]
    return [
        (await hire(database, None, "SUPER_ADMIN")).email,
        form["email"],
        (await hire(database, tenant, "CASHIER", isActive=False)).email,
    ]


async def test_a_taken_address_gets_the_same_answer_and_its_holder_a_mail(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    taken = await holders(api, database)
    await database.execute("DELETE FROM mails")

    answers = [await request(api, ana["token"], email) for email in (*map(str.upper, taken), NEW)]

    assert len({str({**answer, "expiresAt": None}) for answer in answers}) == 1
    assert answers[0]["message"] == "If this address can receive a code, one is on its way."
    told = await mailed(database, "email_change_of_holder")
    assert [(row["recipient"], row["code"]) for row in told] == [(email, None) for email in taken]
    assert [row["recipient"] for row in await mailed(database, "email_change_code")] == [NEW]
    for email in taken:
        wrong = await confirm(api, ana["token"], "123456", email)
        assert wrong == await confirm(api, ana["token"], "123456", "unknown@example.com")
    assert (await api.viewer(ana["token"]))["email"] == ana["email"]


async def test_the_time_does_not_reveal_whether_an_address_has_an_account(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """By the medians of 60 requests each, in turns."""
    (taken, *_) = await holders(api, database)
    times: dict[str, list[float]] = {taken: [], NEW: []}
    for number in range(60):
        for email in (taken, NEW) if number % 2 else (NEW, taken):
            start = time.perf_counter()
            await request(api, ana["token"], email)
            times[email].append(time.perf_counter() - start)

    known, unknown = (statistics.median(times[email]) for email in (taken, NEW))

    assert abs(known - unknown) < 0.25 * min(known, unknown), (known, unknown)


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("ana", "INVALID_EMAIL"),
        ("", "REQUIRED"),
        ("ANA@example.com ", "SAME_EMAIL"),
        ("аna@x.co", "AMBIGUOUS_EMAIL"),
    ],
)
async def test_an_address_that_cannot_be_the_new_one_is_refused(
    api: Api, ana: dict[str, Any], email: str, code: str
) -> None:
    answer = await request(api, ana["token"], email)

    assert [(one["field"], one["code"]) for one in answer["fields"]] == [("email", code)]


# Codes


async def test_a_code_is_for_one_user_one_address_and_one_use(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any], operator: str
) -> None:
    code = await code_for(api, database, ana["token"])

    assert (await confirm(api, operator, code))["__typename"] == "WrongCode"
    assert (await confirm(api, ana["token"], code, "other@example.com"))["__typename"] == "WrongCode"
    assert (await confirm(api, ana["token"], other_than(code)))["__typename"] == "WrongCode"
    assert (await confirm(api, ana["token"], code))["__typename"] == "User"
    back = await code_for(api, database, ana["token"], ana["email"])
    assert (await confirm(api, ana["token"], back, ana["email"]))["__typename"] == "User"
    assert (await confirm(api, ana["token"], code))["__typename"] == "WrongCode"


async def test_codes_of_other_acts_change_no_address(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    await api.register(registration(await issue_key(database), email=NEW))
    code = await code_for_reset(api, database, NEW)

    assert (await confirm(api, ana["token"], code))["__typename"] == "WrongCode"


async def test_an_address_that_is_taken_after_the_mail_is_refused_with_the_code_only(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """The viewer has proved the mailbox by then."""
    code = await code_for(api, database, ana["token"])
    await api.register(registration(await issue_key(database), email="NEW@example.com"))

    assert (await confirm(api, ana["token"], other_than(code)))["__typename"] == "WrongCode"
    assert (await confirm(api, ana["token"], code))["__typename"] == "EmailTaken"
    assert (await api.viewer(ana["token"]))["email"] == ana["email"]
    assert await mailed(database, "email_changed") == []


async def test_a_code_for_a_new_password_does_not_outlive_the_address(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """It was mailed to the old mailbox, which may be another person's by now."""
    old = await code_for_reset(api, database, ana["email"])
    code = await code_for(api, database, ana["token"])
    assert (await confirm(api, ana["token"], code))["__typename"] == "User"

    assert (await reset(api, ana["email"], old))["__typename"] == "WrongCode"
    assert (await reset(api, NEW, old))["__typename"] == "WrongCode"
    assert (await api.login(NEW, PASSWORD))["__typename"] == "SignedIn"
    new = await code_for_reset(api, database, NEW)
    assert (await reset(api, "NEW@example.com", new))["__typename"] == "Done"
    await api.data(REQUEST_RESET, e=ana["email"])
    assert [row["recipient"] for row in await mailed(database, "password_reset_code")] == [ana["email"], NEW]


async def test_of_concurrent_changes_to_one_address_one_succeeds(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    """Of two users, and of two requests of one user."""
    eva = registration(await issue_key(database), email="eva@example.com")
    eva["token"] = (await api.register(eva))["accessToken"]
    codes = [
        (ana["token"], await code_for(api.at("203.0.113.1"), database, ana["token"])),
        (eva["token"], await code_for(api.at("203.0.113.2"), database, eva["token"])),
    ]
    networks = [api.at("203.0.113.1"), api.at("203.0.113.2")] * 2

    ended = await asyncio.gather(
        *(confirm(network, *code) for network, code in zip(networks, codes * 2, strict=True))
    )

    kinds = [answer["__typename"] for answer in ended]
    assert kinds.count("User") == 1
    assert set(kinds) <= {"User", "WrongCode", "EmailTaken"}
    assert await database.fetchval("SELECT count(*) FROM users WHERE email = $1", NEW) == 1


async def test_a_deactivated_user_changes_no_address(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any]
) -> None:
    tenant = await one_row(database, "SELECT id::text FROM tenants")
    cashier = await hire(database, tenant["id"], "CASHIER")
    code = await code_for(api, database, cashier.token)
    update = "mutation($id: ID!) { updateStaff(id: $id, input: {isActive: false}) { __typename } }"
    await api.data(update, ana["token"], id=cashier.id)

    answer = await api.post(CONFIRM, cashier.token, i={"email": NEW, "code": code})

    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


# Limits


async def test_requests_and_guesses_count_as_those_of_other_codes(
    api: Api, database: asyncpg.Connection, ana: dict[str, Any], settings: Settings, clock: Clock
) -> None:
    """Wrong codes from networks that requested none count for the user, with three times the limit."""
    settings(RATE_LIMITS="on", RATE_LIMIT_WRONG_CODES="1/day")
    code = await code_for(api, database, ana["token"])
    await request(api, ana["token"], "one@example.com")
    await request(api, ana["token"], "two@example.com")

    assert (await request(api, ana["token"], "three@example.com"))["__typename"] == "RateLimited"
    kinds = [
        (await confirm(api.at(f"203.0.113.{number}"), ana["token"], other_than(code)))["__typename"]
        for number in range(4)
    ]
    assert kinds == ["WrongCode"] * 3 + ["RateLimited"]
    assert (await confirm(api, ana["token"], code))["__typename"] == "User"


async def test_the_address_is_for_those_who_are_signed_in(api: Api) -> None:
    answers = [
        await api.post(REQUEST, e="x"),
        await api.post(CONFIRM, i={"email": "x", "code": "x"}),
    ]

    assert [answer["errors"][0]["extensions"]["code"] for answer in answers] == ["UNAUTHENTICATED"] * 2
