"""The second factor of operators: required, optional or off; set up and reset at a terminal too."""

import os
import re
import sys

import asyncpg
import pytest

from api.cli.operators import _print_qr_code
from tests.account_acts import code_now, turn_on
from tests.cli.commands import failure, printed
from tests.commands import Command
from tests.domain.accounts.codes import mailed
from tests.domain.accounts.second_factors.factors import (
    STATE,
    challenge_of,
    secret_of,
    set_up,
    sign_in,
    unused_code,
    verify,
)
from tests.support import PASSWORD, Api, Settings, hire

pytestmark = pytest.mark.anyio

EMAIL = "op@example.com"

KEYS = "{ betaKeys { totalCount } }"


@pytest.fixture
async def new_operator(database: asyncpg.Connection) -> str:
    """The email of an operator who has not signed in yet."""
    printed("operators", "add", EMAIL, "--password-stdin", typed=f"{PASSWORD}\n")
    return EMAIL


async def test_a_required_second_factor_is_set_up_before_anything_else(
    api: Api, database: asyncpg.Connection, new_operator: str, settings: Settings
) -> None:
    token = (await sign_in(api, EMAIL))["accessToken"]
    await api.data(KEYS, token)

    settings(OPERATOR_SECOND_FACTOR="required")

    answer = await sign_in(api, EMAIL)
    assert (answer["__typename"], answer["mustSetUpSecondFactor"]) == ("SignedIn", True)
    for one in (token, answer["accessToken"]):
        (error,) = (await api.post(KEYS, one, "es"))["errors"]
        assert error["extensions"] == {"code": "FORBIDDEN"}
        assert "configure un segundo factor" in error["message"]
        rest = await api.http.get("/api/beta-keys", headers={"authorization": f"Bearer {one}"})
        assert (rest.status_code, rest.json()["code"]) == (403, "FORBIDDEN")
        assert (await api.viewer(one))["email"] == EMAIL
    secret, recovery = await set_up(api, answer["accessToken"])
    await api.data(KEYS, answer["accessToken"])
    state = {"isOn": True, "isRequired": True, "recoveryCodesLeft": 10}
    assert (await api.data(STATE, answer["accessToken"]))["secondFactor"] == state
    off = "mutation($c: String!) { turnOffSecondFactor(code: $c) { __typename ... on Error { message } } }"
    refused = (await api.data(off, answer["accessToken"], c=recovery[0]))["turnOffSecondFactor"]
    assert "cannot be turned off" in refused["message"]
    signed_in = await verify(api, await challenge_of(api, EMAIL), await unused_code(database, secret))
    await api.data(KEYS, signed_in["accessToken"])


async def test_staff_need_none_and_off_spares_operators(
    api: Api, database: asyncpg.Connection, new_operator: str, settings: Settings
) -> None:
    cashier = await hire(database, None, "CASHIER")
    token = (await sign_in(api, EMAIL))["accessToken"]
    await set_up(api, token)

    settings(OPERATOR_SECOND_FACTOR="off")
    assert (await sign_in(api, EMAIL))["__typename"] == "SignedIn"
    other = await hire(database, None, "SUPER_ADMIN")
    start = "mutation { startSecondFactor { __typename } }"
    assert (await api.data(start, other.token))["startSecondFactor"]["__typename"] == "Conflict"
    settings(OPERATOR_SECOND_FACTOR="required")
    await api.data("{ sessions { id } }", cashier.token)
    assert not (await api.data(STATE, cashier.token))["secondFactor"]["isRequired"]
    await set_up(api, cashier.token)


async def test_another_operator_resets_a_lost_one(
    api: Api, database: asyncpg.Connection, new_operator: str, operator: str
) -> None:
    token = (await sign_in(api, EMAIL))["accessToken"]
    await set_up(api, token)
    listed = (await api.data("{ operators { id email hasSecondFactor } }", operator))["operators"]
    lost = next(user for user in listed if user["email"] == EMAIL)
    assert [user["hasSecondFactor"] for user in listed] == [user is lost for user in listed]
    reset = "mutation($id: ID!) { resetSecondFactor(userId: $id) { __typename ... on Error { message } } }"

    own = (await api.data(reset, token, id=lost["id"]))["resetSecondFactor"]
    assert "your own account" in own["message"]
    assert (await api.data(reset, operator, id=lost["id"]))["resetSecondFactor"]["__typename"] == "Done"
    assert (await api.data(reset, operator, id=lost["id"]))["resetSecondFactor"]["__typename"] == "Conflict"

    assert await api.viewer(token) is None
    assert (await sign_in(api, EMAIL))["__typename"] == "SignedIn"
    assert [mail["recipient"] for mail in await mailed(database, "second_factor_off")] == [EMAIL]


async def test_it_is_set_up_and_reset_at_a_terminal(
    api: Api, database: asyncpg.Connection, new_operator: str
) -> None:
    token = (await sign_in(api, EMAIL))["accessToken"]

    lines = _set_up_by_command(EMAIL)

    assert len([line for line in lines if re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", line)]) == 10
    assert await api.viewer(token) is None
    assert (await verify(api, await challenge_of(api, EMAIL), lines[-1]))["__typename"] == "SignedIn"
    assert "has a second factor" in failure("operators", "second-factor", EMAIL)
    assert "has no second factor any more" in printed("operators", "reset-second-factor", EMAIL)
    assert (await sign_in(api, EMAIL))["__typename"] == "SignedIn"
    assert "has no second factor" in failure("operators", "reset-second-factor", EMAIL)

    cashier = await hire(database, None, "CASHIER")
    assert "not found" in failure("operators", "reset-second-factor", cashier.email)
    await turn_on(database, cashier.email)
    assert printed("users", "reset-second-factor", cashier.email).endswith("no second factor any more\n")
    assert "has no second factor" in failure("users", "reset-second-factor", cashier.email)
    assert "not found" in failure("users", "reset-second-factor", "nobody@example.com")


def _set_up_by_command(email: str) -> list[str]:
    """Run `gatehouse operators second-factor`, and type the code of the secret that it prints."""
    typed, standard_input = os.pipe()
    standard_output, printed_to = os.pipe()
    with open(typed, "rb") as stdin, open(printed_to, "wb") as stdout, open(os.devnull, "wb") as stderr:
        command = Command(
            ["gatehouse", "operators", "second-factor", email], {**os.environ}, (stdin, stdout, stderr)
        )
    with open(standard_output) as output, open(standard_input, "w") as keyboard:
        address = output.readline().strip()
        secret = output.readline().removeprefix("secret: ").strip()
        assert secret == secret_of(address)
        keyboard.write(f"{code_now(secret)}\n")
        keyboard.flush()
        lines = output.read().splitlines()
    assert command.wait(30) == 0
    return lines


def test_a_terminal_shows_the_qr_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    _print_qr_code("otpauth://totp/Gatehouse:op%40example.com?secret=ABC")

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 15
    assert any("█" in line for line in lines)
