"""Rate limits hold for GraphQL and REST, and end after their window."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from api import rate_limit_store
from api.schema.schema import schema
from tests import account_acts
from tests.domain.conftest import Clock
from tests.schema.root_fields import ADMINS, AUDIENCES, OPERATORS
from tests.support import LOGIN, PASSWORD, REGISTER, Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio

VALIDATE = "query($k: String!) { validateBetaKey(key: $k) { valid } }"
UNKNOWN = "BETA-TEST-12345"
NOBODY = {"email": "nobody@example.com", "password": "x"}


@pytest.fixture(autouse=True)
def _counting(settings: Settings, clock: Clock) -> None:
    settings(RATE_LIMITS="on")


def code_of(answer: dict[str, Any]) -> str | None:
    """The error code of a response with one root field, in `data` or in `errors`."""
    if answer.get("errors"):
        return answer["errors"][0]["extensions"]["code"]
    (result,) = answer["data"].values()
    return result.get("code")


# Every field


async def _validate(api: Api) -> dict[str, Any]:
    return await api.post(VALIDATE, k=UNKNOWN)


async def _register(api: Api) -> dict[str, Any]:
    return await api.post(REGISTER, i=registration(UNKNOWN))


async def _login(api: Api) -> dict[str, Any]:
    return await api.post(LOGIN, i=NOBODY)


async def _request_reset(api: Api) -> dict[str, Any]:
    return await api.post(
        "mutation($e: String!) { requestPasswordReset(email: $e) { ... on Error { code } } }",
        e="nobody@example.com",
    )


async def _reset(api: Api) -> dict[str, Any]:
    return await api.post(
        "mutation($i: ResetPasswordInput!) { resetPassword(input: $i) { ... on Error { code } } }",
        i={"email": "nobody@example.com", "code": "123456", "newPassword": PASSWORD},
    )


async def _request_verification(api: Api) -> dict[str, Any]:
    return await api.post(
        "mutation($e: String!) { requestEmailVerification(email: $e) { ... on Error { code } } }",
        e="nobody@example.com",
    )


async def _verify(api: Api) -> dict[str, Any]:
    return await api.post(
        'mutation($e: String!) { verifyEmail(email: $e, code: "123456") { ... on Error { code } } }',
        e="nobody@example.com",
    )


async def _accept_invitation(api: Api) -> dict[str, Any]:
    return await api.post(
        "mutation($i: AcceptInvitationInput!) { acceptInvitation(input: $i) { ... on Error { code } } }",
        i={"email": "nobody@example.com", "code": "ABCD-EFGH-JKMN", "password": PASSWORD},
    )


LIMITED: dict[str, tuple[Callable[[Api], Awaitable[dict[str, Any]]], str]] = {
    "validateBetaKey": (_validate, "RATE_LIMIT_VALIDATE"),
    "register": (_register, "RATE_LIMIT_REGISTER"),
    "login": (_login, "RATE_LIMIT_LOGIN"),
    "requestPasswordReset": (_request_reset, "RATE_LIMIT_CODES"),
    "resetPassword": (_reset, "RATE_LIMIT_LOGIN"),
    "requestEmailVerification": (_request_verification, "RATE_LIMIT_CODES"),
    "verifyEmail": (_verify, "RATE_LIMIT_LOGIN"),
    "acceptInvitation": (_accept_invitation, "RATE_LIMIT_LOGIN"),
    "verifySecondFactor": (account_acts.verify_unknown_challenge, "RATE_LIMIT_LOGIN"),
}
"""A request for each limited field, and the setting that limits it for one address."""

UNLIMITED = {
    "logout": "needs a session, and ends it",
    "revokeSession": "needs a session, and ends one",
    **account_acts.UNLIMITED,
    "changePassword": "needs a session, for which alone its tries count; see test_lockout",
    "updateTenant": "needs an admin's session",
    "updateViewer": "needs a session, and mails nothing",
    "requestEmailChange": "needs a session; counts as other codes do, see test_email_change",
    "confirmEmailChange": "needs a session; counts as other codes do, see test_email_change",
    "inviteStaff": "counts for the viewer and for the mailbox; see test_staff_invitations",
    "resendInvitation": "counts for the viewer and for the mailbox; see test_staff_invitations",
    "cancelInvitation": "needs the session of an admin or a manager",
    "createStaff": "counts for the viewer; see test_staff",
    "updateStaff": "needs the session of an admin or a manager",
    "removeStaff": "needs the session of an admin or a manager",
}


def test_every_mutation_has_a_limit_or_a_reason_to_have_none() -> None:
    """Mutations of operators require a session; the tests of those that send mail show their limits."""
    mutations = schema._schema.mutation_type
    assert mutations is not None

    of_operators = {field for field, roles in AUDIENCES.items() if roles - ADMINS == OPERATORS}
    asked = {*mutations.fields, "validateBetaKey"} - of_operators
    assert asked == LIMITED.keys() | UNLIMITED.keys()


@pytest.mark.parametrize("field", LIMITED)
async def test_a_field_is_refused_over_its_limit_and_answered_after_the_pause(
    api: Api, settings: Settings, clock: Clock, field: str
) -> None:
    ask, setting = LIMITED[field]
    settings(**{setting: "2/hour"})

    first = code_of(await ask(api))
    clock.now += 600
    second = code_of(await ask(api))
    third = code_of(await ask(api))

    assert "RATE_LIMITED" not in (first, second)
    assert third == "RATE_LIMITED"
    clock.now += 2999
    assert code_of(await ask(api)) == "RATE_LIMITED"
    clock.now += 1
    assert code_of(await ask(api)) == first
    assert code_of(await ask(api)) == "RATE_LIMITED"
    assert code_of(await ask(api.at("203.0.113.9"))) == first


@pytest.mark.parametrize(
    ("field", "amount", "seconds"),
    [
        ("validateBetaKey", 30, 60),
        ("register", 10, 3600),
        ("login", 10, 60),
        ("requestPasswordReset", 3, 3600),
        ("resetPassword", 10, 60),
        ("requestEmailVerification", 3, 3600),
        ("verifyEmail", 10, 60),
    ],
)
async def test_the_limits_are_those_of_the_design(
    api: Api, settings: Settings, field: str, amount: int, seconds: int
) -> None:
    # The limit of an address is tested, so no other limit may be reached first.
    settings(RATE_LIMIT_WRONG_KEYS="100/minute", RATE_LIMIT_WRONG_PASSWORDS="100/minute")
    ask, _ = LIMITED[field]

    answers = [await ask(api) for _ in range(amount + 1)]

    assert [code_of(answer) == "RATE_LIMITED" for answer in answers] == [False] * amount + [True]
    if field == "validateBetaKey":
        assert answers[-1]["errors"][0]["extensions"]["retryAfterSeconds"] == seconds


# Responses


async def test_a_mutation_answers_with_data_and_a_query_with_an_error(api: Api, settings: Settings) -> None:
    settings(RATE_LIMIT_LOGIN="1/minute", RATE_LIMIT_VALIDATE="1/minute")
    login = LOGIN.replace("... on Error", "... on RateLimited { retryAfterSeconds } ... on Error")
    await api.post(login, i=NOBODY)
    await api.validate(UNKNOWN)

    data = await api.data(login, i=NOBODY)
    answer = await api.post(VALIDATE, k=UNKNOWN)

    expected = "Too many attempts. Please wait 60 s and try again."
    assert data["login"] == {
        "__typename": "RateLimited",
        "code": "RATE_LIMITED",
        "message": expected,
        "retryAfterSeconds": 60,
    }
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"] == expected
    assert error["path"] == ["validateBetaKey"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 60}


async def test_the_message_is_also_in_spanish(api: Api, settings: Settings) -> None:
    settings(RATE_LIMIT_LOGIN="1/minute", RATE_LIMIT_VALIDATE="1/minute")
    await api.post(LOGIN, i=NOBODY)
    await api.validate(UNKNOWN)

    data = await api.data(LOGIN, language="es-CO", i=NOBODY)
    answer = await api.post(VALIDATE, language="es", k=UNKNOWN)

    expected = "Demasiados intentos. Espere 60 s e intente de nuevo."
    assert data["login"]["message"] == answer["errors"][0]["message"] == expected


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", f"/api/beta-keys/validate/{UNKNOWN}", None, "validateBetaKey"),
        ("POST", "/api/auth/register", {"betaKey": UNKNOWN}, "register"),
        ("POST", "/api/auth/login", NOBODY, "login"),
    ],
)
async def test_rest_and_graphql_share_one_count(
    api: Api, settings: Settings, method: str, path: str, body: Any, field: str
) -> None:
    ask, setting = LIMITED[field]
    settings(**{setting: "2/minute"})

    await ask(api)
    passed = await api.http.request(method, path, json=body)
    refused = await api.http.request(method, path, json=body)

    assert passed.status_code != 429
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert refused.json() == {
        "statusCode": 429,
        "error": "Too Many Requests",
        "code": "RATE_LIMITED",
        "message": "Too many attempts. Please wait 60 s and try again.",
        "fields": [],
    }
    assert code_of(await ask(api)) == "RATE_LIMITED"


# What is counted


async def test_each_alias_of_a_query_is_counted(api: Api, settings: Settings) -> None:
    settings(RATE_LIMIT_VALIDATE="10/minute", RATE_LIMIT_WRONG_KEYS="100/minute")
    six = " ".join(f'a{number}: validateBetaKey(key: "{UNKNOWN}") {{ valid }}' for number in range(6))

    first = await api.post(f"{{ {six} }}")
    second = await api.post(f"{{ {six} }}")

    assert len(first["data"]) == 6
    assert code_of(second) == "RATE_LIMITED"
    assert code_of(await _validate(api)) == "RATE_LIMITED"


async def test_each_alias_of_a_mutation_is_counted(api: Api, settings: Settings) -> None:
    settings(RATE_LIMIT_LOGIN="3/minute", RATE_LIMIT_WRONG_PASSWORDS="100/minute")
    aliases = " ".join(f"a{number}: login(input: $i) {{ __typename }}" for number in range(5))

    data = await api.data(f"mutation($i: LoginInput!) {{ {aliases} }}", i=NOBODY)

    kinds = [result["__typename"] for result in data.values()]
    assert kinds == ["WrongCredentials"] * 3 + ["RateLimited"] * 2


async def test_of_several_operations_only_the_one_that_runs_counts(api: Api, settings: Settings) -> None:
    settings(RATE_LIMIT_VALIDATE="2/minute")
    document = " ".join(f'query q{n} {{ validateBetaKey(key: "{UNKNOWN}") {{ valid }} }}' for n in range(5))

    answers = [
        (await api.http.post("/graphql", json={"query": document, "operationName": f"q{number}"})).json()
        for number in range(3)
    ]

    assert [code_of(answer) for answer in answers] == [None, None, "RATE_LIMITED"]


async def test_a_refused_attempt_is_not_counted(api: Api, settings: Settings, clock: Clock) -> None:
    """Repeated attempts do not extend the wait."""
    settings(RATE_LIMIT_VALIDATE="2/minute")
    for _ in range(20):
        await _validate(api)
    clock.now += 60

    assert code_of(await _validate(api)) is None


async def test_nothing_is_counted_if_limits_are_off(api: Api, settings: Settings) -> None:
    settings(RATE_LIMITS="off", RATE_LIMIT_VALIDATE="1/minute", RATE_LIMIT_WRONG_KEYS="1/minute")

    assert [code_of(await _validate(api)) for _ in range(5)] == [None] * 5


# Guesses


async def test_existing_keys_are_not_counted_as_guesses(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMIT_WRONG_KEYS="2/minute")
    key = await issue_key(database)
    used = await issue_key(database, isUsed=True)
    for _ in range(5):
        assert (await api.validate(key))["valid"]
        assert (await api.validate(used))["reason"] == "USED"

    answers = [code_of(await _validate(api)) for _ in range(3)]

    assert answers == [None, None, "RATE_LIMITED"]
    assert code_of(await api.post(VALIDATE, k=key)) == "RATE_LIMITED"


async def test_a_key_that_is_being_typed_is_no_guess(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """The old front end asks from the tenth letter on, and so again after each correction."""
    settings(RATE_LIMIT_WRONG_KEYS="1/minute")
    key = await issue_key(database, key="BETA-ABCDE-FGHJK")
    beginnings = [key[:length] for length in range(5, len(key))]

    answers = [await api.validate(typed) for typed in (*beginnings, *beginnings[-3:], key)]

    assert [answer["reason"] for answer in answers] == [*["NOT_FOUND"] * (len(answers) - 1), None]
    for guess in ("BETA-ABCDE-FGHJ2", "BETA-ABCDE-FGHJ3"):
        last = await api.post(VALIDATE, k=guess)
    assert code_of(last) == "RATE_LIMITED"


async def test_concurrent_guesses_of_keys_get_no_more_answers_than_the_limit(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMIT_WRONG_KEYS="3/minute")

    codes = [code_of(answer) for answer in await asyncio.gather(*(_validate(api) for _ in range(12)))]

    assert codes.count(None) == 3
    assert codes.count("RATE_LIMITED") == 9


async def test_a_right_guess_among_too_many_wrong_ones_is_refused_too(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """If it were answered, a client that guesses many keys concurrently would learn the valid one."""
    settings(RATE_LIMIT_WRONG_KEYS="3/minute")
    key = await issue_key(database)
    asked = [_validate(api) for _ in range(12)]

    *_, right = await asyncio.gather(*asked, api.post(VALIDATE, k=key))

    assert code_of(right) == "RATE_LIMITED"


# One-time codes


async def test_codes_of_all_kinds_share_one_count(api: Api) -> None:
    asked = [await _request_reset(api), await _request_verification(api), await _request_reset(api)]

    assert [code_of(answer) for answer in asked] == [None] * 3
    assert code_of(await _request_verification(api)) == "RATE_LIMITED"
    assert code_of(await _request_reset(api)) == "RATE_LIMITED"


# Memory


async def test_expired_windows_are_removed_from_memory(clock: Clock) -> None:
    counter = rate_limit_store.MemoryCounter()
    rate = rate_limit_store.rate("x", "2/minute")
    for number in range(1000):
        await counter.hit(rate, str(number))
    clock.now += 61
    for number in range(600):
        await counter.hit(rate, f"later {number}")

    assert len(counter._windows[rate]) == 600


async def test_a_flood_of_addresses_does_not_fill_the_memory(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit_store, "MAX_WINDOWS", 100)
    counter = rate_limit_store.MemoryCounter()
    rate = rate_limit_store.rate("x", "1/hour")
    for number in range(1000):
        await counter.hit(rate, str(number))

    assert len(counter._windows[rate]) == 100
    assert await counter.hit(rate, "999") > 0
