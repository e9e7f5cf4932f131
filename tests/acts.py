"""Every mutation, REST endpoint and command, with its preparation, and failures of the database."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from api.domain.beta_keys.issue import generate_keys
from tests import account_acts, invitation_acts
from tests.commands import run_command
from tests.domain.accounts.codes import REQUEST_RESET, REQUEST_VERIFICATION, RESET, VERIFY
from tests.support import LOGIN, PASSWORD, REGISTER, Api, hire, issue_key, registration

OTHER_PASSWORD = "0ther!Secret"

SECRETS = re.compile(
    r"BETA-[0-9A-Z]{5}-[0-9A-Z]{5}"
    # The token of a session or of a verified address.
    r"|(?<![\w-])[\w-]{43}(?![\w-])"
    # A one-time code.
    r"|(?<![\w.:-])\d{6}(?![\w:-]|\.\d)"
    # The secret of an authenticator app, a recovery code, and the code of an invitation;
    # in the middle of a longer word it is part of a UUID.
    r"|(?-i:\b[A-Z2-7]{32}\b|(?<![\w-])[2-9A-Z]{4}(?:-[2-9A-Z]{4}){2,3}(?![\w-]))"
    r"|\$argon2|Sup3r|0ther!|Wr0ng",
    re.IGNORECASE,
)
"""The patterns of all secrets in these tests, which also find secrets that no response contained."""


@dataclass
class Business:
    """A tenant with a signed-in owner, and the means to act for it."""

    api: Api
    database: asyncpg.Connection
    email: str
    token: str
    staff: list[str] = field(default_factory=list)

    async def code(self, query: str, email: str) -> str | None:
        """The one-time code that was mailed to an address."""
        await self.api.data(query, e=email)
        return await self.mailed_code()

    async def mailed_code(self) -> str | None:
        return await self.database.fetchval(
            """SELECT "values"->>'code' FROM mails WHERE "values" ? 'code'
                ORDER BY "createdAt" DESC LIMIT 1"""
        )


@asynccontextmanager
async def open_business(api: Api, database: asyncpg.Connection) -> AsyncIterator[Business]:
    form = registration(await issue_key(database))
    answer = await api.register(form)
    await database.execute('UPDATE tenants SET "maxCashiers" = 1000, "maxAdmins" = 1000')
    yield Business(api, database, form["email"], answer["accessToken"])


Graphql = Callable[[Business], Awaitable[tuple[str, dict[str, Any]]]]
"""Prepares an act, and returns a document and its variables."""


def with_input(document: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return document, {"i": values}


async def register(business: Business) -> tuple[str, dict[str, Any]]:
    return with_input(REGISTER, registration(await issue_key(business.database)))


async def login(business: Business) -> tuple[str, dict[str, Any]]:
    return with_input(LOGIN, {"email": business.email, "password": PASSWORD})


async def logout(_business: Business) -> tuple[str, dict[str, Any]]:
    return "mutation { logout { message } }", {}


async def revoke_session(business: Business) -> tuple[str, dict[str, Any]]:
    await business.api.login(business.email)
    shown = await business.api.data("{ sessions { id isCurrent } }", business.token)
    other = next(session["id"] for session in shown["sessions"] if not session["isCurrent"])
    return "mutation($id: ID!) { revokeSession(id: $id) { __typename } }", {"id": other}


async def change_password(_business: Business) -> tuple[str, dict[str, Any]]:
    return with_input(
        "mutation($i: ChangePasswordInput!) { changePassword(input: $i) { __typename } }",
        {"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD},
    )


async def request_password_reset(business: Business) -> tuple[str, dict[str, Any]]:
    return REQUEST_RESET, {"e": business.email}


async def reset_password(business: Business) -> tuple[str, dict[str, Any]]:
    code = await business.code(REQUEST_RESET, business.email)
    return with_input(RESET, {"email": business.email, "code": code, "newPassword": OTHER_PASSWORD})


async def request_email_verification(_business: Business) -> tuple[str, dict[str, Any]]:
    return REQUEST_VERIFICATION, {"e": "eva@example.com"}


async def verify_email(business: Business) -> tuple[str, dict[str, Any]]:
    return VERIFY, {
        "e": "eva@example.com",
        "c": await business.code(REQUEST_VERIFICATION, "eva@example.com"),
    }


async def update_tenant(_business: Business) -> tuple[str, dict[str, Any]]:
    return 'mutation { updateTenant(input: {address: "Elsewhere 1"}) { __typename } }', {}


async def create_staff(_business: Business) -> tuple[str, dict[str, Any]]:
    somebody = registration("")
    return with_input(
        "mutation($i: CreateStaffInput!) { createStaff(input: $i) { __typename } }",
        {"email": somebody["email"], "firstName": "Eva", "lastName": "Sol", "role": "CASHIER"}
        | {"password": OTHER_PASSWORD},
    )


async def _hired(business: Business) -> str:
    tenant = await business.database.fetchval('SELECT "tenantId" FROM users WHERE email = $1', business.email)
    return (await hire(business.database, tenant, "CASHIER")).id


async def update_staff(business: Business) -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!, $i: UpdateStaffInput!) { updateStaff(id: $id, input: $i) { __typename } }"
    return document, {"id": await _hired(business), "i": {"firstName": "Zoe", "isActive": False}}


async def remove_staff(business: Business) -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { removeStaff(id: $id) { __typename } }"
    return document, {"id": await _hired(business)}


async def _become_operator(business: Business) -> None:
    business.token = (await hire(business.database, None, "SUPER_ADMIN")).token


async def _key_id(business: Business) -> dict[str, Any]:
    await _become_operator(business)
    key = await issue_key(business.database)
    return {"id": str(await business.database.fetchval("SELECT id FROM beta_keys WHERE key = $1", key))}


async def issue_beta_keys(business: Business) -> tuple[str, dict[str, Any]]:
    await _become_operator(business)
    return with_input(
        "mutation($i: IssueBetaKeysInput!) { issueBetaKeys(input: $i) { __typename } }",
        {"count": 2, "batch": "launch"},
    )


async def update_beta_key(business: Business) -> tuple[str, dict[str, Any]]:
    document = """mutation($id: ID!, $i: UpdateBetaKeyInput!) {
        updateBetaKey(id: $id, input: $i) { __typename }
    }"""
    return document, {**await _key_id(business), "i": {"notes": "for the fair"}}


async def revoke_beta_key(business: Business) -> tuple[str, dict[str, Any]]:
    return "mutation($id: ID!) { revokeBetaKey(id: $id) { __typename } }", await _key_id(business)


async def send_beta_key(business: Business) -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!, $e: String!) { sendBetaKey(id: $id, email: $e) { __typename } }"
    return document, {**await _key_id(business), "e": "eva@example.com"}


async def _tenant_id(business: Business) -> dict[str, Any]:
    """The tenant of the business; the operator has none, so the operator's session stays valid."""
    tenant = await business.database.fetchval('SELECT "tenantId" FROM users WHERE email = $1', business.email)
    await _become_operator(business)
    return {"id": str(tenant)}


