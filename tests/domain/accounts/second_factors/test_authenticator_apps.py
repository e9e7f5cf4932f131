"""Authenticator apps and recovery codes: set up by each user, asked for at sign-in, accepted once."""

import asyncio
import base64
import os
import re

import pytest
from asyncpg import Connection

from tests.account_acts import code_now
from tests.domain.accounts.codes import code_for_reset, mailed, reset
from tests.domain.accounts.second_factors.factors import (
    CONFIRM,
    START,
    STATE,
    challenge_of,
    forget_steps,
    secret_of,
    set_up,
    sign_in,
    unused_code,
    used_code,
    verify,
    wrong_code,
)
from tests.support import PASSWORD, Api, Settings, hire, issue_key, registration

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ana(api: Api, database: Connection) -> tuple[str, str]:
    """The email and the token of an owner."""
    form = registration(await issue_key(database))
    return form["email"], (await api.register(form))["accessToken"]


async def actions(database: Connection) -> list[str]:
    rows = await database.fetch(
        "SELECT action FROM audit_events WHERE action LIKE 'second_factor.%' ORDER BY at, id"
    )
    return [row["action"].removeprefix("second_factor.") for row in rows]


async def test_a_user_sets_an_app_up_and_signs_in_with_it(
    api: Api, database: Connection, ana: tuple[str, str]
) -> None:
    email, token = ana
    other = (await sign_in(api, email))["accessToken"]
    started = (await api.data(START, token))["startSecondFactor"]
    assert started["secret"] == secret_of(started["address"])
    assert started["qrCode"].startswith("<svg")
    assert email.replace("@", "%40") in started["address"]
    again = (await api.data(START, token))["startSecondFactor"]
    assert (await api.data(CONFIRM, token, c=code_now(started["secret"])))["confirmSecondFactor"][
        "code"
    ] == "WRONG_CODE"
    assert (await sign_in(api, email))["__typename"] == "SignedIn", "not on before it is confirmed"

    confirmed = await api.data(
        CONFIRM, token, c=f" {code_now(again['secret'])[:3]} {code_now(again['secret'])[3:]}"
    )
    codes = confirmed["confirmSecondFactor"]["codes"]

    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", code) for code in codes)
    assert await api.viewer(other) is None, "a session of before, without the second factor"
    state = {"isOn": True, "isRequired": False, "recoveryCodesLeft": 10}
    assert (await api.data(STATE, token))["secondFactor"] == state
    assert (await api.data(START, token))["startSecondFactor"]["__typename"] == "Conflict"
    challenge = await challenge_of(api, email)
    assert (await verify(api, challenge, await unused_code(database, again["secret"])))["user"][
        "email"
    ] == email
    assert await actions(database) == ["started", "started", "refused", "turned_on"]
    assert [mail["recipient"] for mail in await mailed(database, "second_factor_on")] == [email]
    opened = await database.fetchval(
        """SELECT detail->>'secondFactor' FROM audit_events
            WHERE action = 'session.opened' ORDER BY at DESC LIMIT 1"""
    )
    assert opened == "AUTHENTICATOR_APP"


async def test_each_code_is_accepted_once(api: Api, database: Connection, ana: tuple[str, str]) -> None:
    """Also when it is sent twice at the same time, and in another challenge."""
    email, token = ana
    secret, recovery = await set_up(api, token)
    challenge = await challenge_of(api, email)

    assert (await verify(api, challenge, await used_code(database, secret)))["code"] == "WRONG_CODE"
    for code in (
        f"Código: *{await unused_code(database, secret)}*",
        f"Recovery code: {recovery[0].lower().replace('-', ' ')}.",
    ):
        challenges = [await challenge_of(api, email) for _ in range(5)]
        answers = await asyncio.gather(*(verify(api, one, code) for one in challenges))
        kinds = sorted(answer["__typename"] for answer in answers)
        assert kinds == ["SignedIn", "WrongCode", "WrongCode", "WrongCode", "WrongCode"], code
    assert (await verify(api, await challenge_of(api, email), recovery[0]))["code"] == "WRONG_CODE"
    assert (
        await api.data(STATE, (await verify(api, await challenge_of(api, email), recovery[1]))["accessToken"])
    )["secondFactor"]["recoveryCodesLeft"] == 8


