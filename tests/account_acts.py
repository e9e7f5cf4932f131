"""Mutations about accounts, with their preparation; see `tests.acts`."""

import time
from typing import TYPE_CHECKING, Any

import asyncpg
import pyotp
from pyotp.totp import TOTP

from api.domain.accounts.second_factors.secret_encryption import seal
from tests.authenticator import Device
from tests.support import LOGIN, PASSWORD, hire

if TYPE_CHECKING:
    from tests.acts import Business
    from tests.support import Api


async def _another_operator(business: "Business", **columns: Any) -> dict[str, Any]:
    """The id of an operator, for a business whose token is that of another operator."""
    business.token = (await hire(business.database, None, "SUPER_ADMIN")).token
    return {"id": (await hire(business.database, None, "SUPER_ADMIN", **columns)).id}


async def sign_out_everywhere(_business: "Business") -> tuple[str, dict[str, Any]]:
    return "mutation { signOutEverywhere { message } }", {}


async def confirm_identity(_business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($p: String) { confirmIdentity(input: {password: $p}) { __typename } }"
    return document, {"p": PASSWORD}


async def end_staff_sessions(business: "Business") -> tuple[str, dict[str, Any]]:
    tenant = await business.database.fetchval('SELECT "tenantId" FROM users WHERE email = $1', business.email)
    document = "mutation($id: ID!) { endStaffSessions(id: $id) { __typename } }"
    return document, {"id": (await hire(business.database, tenant, "CASHIER")).id}


async def remove_operator(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { removeOperator(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business)


async def deactivate_operator(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { deactivateOperator(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business)


async def reactivate_operator(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { reactivateOperator(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business, isActive=False)


async def reset_operator_password(business: "Business") -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { resetOperatorPassword(id: $id) { __typename ... on Error { code } } }"
    return document, await _another_operator(business)


SECRET = pyotp.random_base32()


async def turn_on(database: asyncpg.Connection, email: str) -> None:
    """Give a user the app with `SECRET`, as if it had been confirmed long ago."""
    await database.execute(
        """WITH changed AS (UPDATE users SET "secondFactorAt" = now() WHERE email = $1 RETURNING id)
        INSERT INTO authenticator_apps ("userId", secret, "confirmedAt") SELECT id, $2, now() FROM changed""",
        email,
        seal(SECRET),
    )


def code_now(secret: str = SECRET, later: int = 0) -> str:
    """The code of an app now, or of `later` steps from now."""
    return TOTP(secret).at(int(time.time()) + 30 * later)


async def verify_second_factor(business: "Business") -> tuple[str, dict[str, Any]]:
    await turn_on(business.database, business.email)
    login = f"{LOGIN.rstrip()[:-3]} ... on SecondFactorRequired {{ challenge }} }} }}"
    answer = await business.api.data(login, i={"email": business.email, "password": PASSWORD})
    document = "mutation($i: VerifySecondFactorInput!) { verifySecondFactor(input: $i) { __typename } }"
    return document, {"i": {"challenge": answer["login"]["challenge"], "code": code_now()}}


async def start_second_factor(_business: "Business") -> tuple[str, dict[str, Any]]:
    return "mutation { startSecondFactor { __typename } }", {}


async def confirm_second_factor(business: "Business") -> tuple[str, dict[str, Any]]:
    started = "mutation { startSecondFactor { ... on SecondFactorSetup { secret } } }"
    secret = (await business.api.data(started, business.token))["startSecondFactor"]["secret"]
    document = "mutation($c: String!) { confirmSecondFactor(code: $c) { __typename } }"
    return document, {"c": code_now(secret)}


async def renew_recovery_codes(business: "Business") -> tuple[str, dict[str, Any]]:
    await turn_on(business.database, business.email)
    return "mutation($c: String!) { renewRecoveryCodes(code: $c) { __typename } }", {"c": code_now()}


async def turn_off_second_factor(business: "Business") -> tuple[str, dict[str, Any]]:
    await turn_on(business.database, business.email)
    return "mutation($c: String!) { turnOffSecondFactor(code: $c) { __typename } }", {"c": code_now()}


async def reset_second_factor(business: "Business") -> tuple[str, dict[str, Any]]:
    await turn_on(business.database, business.email)
    user = await business.database.fetchval("SELECT id::text FROM users WHERE email = $1", business.email)
    business.token = (await hire(business.database, None, "SUPER_ADMIN")).token
    return "mutation($id: ID!) { resetSecondFactor(userId: $id) { __typename } }", {"id": user}


START_PASSKEY = """
mutation { startPasskeyRegistration { __typename ... on PasskeyOptions { options } } }
"""

FINISH_PASSKEY = """
mutation($i: FinishPasskeyRegistrationInput!) { finishPasskeyRegistration(input: $i) { __typename
  ... on PasskeyAdded { passkey { id } } } }
"""


async def start_passkey_registration(_business: "Business") -> tuple[str, dict[str, Any]]:
    return START_PASSKEY, {}


async def finish_passkey_registration(business: "Business") -> tuple[str, dict[str, Any]]:
    options = (await business.api.data(START_PASSKEY, business.token))["startPasskeyRegistration"]["options"]
    return FINISH_PASSKEY, {"i": {"passkey": Device().create(options), "name": "Phone"}}


async def _add_passkey(business: "Business") -> str:
    """The id of a new passkey."""
    document, variables = await finish_passkey_registration(business)
    added = await business.api.data(document, business.token, **variables)
    return added["finishPasskeyRegistration"]["passkey"]["id"]


async def start_passkey_confirmation(business: "Business") -> tuple[str, dict[str, Any]]:
    await _add_passkey(business)
    return "mutation { startPasskeyConfirmation { __typename } }", {}


async def remove_passkey(business: "Business") -> tuple[str, dict[str, Any]]:
    """The app stays, so the second factor does too."""
    await turn_on(business.database, business.email)
    document = "mutation($i: RemovePasskeyInput!) { removePasskey(input: $i) { __typename } }"
    return document, {"i": {"id": await _add_passkey(business), "code": code_now()}}


async def update_viewer(_business: "Business") -> tuple[str, dict[str, Any]]:
    return 'mutation { updateViewer(input: {firstName: "Zoe"}) { __typename } }', {}


REQUEST_EMAIL_CHANGE = """
mutation($e: String!) { requestEmailChange(email: $e) { __typename ... on Error { code } } }
"""


async def request_email_change(_business: "Business") -> tuple[str, dict[str, Any]]:
    return REQUEST_EMAIL_CHANGE, {"e": "new@example.com"}


async def confirm_email_change(business: "Business") -> tuple[str, dict[str, Any]]:
    await business.api.data(REQUEST_EMAIL_CHANGE, business.token, e="new@example.com")
    document = """mutation($i: ConfirmEmailChangeInput!) { confirmEmailChange(input: $i) { __typename
        ... on Error { code } } }"""
    return document, {"i": {"email": "new@example.com", "code": await business.mailed_code()}}


MUTATIONS = {
    "updateViewer": update_viewer,
    "requestEmailChange": request_email_change,
    "confirmEmailChange": confirm_email_change,
    "confirmIdentity": confirm_identity,
    "verifySecondFactor": verify_second_factor,
    "startSecondFactor": start_second_factor,
    "confirmSecondFactor": confirm_second_factor,
    "renewRecoveryCodes": renew_recovery_codes,
    "turnOffSecondFactor": turn_off_second_factor,
    "resetSecondFactor": reset_second_factor,
    "startPasskeyRegistration": start_passkey_registration,
    "finishPasskeyRegistration": finish_passkey_registration,
    "startPasskeyConfirmation": start_passkey_confirmation,
    "removePasskey": remove_passkey,
    "signOutEverywhere": sign_out_everywhere,
    "endStaffSessions": end_staff_sessions,
    "removeOperator": remove_operator,
    "deactivateOperator": deactivate_operator,
    "reactivateOperator": reactivate_operator,
    "resetOperatorPassword": reset_operator_password,
}

COMMANDS: dict[str, tuple[list[str], str | None]] = {
    "operators remove": (["left@example.com", "--yes"], "audit_events"),
    "operators deactivate": (["left@example.com"], "users"),
    "operators reactivate": (["away@example.com"], "users"),
    "operators reset-second-factor": (["lost@example.com"], "users"),
    "users reset-second-factor": (["lost@example.com"], "users"),
    "operators reset-password": (["left@example.com", "--password-stdin"], "users"),
}

EVENTS: dict[str, set[str]] = {
    "updateViewer": {"account.updated"},
    "requestEmailChange": {"account.email_change_requested"},
    "confirmEmailChange": {"account.email_changed"},
    "confirmIdentity": {"session.confirmed"},
    "verifySecondFactor": {"session.opened"},
    "startSecondFactor": {"second_factor.started"},
    "confirmSecondFactor": {"second_factor.turned_on"},
    "renewRecoveryCodes": {"second_factor.codes_renewed"},
    "turnOffSecondFactor": {"second_factor.turned_off"},
    "resetSecondFactor": {"second_factor.reset"},
    "startPasskeyRegistration": {"second_factor.started"},
    "finishPasskeyRegistration": {"second_factor.passkey_added", "second_factor.turned_on"},
    "startPasskeyConfirmation": set(),
    "removePasskey": {"second_factor.passkey_removed"},
    "signOutEverywhere": {"session.all_closed"},
    "endStaffSessions": {"staff.signed_out"},
    "removeOperator": {"operator.removed"},
    "deactivateOperator": {"operator.deactivated"},
    "reactivateOperator": {"operator.reactivated"},
    "resetOperatorPassword": {"operator.password_reset"},
}
"""The actions that each mutation records."""

COMMAND_EVENTS = {
    "operators remove": "operator.removed",
    "operators deactivate": "operator.deactivated",
    "operators reactivate": "operator.reactivated",
    "operators reset-password": "operator.password_reset",
    "operators reset-second-factor": "second_factor.reset",
    "users reset-second-factor": "second_factor.reset",
}

UNLIMITED = {
    "confirmIdentity": "wrong passwords of its session, and wrong codes of its account, count",
    "startSecondFactor": "needs a session",
    "confirmSecondFactor": "wrong codes of its account count; see tests/domain/accounts/second_factors",
    "renewRecoveryCodes": "wrong codes of its account count",
    "turnOffSecondFactor": "wrong codes of its account count",
    "startPasskeyRegistration": "needs a session",
    "finishPasskeyRegistration": "needs a session, and options that are used up",
    "startPasskeyConfirmation": "needs a session",
    "removePasskey": "wrong proofs of its account count, as wrong codes do",
    "signOutEverywhere": "needs a session, and ends it",
    "endStaffSessions": "needs the session of an admin or a manager",
}
"""Mutations without a limit for each address, and why."""


async def verify_unknown_challenge(api: "Api") -> dict[str, Any]:
    """The response for a challenge that no sign-in has."""
    return await api.post(
        "mutation($i: VerifySecondFactorInput!) { verifySecondFactor(input: $i) { ... on Error { code } } }",
        i={"challenge": "x" * 43, "code": "123456"},
    )