async def suspend_tenant(business: Business) -> tuple[str, dict[str, Any]]:
    document = 'mutation($id: ID!) { suspendTenant(id: $id, reason: "unpaid") { __typename } }'
    return document, await _tenant_id(business)


async def reactivate_tenant(business: Business) -> tuple[str, dict[str, Any]]:
    await business.database.execute('UPDATE tenants SET "isActive" = false')
    return "mutation($id: ID!) { reactivateTenant(id: $id) { __typename } }", await _tenant_id(business)


async def set_seats(business: Business) -> tuple[str, dict[str, Any]]:
    document = "mutation($id: ID!) { setSeats(tenantId: $id, input: {maxManagers: 9}) { __typename } }"
    return document, await _tenant_id(business)


REQUEST_DELETION = "mutation($id: ID!) { requestTenantDeletion(id: $id) { __typename } }"


async def request_tenant_deletion(business: Business) -> tuple[str, dict[str, Any]]:
    return REQUEST_DELETION, await _tenant_id(business)


async def delete_tenant(business: Business) -> tuple[str, dict[str, Any]]:
    which = await _tenant_id(business)
    await business.api.data(REQUEST_DELETION, business.token, **which)
    document = "mutation($id: ID!, $c: String!) { deleteTenant(id: $id, code: $c) { __typename } }"
    return document, {**which, "c": await business.mailed_code()}


