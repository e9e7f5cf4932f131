"""Mails that tell people about their accounts: sign-ins from new devices, wrong passwords, new passwords."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from api.domain.mails import ClaimedMail, Template
from api.mail.compose import compose
from tests.account_acts import code_now, turn_on
from tests.cli.commands import printed
from tests.domain.accounts.codes import mailed
from tests.domain.accounts.second_factors.factors import challenge_of, verify
from tests.domain.accounts.test_identity_confirmation import confirm
from tests.domain.accounts.test_operators import act
from tests.support import LOGIN, PASSWORD, Api, Settings, hire, issue_key, registration

pytestmark = pytest.mark.anyio

HOME, NEXT_DOOR, ELSEWHERE = "203.0.113.77", "203.0.113.9", "198.51.100.9"

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile"


async def sign_in(
    api: Api,
    email: str = "ana@example.com",
    address: str = HOME,
    agent: str = FIREFOX,
    password: str = PASSWORD,
    language: str = "en",
) -> str:
    body = {"query": LOGIN, "variables": {"i": {"email": email, "password": password}}}
    headers = {"user-agent": agent, "accept-language": language}
    answer = await api.at(address).http.post("/graphql", json=body, headers=headers)
    return answer.json()["data"]["login"]["__typename"]


async def mails(database: asyncpg.Connection, template: Template) -> list[dict[str, Any]]:
    """The values of the queued mails of a template, the oldest first, with their recipients."""
    rows = await database.fetch(
        'SELECT recipient, language, "values" FROM mails WHERE template = $1 ORDER BY "createdAt"',
        template.value,
    )
    return [
        {"to": row["recipient"], "language": row["language"], **orjson.loads(row["values"])} for row in rows
    ]


async def text_of(database: asyncpg.Connection, template: Template) -> str:
    """What the recipient of the only queued mail of a template reads."""
    (mail,) = await mails(database, template)
    to, language = mail.pop("to"), mail.pop("language")
    claimed = ClaimedMail(uuid4(), template, to, language, mail, datetime.now(UTC), tries=1, expired=False)
    body = compose(claimed, Address("Gatehouse", "beta", "example.com")).get_body(("plain",))
    assert body is not None
    return body.get_content()


@pytest.fixture
async def ana(api: Api, database: asyncpg.Connection) -> str:
    """The token of an owner who registered at HOME with Firefox."""
    home = api.at(HOME)
    home.http.headers["user-agent"] = FIREFOX
    return (await home.register(registration(await issue_key(database), email="ana@example.com")))[
        "accessToken"
    ]


# New devices


@pytest.mark.usefixtures("ana")
async def test_a_sign_in_from_a_new_network_or_device_is_mailed_once(
    api: Api, database: asyncpg.Connection
) -> None:
    assert await sign_in(api) == "SignedIn"
    assert await sign_in(api, address=NEXT_DOOR) == "SignedIn"
    assert await mails(database, Template.NEW_DEVICE) == []

    for _ in range(2):
        assert await sign_in(api, address=ELSEWHERE) == "SignedIn"
    (elsewhere,) = await mails(database, Template.NEW_DEVICE)
    for _ in range(2):
        assert await sign_in(api, agent=CHROME) == "SignedIn"
    # Both are known by now.
    assert await sign_in(api, address=ELSEWHERE, agent=CHROME) == "SignedIn"

    _, phone = await mails(database, Template.NEW_DEVICE)
    assert (elsewhere["to"], elsewhere["program"], elsewhere["system"], elsewhere["address"]) == (
        "ana@example.com",
        "Firefox",
        "Windows",
        ELSEWHERE,
    )
    assert (phone["program"], phone["system"], phone["address"]) == ("Chrome", "Android", HOME)


@pytest.mark.usefixtures("ana")
async def test_the_mail_names_the_hour_the_zone_and_what_to_do(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(TIME_ZONE="America/Bogota")
    await sign_in(api, address=ELSEWHERE, language="es")

    text = await text_of(database, Template.NEW_DEVICE)

    assert "(hora de Colombia)\n- Firefox en Windows\n- Dirección IP 198.51.100.9\n" in text
    assert "¿Fue usted?" in text
    assert "así se cierran todas las sesiones de su cuenta" in text


@pytest.mark.usefixtures("ana")
@pytest.mark.parametrize(
    ("agent", "line"),
    [
        ("evil.example/login is your new sign-in page", "unknown program"),
        ("http://evil.example", "unknown program"),
        ("Your account is closed, call 555 0100", "unknown program"),
        ("okhttp/4.12.0", "okhttp"),
        ("x" * 200, "unknown program"),
        ("", "unknown program"),
    ],
)
async def test_the_name_of_a_program_is_no_place_for_messages(
    api: Api, database: asyncpg.Connection, agent: str, line: str
) -> None:
    await sign_in(api, address=ELSEWHERE, agent=agent)

    text = await text_of(database, Template.NEW_DEVICE)

    assert f"\n- {line}\n" in text
    assert not [word for word in ("evil", "http:", "closed") if word in text]


async def test_the_first_sign_in_of_an_account_is_not_mailed(api: Api, database: asyncpg.Connection) -> None:
    """Nor one of an account from before devices were known."""
    printed("operators", "add", "root@example.com", "--password-stdin", typed=f"{PASSWORD}\n")

    assert await sign_in(api, "root@example.com") == "SignedIn"
    assert await mails(database, Template.NEW_DEVICE) == []
    assert await sign_in(api, "root@example.com", ELSEWHERE) == "SignedIn"
    assert len(await mails(database, Template.NEW_DEVICE)) == 1


@pytest.mark.usefixtures("ana")
async def test_a_sign_in_over_rest_and_a_repeated_registration_are_mailed(
    api: Api, database: asyncpg.Connection
) -> None:
    body = {"email": "ana@example.com", "password": PASSWORD}
    assert (await api.at(ELSEWHERE).http.post("/api/auth/login", json=body)).status_code in (200, 201)
    assert len(await mails(database, Template.NEW_DEVICE)) == 1

    form = registration(await issue_key(database), email="eva@example.com")
    for address in (HOME, ELSEWHERE):
        assert (await api.at(address).register(form))["__typename"] == "Registration"
    assert [mail["to"] for mail in await mails(database, Template.NEW_DEVICE)] == [
        "ana@example.com",
        "eva@example.com",
    ]


@pytest.mark.usefixtures("ana")
async def test_with_a_second_factor_the_mail_comes_with_the_session(
    api: Api, database: asyncpg.Connection
) -> None:
    await turn_on(database, "ana@example.com")
    elsewhere = api.at(ELSEWHERE)
    challenge = await challenge_of(elsewhere, "ana@example.com")
    assert await mails(database, Template.NEW_DEVICE) == []

    assert (await verify(elsewhere, challenge, code_now()))["__typename"] == "SignedIn"
    assert len(await mails(database, Template.NEW_DEVICE)) == 1


@pytest.mark.usefixtures("ana")
async def test_concurrent_sign_ins_from_a_new_device_send_one_mail(
    api: Api, database: asyncpg.Connection
) -> None:
    answers = await asyncio.gather(*(sign_in(api, address=ELSEWHERE) for _ in range(10)))

    assert answers == ["SignedIn"] * 10
    assert len(await mails(database, Template.NEW_DEVICE)) == 1


# Wrong passwords


async def wrong(api: Api, times: int, email: str = "ana@example.com") -> None:
    """Wrong passwords at once, from other networks each."""
    answers = await asyncio.gather(
        *(sign_in(api, email, f"198.51.100.{number}", password="wrong") for number in range(times))
    )
    assert answers == ["WrongCredentials"] * times


@pytest.mark.usefixtures("ana")
async def test_the_eleventh_wrong_password_in_a_day_is_mailed_once(
    api: Api, database: asyncpg.Connection
) -> None:
    """Also of many concurrent ones, and however the address is written."""
    await wrong(api, 5)
    await wrong(api, 5, "Ana@Example.COM")
    assert await mails(database, Template.WRONG_PASSWORDS) == []

    await wrong(api, 40)

    text = await text_of(database, Template.WRONG_PASSWORDS)
    assert "more than 10 wrong passwords" in text
    assert "at most once a day" in text
    assert (await mails(database, Template.WRONG_PASSWORDS))[0]["to"] == "ana@example.com"


async def age(database: asyncpg.Connection, by: timedelta) -> None:
    """Let what was recorded of wrong passwords be older."""
    await database.execute(
        """UPDATE wrong_passwords SET "mailedAt" = "mailedAt" - $1::interval,
            times = ARRAY(SELECT time - $1::interval FROM unnest(times) time)""",
        by,
    )


@pytest.mark.usefixtures("ana")
async def test_the_next_mail_comes_a_day_later_at_the_earliest(
    api: Api, database: asyncpg.Connection
) -> None:
    await wrong(api, 11)
    await age(database, timedelta(hours=23))
    await wrong(api, 30)
    assert len(await mails(database, Template.WRONG_PASSWORDS)) == 1

    await age(database, timedelta(hours=2))
    await wrong(api, 1)

    assert len(await mails(database, Template.WRONG_PASSWORDS)) == 2


@pytest.mark.usefixtures("ana")
async def test_only_wrong_passwords_of_the_last_day_count(api: Api, database: asyncpg.Connection) -> None:
    await wrong(api, 10)
    await age(database, timedelta(hours=25))

    await wrong(api, 10)
    assert await mails(database, Template.WRONG_PASSWORDS) == []
    await age(database, timedelta(hours=23))
    await wrong(api, 1)

    assert len(await mails(database, Template.WRONG_PASSWORDS)) == 1


async def test_an_address_without_an_account_or_with_an_inactive_one_gets_no_mail(
    api: Api, database: asyncpg.Connection, ana: str
) -> None:
    """The same rows are written for it, so that the time reveals nothing."""
    await database.execute('UPDATE users SET "isActive" = false')
    for email in ("ana@example.com", "unknown@example.com"):
        await wrong(api, 12, email)

    assert await mails(database, Template.WRONG_PASSWORDS) == []
    rows = await database.fetch('SELECT cardinality(times), "mailedAt" IS NULL FROM wrong_passwords')
    assert [tuple(row) for row in rows] == [(1, False)] * 2


async def test_guesses_in_a_stolen_session_and_in_registrations_count_too(
    api: Api, database: asyncpg.Connection, ana: str
) -> None:
    for _ in range(5):
        assert (await confirm(api, ana, password="wrong"))["__typename"] == "WrongCredentials"
    await wrong(api, 5)
    key = await database.fetchval("SELECT key FROM beta_keys")
    nit = await database.fetchval("SELECT nit FROM tenants")
    form = registration(str(key), email="ana@example.com", nit=nit, password="Wr0ng!secret")
    assert (await api.register(form))["__typename"] == "BetaKeyRejected"

    assert len(await mails(database, Template.WRONG_PASSWORDS)) == 1


# New passwords


async def test_an_operator_hears_that_another_one_has_reset_the_password(
    api: Api, database: asyncpg.Connection
) -> None:
    one, two = [await hire(database, None, "SUPER_ADMIN") for _ in range(2)]

    assert (await act(api, one, "resetOperatorPassword", two.id))["__typename"] == "Accepted"

    assert [mail["recipient"] for mail in await mailed(database, "password_changed")] == [two.email]


async def test_a_user_whom_the_terminal_makes_an_operator_hears_of_the_new_password(
    api: Api, database: asyncpg.Connection
) -> None:
    person = await hire(database, None, "ADMIN")

    printed("operators", "add", person.email, "--password-stdin", typed=f"{PASSWORD}\n")

    assert [mail["recipient"] for mail in await mailed(database, "password_changed")] == [person.email]