async def test_a_challenge_is_valid_for_one_use_five_tries_ten_minutes_and_the_same_password(
    api: Api, database: Connection, ana: tuple[str, str]
) -> None:
    email, token = ana
    secret, recovery = await set_up(api, token)
    used, tried, expired, stale = [await challenge_of(api, email) for _ in range(4)]

    assert (await verify(api, used, recovery[0]))["__typename"] == "SignedIn"
    assert "sign in again" in (await verify(api, used, recovery[1]))["message"]
    guesses = await asyncio.gather(*(verify(api, tried, wrong_code(secret)) for _ in range(7)))
    assert ["sign in again" in guess["message"] for guess in guesses].count(True) == 2
    assert "sign in again" in (await verify(api, tried, recovery[1]))["message"]
    await database.execute(
        """UPDATE one_time_codes SET "expiresAt" = now() WHERE purpose = 'SECOND_FACTOR' AND attempts = 0
            AND id = (SELECT id FROM one_time_codes WHERE attempts = 0 ORDER BY "createdAt" LIMIT 1)"""
    )
    assert "sign in again" in (await verify(api, expired, recovery[1]))["message"]
    await reset(api, email, await code_for_reset(api, database, email))
    assert "sign in again" in (await verify(api, stale, recovery[1]))["message"]
    for unknown in ("", "x", "x" * 43, f"{stale[:-1]}x", "ñ" * 43):
        assert (await verify(api, unknown, recovery[1]))["code"] == "WRONG_CODE"
    assert (await sign_in(api, email, "N3w!secret"))["__typename"] == "SecondFactorRequired"