MUTATIONS: dict[str, Graphql] = {
    "register": register,
    "login": login,
    "logout": logout,
    "revokeSession": revoke_session,
    "changePassword": change_password,
    "requestPasswordReset": request_password_reset,
    "resetPassword": reset_password,
    "requestEmailVerification": request_email_verification,
    "verifyEmail": verify_email,
    "updateTenant": update_tenant,
    "createStaff": create_staff,
    "updateStaff": update_staff,
    "removeStaff": remove_staff,
    "issueBetaKeys": issue_beta_keys,
    "updateBetaKey": update_beta_key,
    "revokeBetaKey": revoke_beta_key,
    "sendBetaKey": send_beta_key,
    "suspendTenant": suspend_tenant,
    "reactivateTenant": reactivate_tenant,
    "setSeats": set_seats,
    "requestTenantDeletion": request_tenant_deletion,
    "deleteTenant": delete_tenant,
    **account_acts.MUTATIONS,
    **invitation_acts.MUTATIONS,
}


Rest = Callable[[Business], Awaitable[tuple[str, dict[str, Any] | None]]]
"""Prepares an act, and returns a path and a body."""


async def _validate_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return f"/api/beta-keys/validate/{await issue_key(business.database)}", None


async def _register_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return "/api/auth/register", registration(await issue_key(business.database))


async def _login_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return "/api/auth/login", {"email": business.email, "password": PASSWORD}


async def _check_user_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return "/api/auth/check-user", {"identifier": business.email}


async def _me_by_rest(_business: Business) -> tuple[str, dict[str, Any] | None]:
    return "/api/users/me", None


async def _request_otp_by_rest(_business: Business) -> tuple[str, dict[str, Any] | None]:
    return "/api/auth/verify-email/request-otp", {"email": "eva@example.com"}


async def _verify_otp_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    code = await business.code(REQUEST_VERIFICATION, "eva@example.com")
    return "/api/auth/verify-email/verify-otp", {"email": "eva@example.com", "otpCode": code}


async def _list_keys_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    await _become_operator(business)
    return "/api/beta-keys", None


async def _key_stats_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    await _become_operator(business)
    return "/api/beta-keys/stats", None


async def _create_key_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    await _become_operator(business)
    return "/api/beta-keys", {"notes": "for the fair"}


async def _create_keys_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    await _become_operator(business)
    return "/api/beta-keys/bulk", {"count": 2, "notes": ""}


async def _delete_key_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return f"/api/beta-keys/{(await _key_id(business))['id']}", None


async def _change_key_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return f"/api/beta-keys/{(await _key_id(business))['id']}", {"notes": "for the fair"}


async def _change_notes_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    return f"/api/beta-keys/{(await _key_id(business))['id']}/notes", {"notes": "for the fair"}


async def _send_key_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    path = f"/api/beta-keys/{(await _key_id(business))['id']}/send-invitation"
    return path, {"email": "eva@example.com"}


async def _list_tenants_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    await _become_operator(business)
    return "/api/tenant-management", None


def _request_code_by_rest(action: str) -> Rest:
    async def prepare(business: Business) -> tuple[str, dict[str, Any] | None]:
        body = {"tenantId": (await _tenant_id(business))["id"], "email": "eva@example.com"}
        return f"/api/tenant-management/{action}/request-otp", body

    return prepare


def _use_code_by_rest(action: str) -> Rest:
    async def prepare(business: Business) -> tuple[str, dict[str, Any] | None]:
        path, body = await _request_code_by_rest(action)(business)
        headers = {"authorization": f"Bearer {business.token}"}
        requested = await business.api.http.post(path, json=body, headers=headers)
        assert requested.status_code == 200, requested.text
        code = await business.mailed_code()
        return f"/api/tenant-management/{action}/verify", {**(body or {}), "otpCode": code}

    return prepare


