"""Passkeys: added by each user, a second factor beside the app, bound to their origin, user and challenge."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from asyncpg import Connection

from api.domain.accounts.passkeys import relying_party
from tests.account_acts import code_now
from tests.authenticator import ORIGIN, RP_ID, USER_PRESENT, Device, encode
from tests.cli.commands import printed
from tests.domain.accounts.codes import mailed
from tests.domain.accounts.second_factors.factors import set_up, sign_in, verify
from tests.support import PASSWORD, Api, Settings, hire, issue_key, registration

pytestmark = pytest.mark.anyio

START = """
mutation { startPasskeyRegistration { __typename ... on PasskeyOptions { options }
  ... on Error { code message } } }
"""

FINISH = """
mutation($i: FinishPasskeyRegistrationInput!) { finishPasskeyRegistration(input: $i) { __typename
  ... on PasskeyAdded { passkey { id name lastUsedAt } recoveryCodes } ... on Error { code message } } }
"""

CONFIRMATION = """
mutation { startPasskeyConfirmation { __typename ... on PasskeyOptions { options } ... on Error { code } } }
"""

CONFIRM_IDENTITY = """
mutation($i: ConfirmIdentityInput!) { confirmIdentity(input: $i) { __typename
  ... on Error { code message } } }
"""

REMOVE = """
mutation($i: RemovePasskeyInput!) { removePasskey(input: $i) { __typename ... on Error { code message } } }
"""

SIGN_IN = """
mutation($i: LoginInput!) { login(input: $i) { __typename
  ... on SecondFactorRequired { challenge passkeyOptions } ... on SignedIn { accessToken } } }
"""

VERIFY = """
mutation($i: VerifySecondFactorInput!) { verifySecondFactor(input: $i) { __typename
  ... on SignedIn { accessToken user { email } } ... on Error { code message } } }
