"""Invited people make their own accounts."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from tests.domain.accounts.codes import other_than
from tests.domain.conftest import Clock
from tests.domain.tenants.business import REMOVE, UPDATE, Business, open_business
from tests.domain.tenants.invitations import (
    OWN_PASSWORD,
    accept,
    accept_mail,
    invite,
    mails_of,
    token_of,
)
from tests.support import Api, Settings, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio

EVA = "eva@example.com"


@pytest.fixture
def _with_page(settings: Settings) -> None:
    settings(INVITATION_URL="https://shop.example.com/join")


@pytest.fixture
async def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords and codes that are hashed or compared with a slow hash."""
    from api.domain.accounts import passwords

    calls: list[str] = []
    for name in ("hash", "verify", "verify_and_update"):
        original = getattr(passwords._HASHES, name)

        def noted(*arguments: Any, name: str = name, original: Any = original) -> Any:
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(passwords._HASHES, name, noted)
    return calls


async def test_the_person_becomes_staff_with_a_password_of_their_own(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    given = {"documentId": "1.020", "phoneNumber": "300 123 4567"}
    await invite(api, business.people["owner"].token, role="MANAGER", **given)

    answer = await accept_mail(api, database)

    assert answer["__typename"] == "SignedIn"
    user = answer["user"]
    assert (user["email"], user["firstName"], user["role"], user["isOwner"]) == (EVA, "Eva", "MANAGER", False)
    assert user["tenant"] == {"id": business.id}
    assert (await api.viewer(answer["accessToken"]))["id"] == user["id"]
    assert (await api.login(EVA, OWN_PASSWORD))["__typename"] == "SignedIn"
    row = await one_row(database, f"SELECT * FROM users WHERE email = '{EVA}'")
    assert (row["documentId"], row["phoneNumber"], row["isActive"]) == ("1.020", "+573001234567", True)
    assert row["password"].startswith("$argon2id$")
    assert await database.fetchval("SELECT count(*) FROM staff_invitations") == 0


@pytest.mark.usefixtures("_with_page")
@pytest.mark.parametrize("how", ["token", "code"])
async def test_an_invitation_is_accepted_once(
    api: Api, database: asyncpg.Connection, business: Business, how: str
) -> None:
    await invite(api, business.people["owner"].token)
    (mail,) = await mails_of(database)
    values = {"token": token_of(mail)} if how == "token" else {"email": EVA, "code": mail["code"]}

    first = await accept(api, **values)
    again = await accept(api, **values)

    assert (first["__typename"], again["__typename"]) == ("SignedIn", "WrongCode")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "lower case": lambda code: code.lower(),
    "no dashes": lambda code: code.replace("-", ""),
    "spaces": lambda code: code.replace("-", " "),
    "other dashes": lambda code: code.replace("-", "\u2013"),
    "marks": lambda code: f"\u200b *{code}*.",
    "a sentence": lambda code: f"Su código es «{code}». Gracias",
    "full width": lambda code: "".join(chr(ord(sign) + 0xFEE0) if sign != "-" else sign for sign in code),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_code_is_read_as_it_is_pasted(
    api: Api, database: asyncpg.Connection, business: Business, spelling: str
) -> None:
    await invite(api, business.people["owner"].token)
    (mail,) = await mails_of(database)

    answer = await accept(api, email=" Eva@Example.com\u200b", code=SPELLINGS[spelling](mail["code"]))

    assert answer["__typename"] == "SignedIn"


async def test_a_code_is_valid_for_its_address_only(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """And each of several tenants has its own."""
    other = await open_business(api, database)
    await invite(api, business.people["owner"].token)
    await invite(api, other.people["owner"].token)
    await invite(api, other.people["owner"].token, email="luz@example.com")
    first, second = await mails_of(database)

    assert (await accept(api, email="luz@example.com", code=second["code"]))["__typename"] == "WrongCode"
    answer = await accept(api, email=EVA, code=second["code"])
    assert answer["user"]["tenant"] == {"id": other.id}
    assert (await accept(api, email=EVA, code=first["code"]))["__typename"] == "EmailTaken"


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({}, ["email", "code"]),
        ({"token": "", "email": " "}, ["email", "code"]),
        ({"email": EVA}, ["code"]),
        ({"code": "ABCD-EFGH-JKMN"}, ["email"]),
        ({"token": None, "email": EVA, "code": None}, ["code"]),
    ],
)
async def test_without_a_token_the_address_and_the_code_are_required(
    api: Api, values: dict[str, Any], missing: list[str]
) -> None:
    answer = await accept(api, **values)

    assert [(one["field"], one["code"]) for one in answer["fields"]] == [
        (field, "REQUIRED") for field in missing
    ]