async def _reactivate_by_rest(business: Business) -> tuple[str, dict[str, Any] | None]:
    await business.database.execute('UPDATE tenants SET "isActive" = false')
    return f"/api/tenant-management/reactivate/{(await _tenant_id(business))['id']}", None


DOORS: dict[str, Rest] = {
    "GET /api/beta-keys/validate/{key:path}": _validate_by_rest,
    "POST /api/auth/register": _register_by_rest,
    "POST /api/auth/login": _login_by_rest,
    "POST /api/auth/check-user": _check_user_by_rest,
    "GET /api/users/me": _me_by_rest,
    "POST /api/auth/verify-email/request-otp": _request_otp_by_rest,
    "POST /api/auth/verify-email/verify-otp": _verify_otp_by_rest,
    "GET /api/beta-keys": _list_keys_by_rest,
    "GET /api/beta-keys/stats": _key_stats_by_rest,
    "POST /api/beta-keys": _create_key_by_rest,
    "POST /api/beta-keys/bulk": _create_keys_by_rest,
    "DELETE /api/beta-keys/{id}": _delete_key_by_rest,
    "PATCH /api/beta-keys/{id}": _change_key_by_rest,
    "PATCH /api/beta-keys/{id}/notes": _change_notes_by_rest,
    "POST /api/beta-keys/{id}/send-invitation": _send_key_by_rest,
    "GET /api/tenant-management": _list_tenants_by_rest,
    "POST /api/tenant-management/suspend/request-otp": _request_code_by_rest("suspend"),
    "POST /api/tenant-management/suspend/verify": _use_code_by_rest("suspend"),
    "POST /api/tenant-management/delete/request-otp": _request_code_by_rest("delete"),
    "POST /api/tenant-management/delete/verify": _use_code_by_rest("delete"),
    "POST /api/tenant-management/reactivate/{id}": _reactivate_by_rest,
}

QUERY = 'query {{ validateBetaKey(key: "{key}") {{ valid }} viewer {{ email }} }}'

ACTS = [*MUTATIONS, *DOORS, "a query"]


async def ready(business: Business, act: str, token: str | None = None) -> httpx.Request:
    """The request of an act, after its preparation; `token` replaces the token of the business."""
    http, path, method = business.api.http, "/graphql", "POST"
    if act in DOORS:
        method = act.partition(" ")[0]
        path, body = await DOORS[act](business)
    elif act in MUTATIONS:
        document, variables = await MUTATIONS[act](business)
        body = {"query": document, "variables": variables}
    else:
        body = {"query": QUERY.format(key=await issue_key(business.database))}
    headers = {"authorization": f"Bearer {token or business.token}"}
    return http.build_request(method, path, json=body, headers=headers)


async def tables(database: asyncpg.Connection) -> list[str]:
    rows = await database.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'"
    )
    return [row["tablename"] for row in rows]


async def all_rows(database: asyncpg.Connection) -> dict[str, Any]:
    """All rows of all tables, without the tries of codes, which are counted even if the act fails."""
    uncounted = ("attempts", "lastUsedStep", "lastSeenAt", "seenAt")
    return {
        table: [
            {name: value for name, value in row.items() if name not in uncounted}
            for row in await database.fetch(f"SELECT * FROM {table} ORDER BY id")
        ]
        for table in await tables(database)
    }


async def keep_rows(database: asyncpg.Connection) -> str:
    """Copy the rows of all tables; returns the statements that restore them on the same connection.

    They take a few milliseconds, and the preparation of an act ten times as long, most of it for hashing.
    """
    columns = await database.fetch(
        """SELECT table_name, string_agg(quote_ident(column_name), ', ') AS names
        FROM information_schema.columns
        WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name = ANY($1) GROUP BY 1""",
        await tables(database),
    )
    restore: list[str] = []
    for table, names in columns:
        await database.execute(f"CREATE TEMPORARY TABLE kept_{table} AS TABLE {table}")
        restore.append(f"DELETE FROM {table}; INSERT INTO {table} ({names}) SELECT {names} FROM kept_{table}")
    # Triggers would refuse changes of events, and rows before those that they refer to.
    return "; ".join(["SET session_replication_role = replica", *restore, "RESET session_replication_role"])