async def test_wrong_codes_are_limited_and_recorded(
    api: Api, database: Connection, ana: tuple[str, str], settings: Settings
) -> None:
    email, token = ana
    secret, recovery = await set_up(api, token)
    settings(RATE_LIMITS="on", RATE_LIMIT_LOGIN="100/minute")

    challenges = [await challenge_of(api, email) for _ in range(3)]
    answers = [await verify(api, challenges[n // 4], wrong_code(secret)) for n in range(8)]

    assert [answer["code"] for answer in answers] == ["WRONG_CODE"] * 5 + ["RATE_LIMITED"] * 3
    assert (await verify(api, challenges[2], recovery[0]))["code"] == "RATE_LIMITED"
    assert (await actions(database)).count("refused") == 5
    assert (await sign_in(api, email))["__typename"] == "SecondFactorRequired", "the password is not shut"


async def test_other_ways_to_a_session_ask_for_it_too(api: Api, database: Connection) -> None:
    """A registration that is sent again, and REST, which has no way to verify it, in both languages."""
    form = registration(await issue_key(database))
    await set_up(api, (await api.register(form))["accessToken"])

    again = await api.register(form)
    rest = await api.http.post(
        "/api/auth/login",
        json={"email": form["email"], "password": PASSWORD},
        headers={"accept-language": "es"},
    )

    assert again["__typename"] == again["code"].title().replace("_", "") == "SecondFactorRequired"
    assert "application that supports this" in again["message"]
    assert (rest.status_code, rest.json()["code"]) == (403, "SECOND_FACTOR_REQUIRED")
    assert "segundo factor" in rest.json()["message"]
    assert "accessToken" not in rest.text


async def test_it_is_turned_off_with_a_code_only(
    api: Api, database: Connection, ana: tuple[str, str]
) -> None:
    email, token = ana
    secret, recovery = await set_up(api, token)
    off = "mutation($c: String!) { turnOffSecondFactor(code: $c) { __typename } }"
    renew = "mutation($c: String!) { renewRecoveryCodes(code: $c) { ... on RecoveryCodes { codes } } }"

    assert (await api.data(off, token, c=wrong_code(secret)))["turnOffSecondFactor"] == {
        "__typename": "WrongCode"
    }
    renewed = (await api.data(renew, token, c=recovery[0]))["renewRecoveryCodes"]["codes"]
    assert (await api.data(off, token, c=recovery[1]))["turnOffSecondFactor"] == {"__typename": "WrongCode"}
    assert (await api.data(off, token, c=renewed[0]))["turnOffSecondFactor"] == {"__typename": "Done"}

    assert (await sign_in(api, email))["__typename"] == "SignedIn"
    assert await database.fetchval("SELECT count(*) FROM recovery_codes") == 0
    assert await database.fetchval("SELECT count(*) FROM authenticator_apps") == 0
    assert (await actions(database))[-1] == "turned_off"
    assert len(await mailed(database, "second_factor_off")) == 1


async def test_the_database_has_no_recovery_code_and_with_a_key_no_secret(
    api: Api, database: Connection, ana: tuple[str, str], settings: Settings
) -> None:
    """A key can be replaced: secrets of before are still read, and also those from before there was a key."""
    email, token = ana
    old, new = [base64.b64encode(os.urandom(32)).decode() for _ in range(2)]
    settings(SECOND_FACTOR_KEYS=old)
    secret, recovery = await set_up(api, token)
    rows = str(await database.fetch("SELECT * FROM authenticator_apps")) + str(
        await database.fetch("SELECT * FROM recovery_codes")
    )
    assert secret not in rows
    assert not [code for code in recovery if code in rows or code.replace("-", "") in rows]

    settings(SECOND_FACTOR_KEYS=f"{new},{old}")
    challenge = await challenge_of(api, email)
    assert (await verify(api, challenge, await unused_code(database, secret)))["__typename"] == "SignedIn"

    settings(SECOND_FACTOR_KEYS=new)
    answer = await api.post(
        "mutation($i: VerifySecondFactorInput!) { verifySecondFactor(input: $i) { __typename } }",
        i={"challenge": await challenge_of(api, email), "code": code_now(secret, 1)},
    )
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"

    await database.execute("UPDATE authenticator_apps SET secret = $1", f"plain:{secret}")
    await forget_steps(database)
    assert (await verify(api, await challenge_of(api, email), code_now(secret)))["__typename"] == "SignedIn"


async def test_the_window_is_one_step_around_the_clock_of_the_database(
    api: Api, database: Connection, ana: tuple[str, str]
) -> None:
    email, token = ana
    secret, _ = await set_up(api, token)
    # Not at the end of a step, where the next request falls into the next one.
    while await database.fetchval("SELECT extract(epoch FROM now())::numeric % 30 > 20"):
        await asyncio.sleep(0.5)

    accepted: dict[int, str] = {}
    for later in (-2, -1, 0, 1, 2):
        await forget_steps(database)
        answer = await verify(api, await challenge_of(api, email), code_now(secret, later))
        accepted[later] = answer["__typename"]

    assert [later for later, kind in accepted.items() if kind == "SignedIn"] == [-1, 0, 1]


async def test_colleagues_do_not_see_who_has_none(
    api: Api, database: Connection, ana: tuple[str, str], operator: str
) -> None:
    _, token = ana
    await set_up(api, token)
    tenant = (await api.viewer(token))["tenant"]["id"]
    cashier = await hire(database, tenant, "CASHIER")
    shown = "query($id: ID!) { tenant(id: $id) { staff { edges { node { hasSecondFactor } } } } }"

    async def seen(who: str) -> list[bool | None]:
        edges = (await api.data(shown, who, id=tenant))["tenant"]["staff"]["edges"]
        return [edge["node"]["hasSecondFactor"] for edge in edges]

    assert await seen(token) == [True, None]
    assert await seen(cashier.token) == [None, False]
    assert await seen(operator) == [True, False]