@pytest.mark.usefixtures("_with_page")
async def test_nothing_is_hashed_without_a_valid_invitation(
    api: Api, database: asyncpg.Connection, business: Business, hashed: list[str]
) -> None:
    """Also for an address that has an account by now."""
    await invite(api, business.people["owner"].token)
    await invite(api, business.people["owner"].token, email=business.people["cashier"].email)
    (mail,) = await mails_of(database)
    (known,) = await mails_of(database, business.people["cashier"].email)
    hashed.clear()
    wrong: list[dict[str, Any]] = [
        {"token": "x" * 43},
        {"token": f"{token_of(mail)}x"},
        {"token": "\x00"},
        {"token": "ñ" * 10_000},
        {"email": EVA, "code": "ABCD-EFGH-JKMN"},
        {"email": EVA, "code": "123456"},
        {"email": EVA, "code": f"{mail['code']} ABCD-EFGH-JKMN"},
        {"email": "unknown@example.com", "code": mail["code"]},
        {"email": "\x00", "code": mail["code"]},
    ]

    answers = [await accept(api, **values) for values in wrong]

    assert len({str(answer) for answer in answers}) == 1
    assert answers[0]["__typename"] == "WrongCode"
    assert (await accept(api, token=token_of(known)))["__typename"] == "EmailTaken"
    assert hashed == []
    assert (await accept(api, token=token_of(mail)))["__typename"] == "SignedIn"
    assert hashed == ["hash"]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "TOO_SHORT"),
        ("Password1!", "COMMON_PASSWORD"),
        ("eva@example.com1", "PERSONAL_PASSWORD"),
        # What only the invitation knows.
        ("zubizarreta-9", "PERSONAL_PASSWORD"),
        ("elahorradorfeliz", "PERSONAL_PASSWORD"),
    ],
)
async def test_the_password_follows_the_rules(
    api: Api, database: asyncpg.Connection, business: Business, password: str, code: str
) -> None:
    """A refused one does not use the invitation up."""
    await database.execute("""UPDATE tenants SET "businessName" = 'El Ahorrador Feliz'""")
    await invite(api, business.people["owner"].token, lastName="Zubizarreta")

    refused = await accept_mail(api, database, password=password)

    assert [(one["field"], one["code"]) for one in refused["fields"]] == [("password", code)]
    assert (await accept_mail(api, database))["__typename"] == "SignedIn"


async def test_only_the_person_learns_that_the_address_has_an_account(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    """Where the account goes, the invitation is valid."""
    other = await open_business(api, database)
    cashier = other.people["cashier"]
    await invite(api, business.people["owner"].token, email=cashier.email)
    (mail,) = await mails_of(database, cashier.email)

    taken = await accept(api, email=cashier.email, code=mail["code"])

    assert mail["template"] == "staff_invitation_of_holder"
    assert (taken["__typename"], taken["code"]) == ("EmailTaken", "EMAIL_TAKEN")
    await api.data(REMOVE, other.people["owner"].token, id=cashier.id)
    answer = await accept(api, email=cashier.email, code=mail["code"])
    assert answer["user"]["tenant"] == {"id": business.id}


async def test_an_account_that_is_made_after_the_invitation_has_the_address(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    await invite(api, business.people["owner"].token)
    await api.register(registration(await issue_key(database), email="EVA@example.com"))

    assert (await accept_mail(api, database))["__typename"] == "EmailTaken"
    assert await database.fetchval("SELECT count(*) FROM users WHERE email ILIKE 'eva%'") == 1


@pytest.mark.parametrize("end", ["demoted", "removed"])
async def test_an_invitation_is_that_of_the_tenant_and_not_of_the_inviter(
    api: Api, database: asyncpg.Connection, business: Business, end: str
) -> None:
    owner, admin = business.people["owner"].token, business.people["admin"]
    await invite(api, admin.token)
    if end == "demoted":
        await api.data(UPDATE, owner, id=admin.id, i={"role": "CASHIER"})
    else:
        await api.data(REMOVE, owner, id=admin.id)

    assert (await accept_mail(api, database))["__typename"] == "SignedIn"


# Guesses


async def test_guessed_codes_are_counted_for_their_network_alone(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings, clock: Clock
) -> None:
    """For addresses without an invitation alike. Strangers do not shut the person out."""
    await invite(api, business.people["owner"].token)
    (mail,) = await mails_of(database)
    settings(RATE_LIMITS="on", RATE_LIMIT_WRONG_CODES="2/day")

    for number in range(5):
        stranger, email = api.at(f"198.51.100.{number}"), (EVA, "unknown@example.com")[number % 2]
        kinds = [(await accept(stranger, email=email, code="ABCD-EFGH-JKMN"))["__typename"] for _ in range(3)]
        assert kinds == ["WrongCode"] * 2 + ["RateLimited"]
    right = await accept(api.at("198.51.100.1"), email=EVA, code=mail["code"])
    assert right["__typename"] == "RateLimited"
    recorded = """SELECT "actorEmail" FROM audit_events WHERE action = 'guesses.refused' ORDER BY at"""
    assert [row[0] for row in await database.fetch(recorded)] == [EVA, "unknown@example.com"] * 2 + [EVA]

    accepted = await accept(api.at("203.0.113.5"), email=EVA, code=mail["code"])
    assert accepted["__typename"] == "SignedIn"


async def test_a_text_without_a_code_is_no_guess(
    api: Api, database: asyncpg.Connection, business: Business, settings: Settings, clock: Clock
) -> None:
    await invite(api, business.people["owner"].token)
    settings(RATE_LIMITS="on", RATE_LIMIT_WRONG_CODES="1/day")

    for typed in ("abc", other_than("123456"), "ABCD-EFGH"):
        assert (await accept(api, email=EVA, code=typed))["__typename"] == "WrongCode"

    assert (await accept_mail(api, database))["__typename"] == "SignedIn"


async def test_a_network_has_a_limited_number_of_tries(
    api: Api, database: asyncpg.Connection, settings: Settings, clock: Clock
) -> None:
    settings(RATE_LIMITS="on")

    kinds = [(await accept(api, token=f"{number}" * 43))["__typename"] for number in range(10)]

    assert kinds == ["WrongCode"] * 10
    assert (await accept(api, token="x" * 43))["__typename"] == "RateLimited"
    assert (await accept(api.at("203.0.113.9"), token="x" * 43))["__typename"] == "WrongCode"


async def test_an_inactive_colleague_keeps_the_address(
    api: Api, database: asyncpg.Connection, business: Business
) -> None:
    away = await hire(database, business.id, "CASHIER", isActive=False)
    await invite(api, business.people["owner"].token, email=away.email)

    assert (await accept_mail(api, database, away.email))["__typename"] == "EmailTaken"
