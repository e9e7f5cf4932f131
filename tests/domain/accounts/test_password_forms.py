"""A password is the same in every composition of its characters, wherever it is set or checked."""

import unicodedata

import asyncpg
import pytest

from api.domain.accounts import passwords
from api.domain.errors import Problem
from api.domain.password_rules import new_password
from tests.cli.commands import printed
from tests.domain.accounts.codes import code_for_reset, reset
from tests.domain.accounts.test_password_change import change
from tests.domain.tenants.business import CREATE, new_staff
from tests.support import Api, Settings, hire, issue_key, registration

pytestmark = pytest.mark.anyio

NFC = "Contrase\u00f1a-larga1!"
NFD = "Contrasen\u0303a-larga1!"


def other(typed: str) -> str:
    return NFC if typed == NFD else NFD


async def test_each_place_that_sets_a_password_sets_the_same(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMITS="off")
    for typed in (NFC, NFD):
        form = registration(await issue_key(database), password=typed)
        token = (await api.register(form))["accessToken"]
        again = await api.register({**form, "password": other(typed)})
        assert again["__typename"] == "Registration"
        assert (await api.login(form["email"], other(typed)))["__typename"] == "SignedIn"

        assert (await change(api, token, other(typed), f"2{typed}"))["__typename"] == "Done"
        assert (await api.login(form["email"], f"2{other(typed)}"))["__typename"] == "SignedIn"

        code = await code_for_reset(api, database, form["email"])
        assert (await reset(api, form["email"], code, f"3{typed}"))["__typename"] == "Done"
        assert (await api.login(form["email"], f"3{other(typed)}"))["__typename"] == "SignedIn"

        admin = await hire(database, again["tenant"]["id"], "ADMIN")
        staff = new_staff(email=f"staff{len(typed)}@example.com", password=typed)
        created = (await api.data(CREATE, admin.token, i=staff))["createStaff"]
        assert created["__typename"] == "User", created
        assert (await api.login(staff["email"], other(typed)))["__typename"] == "SignedIn"


async def test_the_password_of_an_operator_is_read_in_any_form(
    api: Api, database: asyncpg.Connection
) -> None:
    """PowerShell writes a byte order mark before what it pipes."""
    printed("operators", "add", "eva@example.com", "--password-stdin", typed=f"\ufeff{NFD}\r\n")

    assert (await api.login("eva@example.com", NFC))["__typename"] == "SignedIn"


async def test_a_hash_of_the_typed_form_still_verifies_and_is_made_anew(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database), password=NFC)
    await api.register(form)
    raw = passwords._HASHES.hash(NFD)

    for enter in (
        lambda: api.login(form["email"], NFD),
        lambda: api.register({**form, "password": NFD}),
    ):
        await database.execute("UPDATE users SET password = $1", raw)
        assert (await api.login(form["email"], NFC))["__typename"] == "WrongCredentials"
        assert (await enter())["__typename"] in ("SignedIn", "Registration")
        assert (await api.login(form["email"], NFC))["__typename"] == "SignedIn"
        assert await database.fetchval("SELECT password <> $1 FROM users", raw)


async def test_a_password_is_neither_trimmed_nor_folded(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database), password=" Ｃontraseña-larga\u30001! ")
    await api.register(form)

    wrong = (
        " Contraseña-larga 1! ",
        "Ｃontraseña-larga 1!",
        " ｃontraseña-larga 1! ",
        " Ｃontraseña-larga1! ",
    )
    for password in wrong:
        assert (await api.login(form["email"], password))["__typename"] == "WrongCredentials", password
    # RFC 8265 maps the spaces of other scripts to the plain one.
    assert (await api.login(form["email"], " Ｃontraseña-larga 1! "))["__typename"] == "SignedIn"


@pytest.mark.parametrize(
    "typed",
    ["Sup3r!secret\x00", "Sup3r!\tsecret", "Sup3r!se\u200bcret", "Sup3r!\ufeffsecret", "Sup3r!\u3164secret"],
)
def test_a_new_password_has_no_invisible_characters(typed: str) -> None:
    with pytest.raises(Problem, match="INVALID_CHARACTERS"):
        new_password(typed)


def test_the_rules_count_the_normal_form() -> None:
    longest = ("ñañeco-" * 18)[:124] + "Xk9!"
    assert new_password(unicodedata.normalize("NFD", longest))
    with pytest.raises(Problem, match="TOO_SHORT"):
        new_password("Aa1!n\u0303n\u0303x")
    with pytest.raises(Problem, match="TOO_LONG"):
        new_password(f"{longest}x")
    assert new_password("perros y gatos😀")