@asynccontextmanager
async def rows_refused(database: asyncpg.Connection, table: str) -> AsyncIterator[None]:
    """Refuse all rows of a table by a constraint, whose error repeats the whole row."""
    await database.execute(f"ALTER TABLE {table} ADD CONSTRAINT unforeseen CHECK (false) NOT VALID")
    try:
        yield
    finally:
        await database.execute(f"ALTER TABLE {table} DROP CONSTRAINT unforeseen")


COMMANDS: dict[str, tuple[list[str], str | None]] = {
    "keys issue": (["--count", "2"], "beta_keys"),
    "keys list": ([], None),
    "keys show": (["KEY"], None),
    "keys update": (["KEY", "--notes", "x"], "beta_keys"),
    "keys invite": (["KEY", "eva@example.com"], "beta_keys"),
    "keys revoke": (["KEY", "--reason", "x"], "beta_keys"),
    "keys stats": ([], None),
    "keys export": ([], None),
    "keys import": (["MADE_ELSEWHERE"], "beta_keys"),
    "keys send": (["--batch", "launch", "--to", "ADDRESSES"], "beta_keys"),
    "operators add": (["eva@example.com", "--password-stdin"], "users"),
    "operators list": ([], None),
    **account_acts.COMMANDS,
    "audit": ([], None),
    "tenants list": ([], None),
    "tenants show": (["OPEN"], None),
    "tenants suspend": (["OPEN", "--reason", "unpaid"], "tenants"),
    "tenants reactivate": (["SUSPENDED"], "tenants"),
    "tenants seats": (["OPEN", "--admins", "3"], "tenants"),
    "tenants delete": (["OPEN", "--yes"], "tenants"),
    "tenants restore": (["DELETED"], "tenants"),
    "users list": ([], None),
    "users attach": (["early@example.com", "OPEN"], "users"),
    "users remove": (["early@example.com", "--yes"], "audit_events"),
    "mail failed": ([], None),
}
"""The arguments of each command, and the table that it writes to.

KEY is a beta key; OPEN, SUSPENDED and DELETED are tenants; other words in capitals are files. The standard
input of a command is a password.
"""

TENANTS = """
INSERT INTO tenants ("businessName", nit, "businessType", address, "isActive", "deletedAt") VALUES
  ('El Ahorro', 'OPEN', 'TIENDA', 'Calle 1', true, NULL),
  ('La Bodega', 'SUSPENDED', 'TIENDA', 'Calle 2', false, NULL),
  ('El Sol', 'DELETED', 'TIENDA', 'Calle 3', false, now());
INSERT INTO users (email, password, "firstName", "lastName", role)
  SELECT name || '@example.com', '', 'Eva', '', CASE name WHEN 'early' THEN 'CASHIER' ELSE 'SUPER_ADMIN' END
    FROM unnest(ARRAY['early', 'left', 'here', 'away', 'lost']) name;
UPDATE users SET "isActive" = email <> 'away@example.com',
  "secondFactorAt" = CASE email WHEN 'lost@example.com' THEN now() END
"""


async def words_of(database: asyncpg.Connection, folder: Path, command: str) -> list[str]:
    """The words of a command, after its preparation."""
    key = await issue_key(database)
    await database.execute("UPDATE beta_keys SET batch = 'launch'")
    await database.execute(TENANTS)
    (folder / "ADDRESSES").write_text("eva@example.com\n")
    (folder / "MADE_ELSEWHERE").write_text("\n".join(["key", *generate_keys(2)]))
    given = {"KEY": key} | {name: str(folder / name) for name in ("ADDRESSES", "MADE_ELSEWHERE")}
    arguments, _ = COMMANDS[command]
    return [*command.split(), *(given.get(argument, argument) for argument in arguments)]


async def run(words: list[str]) -> tuple[int, str]:
    """The exit code, and standard error."""
    ended = await asyncio.to_thread(run_command, "gatehouse", *words, typed=f"{PASSWORD}\n")
    return ended.returncode, ended.stderr