"""

STATE = "{ secondFactor { isOn recoveryCodesLeft passkeys { id name lastUsedAt } } }"


@pytest.fixture(autouse=True)
def _public_url(settings: Settings) -> None:
    settings(PUBLIC_URL=ORIGIN)


class Person:
    """A signed-in user, and the acts that they do with passkeys."""

    def __init__(self, api: Api, email: str, token: str) -> None:
        self.api, self.email, self.token = api, email, token

    async def creation_options(self) -> str:
        return (await self.api.data(START, self.token))["startPasskeyRegistration"]["options"]

    async def finish(self, response: str, name: str = "Phone") -> Any:
        answer = await self.api.data(FINISH, self.token, i={"passkey": response, "name": name})
        return answer["finishPasskeyRegistration"]

    async def add(self, device: Device, name: str = "Phone") -> Any:
        added = await self.finish(device.create(await self.creation_options()), name)
        assert added["__typename"] == "PasskeyAdded", added
        return added

    async def login(self) -> Any:
        credentials = {"email": self.email, "password": PASSWORD}
        return (await self.api.data(SIGN_IN, i=credentials))["login"]

    async def verify(self, asked: Any, response: str) -> Any:
        proof = {"challenge": asked["challenge"], "passkey": response}
        return (await self.api.data(VERIFY, i=proof))["verifySecondFactor"]

    async def sign_in(self, device: Device) -> Any:
        asked = await self.login()
        return await self.verify(asked, device.get(asked["passkeyOptions"]))

    async def confirmation_options(self) -> str:
        return (await self.api.data(CONFIRMATION, self.token))["startPasskeyConfirmation"]["options"]

    async def confirm(self, response: str) -> Any:
        return (await self.api.data(CONFIRM_IDENTITY, self.token, i={"passkey": response}))["confirmIdentity"]

    async def remove(self, passkey_id: str, **proof: str) -> Any:
        return (await self.api.data(REMOVE, self.token, i={"id": passkey_id, **proof}))["removePasskey"]

    async def state(self) -> Any:
        return (await self.api.data(STATE, self.token))["secondFactor"]


@pytest.fixture
async def ana(api: Api, database: Connection) -> Person:
    form = registration(await issue_key(database), email="ana@example.com")
    return Person(api, form["email"], (await api.register(form))["accessToken"])


async def actions(database: Connection) -> list[str]:
    rows = await database.fetch(
        "SELECT action FROM audit_events WHERE action LIKE 'second_factor.%' ORDER BY at, id"
    )
    return [row["action"].removeprefix("second_factor.") for row in rows]


# Adding and signing in


async def test_the_first_passkey_turns_the_second_factor_on(
    api: Api, database: Connection, ana: Person
) -> None:
    """Other sessions end, recovery codes are shown once, and the person gets a mail."""
    other = (await sign_in(api, ana.email))["accessToken"]
    device = Device(count=0)
    options = json.loads(await ana.creation_options())
    assert options["rp"] == {"name": "Gatehouse", "id": RP_ID}
    assert options["authenticatorSelection"]["userVerification"] == "required"

    added = await ana.add(device)

    assert len(added["recoveryCodes"]) == 10
    assert (await ana.state())["passkeys"] == [added["passkey"]]
    assert await api.viewer(other) is None
    assert [mail["recipient"] for mail in await mailed(database, "second_factor_on")] == [ana.email]
    assert set(await actions(database)) == {"started", "passkey_added", "turned_on"}
    signed_in = await ana.sign_in(device)
    assert signed_in["user"] == {"email": ana.email}
    assert (await ana.state())["passkeys"][0]["lastUsedAt"] is not None
    events = await database.fetch("SELECT detail->>'secondFactor' AS how FROM audit_events")
    assert "PASSKEY" in {event["how"] for event in events}
    asked = await ana.login()
    assert (await verify(api, asked["challenge"], added["recoveryCodes"][0]))["__typename"] == "SignedIn"


async def test_a_second_passkey_shows_no_codes_and_is_mailed(database: Connection, ana: Person) -> None:
    phone, laptop = Device(), Device()
    await ana.add(phone)
    excluded = json.loads(await ana.creation_options())["excludeCredentials"]
    assert [one["id"] for one in excluded] == [encode(phone.credential_id)]

    added = await ana.add(laptop, "Laptop")

    assert added["recoveryCodes"] == []
    assert [passkey["name"] for passkey in (await ana.state())["passkeys"]] == ["Phone", "Laptop"]
    assert [mail["recipient"] for mail in await mailed(database, "passkeys_changed")] == [ana.email]
    for device in (phone, laptop, phone):
        assert (await ana.sign_in(device))["__typename"] == "SignedIn"


async def test_an_app_and_a_passkey_work_side_by_side(api: Api, database: Connection, ana: Person) -> None:
    """Removing the last passkey leaves the app, so the second factor stays on."""
    secret, _ = await set_up(api, ana.token)
    device = Device()
    added = await ana.add(device)
    assert added["recoveryCodes"] == []
    await database.execute('UPDATE authenticator_apps SET "lastUsedStep" = NULL')

    asked = await ana.login()
    assert (await verify(api, asked["challenge"], code_now(secret)))["__typename"] == "SignedIn"
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"
    response = device.get(await ana.confirmation_options())
    assert (await ana.remove(added["passkey"]["id"], passkey=response))["__typename"] == "Done"

    assert (await ana.state())["isOn"]
    assert (await ana.login())["passkeyOptions"] is None


async def test_removing_the_last_one_turns_the_second_factor_off(database: Connection, ana: Person) -> None:
    added = await ana.add(Device())

    removed = await ana.remove(added["passkey"]["id"], code=added["recoveryCodes"][0])

    assert removed["__typename"] == "Done"
    assert await ana.state() == {"isOn": False, "recoveryCodesLeft": 0, "passkeys": []}
    assert (await ana.login())["__typename"] == "SignedIn"
    assert [mail["recipient"] for mail in await mailed(database, "second_factor_off")] == [ana.email]


async def test_a_proof_is_needed_to_remove_renew_and_turn_off(ana: Person) -> None:
    device = Device()
    added = await ana.add(device)
    renew = "mutation($p: String) { renewRecoveryCodes(passkey: $p) { __typename } }"
    turn_off = "mutation($p: String) { turnOffSecondFactor(passkey: $p) { __typename } }"
    for document in (renew, turn_off):
        (answer,) = (await ana.api.data(document, ana.token)).values()
        assert answer["__typename"] == "WrongCode"
    assert (await ana.remove(added["passkey"]["id"]))["code"] == "WRONG_CODE"

    for document, kind in ((renew, "RecoveryCodes"), (turn_off, "Done")):
        response = device.get(await ana.confirmation_options())
        (answer,) = (await ana.api.data(document, ana.token, p=response)).values()
        assert answer["__typename"] == kind
    assert not (await ana.state())["isOn"]


async def test_a_passkey_confirms_the_identity_once(database: Connection, ana: Person) -> None:
    device = Device()
    await ana.add(device)
    await database.execute("""UPDATE sessions SET "createdAt" = now() - interval '11 minutes'""")
    assert (await ana.api.data(START, ana.token))["startPasskeyRegistration"]["code"] == "STEP_UP_REQUIRED"
    response = device.get(await ana.confirmation_options())

    assert (await ana.confirm(response))["__typename"] == "IdentityConfirmed"
    assert (await ana.confirm(response))["code"] == "WRONG_CODE"
    assert json.loads(await ana.creation_options())["rp"]["id"] == RP_ID


# What is refused at sign-in


def signed_by(**changes: Any) -> Callable[[Device, str], str]:
    return lambda device, options: device.with_changes(**changes).get(options)


WRONG: dict[str, Callable[[Device, str], str]] = {
    "another origin": signed_by(origin="https://beta.example.com.evil.example"),
    "another port": signed_by(origin=f"{ORIGIN}:8443"),
    "no TLS": signed_by(origin="http://beta.example.com"),
    "another relying party": signed_by(rp_id="example.com"),
    "an unverified user": signed_by(flags=USER_PRESENT),
    "an absent user": signed_by(flags=0),
    "another key": lambda device, options: Device(credential_id=device.credential_id).get(options),
    "an unknown passkey": lambda _, options: Device().get(options),
    "another user's handle": lambda device, options: device.get(options, bytes(16)),
    "another challenge": lambda device, options: device.get(
        json.dumps({**json.loads(options), "challenge": encode(bytes(32))})
    ),
    "a new passkey": lambda device, options: device.create(options),
    "no JSON": lambda _device, _options: "{",
    "nothing": lambda _device, _options: "",
    "a long text": lambda _device, _options: "[" * 30_000,
    "a wrong shape": lambda _device, _options: '{"id": 1, "response": []}',
    "two ids": lambda device, options: device.get(options).replace('"rawId": "', '"rawId": "AAAA'),
}


@pytest.mark.parametrize("reason", WRONG)
async def test_a_wrong_response_opens_no_session(
    database: Connection, ana: Person, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    """It is recorded, and the log says why; the right response is accepted after it."""
    caplog.set_level(logging.INFO)
    device = Device()
    await ana.add(device)
    asked = await ana.login()

    refused = await ana.verify(asked, WRONG[reason](device, asked["passkeyOptions"]))

    assert refused["__typename"] == "WrongCode", refused
    assert refused["message"].startswith("This passkey was not accepted.")
    assert (await actions(database))[-1] == "refused"
    right = await ana.verify(asked, device.get(asked["passkeyOptions"]))
    assert right["__typename"] == "SignedIn"


async def test_a_response_is_accepted_once_also_without_a_count(database: Connection, ana: Person) -> None:
    """Of ten at once too; and it does not continue another sign-in of the same user."""
    device = Device(count=None)
    await ana.add(device)
    asked = await ana.login()
    response = device.get(asked["passkeyOptions"])

    answers = await asyncio.gather(*(ana.verify(asked, response) for _ in range(5)))

    assert sorted(answer["__typename"] for answer in answers) == ["SignedIn"] + ["WrongCode"] * 4
    assert await database.fetchval('SELECT count(*) FROM sessions WHERE "revokedAt" IS NULL') == 2
    assert (await ana.verify(asked, response))["__typename"] == "WrongCode"
    assert (await ana.verify(await ana.login(), response))["__typename"] == "WrongCode"


@pytest.mark.parametrize(("later", "accepted"), [(-2, False), (-1, False), (0, True), (100, True)])
async def test_the_count_of_signatures_must_rise(ana: Person, later: int, accepted: bool) -> None:
    """A copy of the device would count from the same number."""
    device = Device(count=10)
    await ana.add(device)
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"

    copy = device.with_changes(count=10 + later)

    answer = await ana.sign_in(copy)
    assert answer["__typename"] == ("SignedIn" if accepted else "WrongCode")


async def test_the_passkey_of_another_user_is_refused(api: Api, database: Connection, ana: Person) -> None:
    form = registration(await issue_key(database), email="eva@example.com")
    eva = Person(api, form["email"], (await api.register(form))["accessToken"])
    device, hers = Device(), Device()
    await ana.add(device)
    passkey = (await eva.add(hers))["passkey"]

    asked = await ana.login()
    assert (await ana.verify(asked, hers.get(asked["passkeyOptions"])))["__typename"] == "WrongCode"
    # Nor does an answer of hers to her own challenge confirm another session.
    response = hers.get(await eva.confirmation_options())
    assert (await ana.confirm(response))["__typename"] == "WrongCode"
    proof = device.get(await ana.confirmation_options())
    assert (await ana.remove(passkey["id"], passkey=proof))["code"] == "NOT_FOUND"
    # Nor can she register his.
    answer = await eva.finish(device.create(await eva.creation_options()))
    assert answer["code"] == "CONFLICT"
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"


async def test_a_sign_in_expires_by_the_clock_of_the_database(database: Connection, ana: Person) -> None:
    device = Device()
    await ana.add(device)
    asked, confirmation = await ana.login(), await ana.confirmation_options()
    creation = await ana.creation_options()
    await database.execute("""UPDATE one_time_codes SET "expiresAt" = now() - interval '1 second'""")

    assert (await ana.verify(asked, device.get(asked["passkeyOptions"])))["__typename"] == "WrongCode"
    assert (await ana.confirm(device.get(confirmation)))["__typename"] == "WrongCode"
    assert (await ana.finish(Device().create(creation)))["__typename"] == "WrongCode"


# What is refused when a passkey is added


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"flags": USER_PRESENT},
        {"flags": 0},
    ],
    ids=["another origin", "another relying party", "an unverified user", "an absent user"],
)
async def test_a_wrong_new_passkey_is_not_stored(ana: Person, changes: dict[str, Any]) -> None:
    answer = await ana.finish(Device(**changes).create(await ana.creation_options()))

    assert answer["code"] == "WRONG_CODE"
    assert not (await ana.state())["isOn"]


async def test_options_make_one_passkey_of_the_user_they_are_for(
    api: Api, database: Connection, ana: Person
) -> None:
    form = registration(await issue_key(database), email="eva@example.com")
    eva = Person(api, form["email"], (await api.register(form))["accessToken"])
    first, options = await ana.creation_options(), await ana.creation_options()

    assert (await eva.finish(Device().create(options)))["code"] == "WRONG_CODE"
    assert (await ana.finish(Device().create(first)))["code"] == "WRONG_CODE", "the newest count"
    assert (await ana.finish(Device().get(options)))["code"] == "WRONG_CODE"
    assert (await ana.finish("{}"))["code"] == "WRONG_CODE"
    answers = await asyncio.gather(*(ana.finish(Device().create(options)) for _ in range(5)))

    assert sorted(answer["__typename"] for answer in answers) == ["PasskeyAdded"] + ["WrongCode"] * 4
    assert len((await ana.state())["passkeys"]) == 1


async def test_a_name_is_needed_and_the_number_is_limited(database: Connection, ana: Person) -> None:
    blank = await ana.finish(Device().create(await ana.creation_options()), " ")
    assert blank["code"] == "INVALID_INPUT"
    for _ in range(20):
        await ana.add(Device())

    assert (await ana.finish(Device().create(await ana.creation_options())))["code"] == "CONFLICT"
    assert len((await ana.state())["passkeys"]) == 20


# Operators, lost devices, deployments


async def test_an_operator_who_needs_a_second_factor_sets_a_passkey_up(api: Api, settings: Settings) -> None:
    """And cannot remove the last one."""
    printed("operators", "add", "root@example.com", "--password-stdin", typed=f"{PASSWORD}\n")
    settings(PUBLIC_URL=ORIGIN, OPERATOR_SECOND_FACTOR="required")
    root = Person(api, "root@example.com", (await api.login("root@example.com"))["accessToken"])
    answer = await api.post("{ tenants { totalCount } }", root.token)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    device = Device()

    added = await root.add(device)

    assert (await api.data("{ tenants { totalCount } }", root.token))["tenants"]["totalCount"] == 0
    response = device.get(await root.confirmation_options())
    assert (await root.remove(added["passkey"]["id"], passkey=response))["code"] == "CONFLICT"
    assert (await root.sign_in(device))["__typename"] == "SignedIn"
    settings(PUBLIC_URL=ORIGIN, OPERATOR_SECOND_FACTOR="off")
    assert (await api.data(START, root.token))["startPasskeyRegistration"]["code"] == "CONFLICT"


@pytest.mark.parametrize("way", ["operator", "terminal"])
async def test_another_operator_or_the_terminal_resets_a_lost_passkey(
    api: Api, database: Connection, ana: Person, way: str
) -> None:
    await ana.add(Device())
    if way == "operator":
        operator = await hire(database, None, "SUPER_ADMIN")
        user_id = await database.fetchval("SELECT id::text FROM users WHERE email = $1", ana.email)
        document = "mutation($id: ID!) { resetSecondFactor(userId: $id) { __typename } }"
        reset = await api.data(document, operator.token, id=user_id)
        assert reset["resetSecondFactor"]["__typename"] == "Done"
    else:
        printed("users", "reset-second-factor", ana.email)

    assert await api.viewer(ana.token) is None
    assert await database.fetchval("SELECT count(*) FROM passkeys") == 0
    assert (await ana.login())["__typename"] == "SignedIn"


@pytest.mark.parametrize("url", ["", "http://beta.example.com", "https://192.0.2.7", "https://[2001:db8::7]"])
async def test_without_a_public_address_there_are_no_passkeys(
    ana: Person, settings: Settings, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    """The log names the setting. A user who has passkeys signs in with a recovery code."""
    device = Device()
    codes = (await ana.add(device))["recoveryCodes"]
    settings(PUBLIC_URL=url)
    relying_party._log_setting.cache_clear()

    for document in (START, CONFIRMATION):
        (answer,) = (await ana.api.data(document, ana.token)).values()
        assert (answer["__typename"], answer["code"]) == ("PasskeysUnavailable", "PASSKEYS_UNAVAILABLE")
    assert "set PUBLIC_URL to an address with https and a host name" in caplog.text
    asked = await ana.login()
    assert asked["passkeyOptions"] is None
    answer = await ana.verify(asked, device.get(json.dumps({"challenge": encode(bytes(32))})))
    assert answer["__typename"] == "PasskeysUnavailable"
    assert (await verify(ana.api, asked["challenge"], codes[0]))["__typename"] == "SignedIn"


async def test_a_passkey_is_of_the_host_for_which_it_was_made(ana: Person, settings: Settings) -> None:
    device = Device()
    await ana.add(device)
    settings(PUBLIC_URL="https://other.example.com")

    assert (await ana.login())["passkeyOptions"] is None
    settings(PUBLIC_URL="https://Beta.Example.com:443")
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://app.beta.example.com", True),
        ("https://beta.example.com:8443", True),
        ("https://app.example.com", False),
        ("https://mybeta.example.com", False),
        ("http://app.beta.example.com", False),
    ],
)
async def test_front_ends_at_the_host_and_below_use_passkeys(
    ana: Person, settings: Settings, origin: str, accepted: bool
) -> None:
    """If `CORS_ORIGINS` lists them: a page that may not call the API must not use its passkeys."""
    device = Device()
    await ana.add(device)
    abroad = device.with_changes(origin=origin)

    assert (await ana.sign_in(abroad))["__typename"] == "WrongCode"
    settings(PUBLIC_URL=ORIGIN, CORS_ORIGINS=f"https://elsewhere.example.org,{origin}")
    assert (await ana.sign_in(abroad))["__typename"] == ("SignedIn" if accepted else "WrongCode")
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"


async def test_wrong_responses_shut_nothing(ana: Person, settings: Settings) -> None:
    """They cannot be guessed. In a session they are limited, because each is recorded."""
    settings(PUBLIC_URL=ORIGIN, RATE_LIMITS="on", RATE_LIMIT_WRONG_SECOND_FACTORS="3/hour")
    settings(RATE_LIMIT_LOGIN="20/minute")
    device = Device()
    await ana.add(device)

    answers = [await ana.sign_in(Device()) for _ in range(4)]

    assert [answer["__typename"] for answer in answers] == ["WrongCode"] * 4
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"
    confirmed = [(await ana.confirm("{}"))["__typename"] for _ in range(21)]
    assert confirmed == ["WrongCode"] * 20 + ["RateLimited"]
    assert (await ana.sign_in(device))["__typename"] == "SignedIn"
