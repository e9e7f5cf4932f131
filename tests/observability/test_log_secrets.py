"""The log contains no password, token, code or whole key, for any act and any failure.

Every mutation, REST endpoint and command is run. A new one fails here until it is in the tables. The tests
search the log records before masking.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import typer.main

from api.cli import app as command_line
from api.domain.beta_keys.issue import generate_keys
from api.rest.routes import routes
from api.schema.schema import schema
from tests.acts import (
    ACTS,
    COMMANDS,
    DOORS,
    MUTATIONS,
    SECRETS,
    keep_rows,
    open_business,
    ready,
    rows_refused,
    run,
    tables,
    words_of,
)
from tests.authenticator import ORIGIN
from tests.support import PASSWORD, REGISTER, Api, Settings, everything, issue_key, registration

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _public_url(settings: Settings) -> None:
    """Passkeys are bound to it."""
    settings(PUBLIC_URL=ORIGIN)


def found_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The secrets in all log records of any level; httpx is the client of these tests."""
    logged = everything(record for record in caplog.records if not record.name.startswith("http"))
    return SECRETS.findall(logged)


# The acts


def test_every_mutation_and_rest_endpoint_is_in_the_tables() -> None:
    mutation = schema._schema.mutation_type
    assert mutation is not None
    assert MUTATIONS.keys() == mutation.fields.keys()
    endpoints = {
        f"{method} {route.path}"
        for route in routes(max_seconds=1)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert DOORS.keys() == endpoints


# Failures

READS = ("a query", "GET /api/beta-keys/validate/{key:path}")

CENTRAL = ("register", "login", "changePassword", "resetPassword", *READS)

FAILING = [
    pytest.param(act, marks=[] if act in CENTRAL else pytest.mark.slow)
    for act in (*MUTATIONS, *READS, "POST /api/auth/register", "POST /api/auth/login")
]
"""Acts that are tried with failures. Other REST endpoints call the functions of these mutations."""


@asynccontextmanager
async def values_refused(database: asyncpg.Connection, table: str, column: str) -> AsyncIterator[None]:
    """Make a column accept numbers only: the driver's error repeats the value that it cannot send."""
    await database.execute(f'ALTER TABLE {table} RENAME COLUMN "{column}" TO away')
    await database.execute(f'ALTER TABLE {table} ALTER away DROP NOT NULL, ADD COLUMN "{column}" integer')
    try:
        yield
    finally:
        await database.execute(f'ALTER TABLE {table} DROP COLUMN "{column}", ALTER away SET NOT NULL')
        await database.execute(f'ALTER TABLE {table} RENAME COLUMN away TO "{column}"')
        # Connections cache the type of the column, which would affect the next test.
        await database.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'application'"
        )
        # The pool notices this before the next request.
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("act", ACTS)
async def test_an_act_leaves_no_secret_in_the_log(
    api: Api, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture, act: str
) -> None:
    """First a successful act, then the same with a wrong token."""
    caplog.set_level(logging.DEBUG)
    async with open_business(api, database) as business:
        request = await ready(business, act)
    restore = await keep_rows(database)
    answer = await api.http.send(request)
    await database.execute(restore)
    headers = {**request.headers, "authorization": f"Bearer {'x' * 43}"}
    await api.http.request(request.method, request.url, content=request.content, headers=headers)

    assert answer.status_code in (200, 201)
    assert "errors" not in answer.json()
    assert '"code":' not in answer.text, answer.text
    assert found_in(caplog) == []


@pytest.mark.parametrize("act", FAILING)
async def test_an_act_that_fails_on_any_table_leaves_no_secret(
    api: Api, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture, act: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_business(api, database) as business:
        request = await ready(business, act)
    restore = await keep_rows(database)
    failed = 0
    for table in await tables(database):
        async with rows_refused(database, table):
            failed += '"INTERNAL"' in (await api.http.send(request)).text
        await database.execute(restore)

    assert failed > 0 or act in READS
    assert found_in(caplog) == []


@pytest.mark.parametrize("act", FAILING)
async def test_an_act_that_loses_its_connection_leaves_no_secret(
    api: Api, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture, act: str
) -> None:
    """The connection is lost after the statement was sent."""
    caplog.set_level(logging.DEBUG)
    async with open_business(api, database) as business:
        request = await ready(business, act)
    restore = await keep_rows(database)
    for table in await tables(database):
        async with database.transaction():
            await database.execute(f"LOCK TABLE {table}")
            sending = asyncio.create_task(api.http.send(request))
            while not sending.done():
                await database.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
                await asyncio.wait([sending], timeout=0.01)
        await database.execute(restore)

    assert [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert found_in(caplog) == []


@pytest.mark.parametrize(
    ("table", "column", "acts"),
    [
        ("beta_keys", "key", ["register", "a query", "/api/beta-keys/validate/{key:path}"]),
        ("sessions", "tokenDigest", ["login", "a query", "logout"]),
        ("one_time_codes", "codeDigest", ["requestPasswordReset"]),
        ("mails", "values", ["requestPasswordReset", "requestEmailVerification"]),
    ],
)
async def test_a_value_that_cannot_be_sent_is_not_repeated(
    api: Api,
    database: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
    table: str,
    column: str,
    acts: list[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    requests: dict[str, httpx.Request] = {}
    for act in acts:
        async with open_business(api, database) as business:
            requests[act] = await ready(business, act)
    async with values_refused(database, table, column):
        for act, request in requests.items():
            text = (await api.http.send(request)).text
            # By PostgreSQL, which has no operator for the types, or by the driver.
            assert '"UNAVAILABLE"' in text or '"INTERNAL"' in text, act

    assert found_in(caplog) == []


# Refused requests


def garbage(key: str, token: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests that are refused before any act, with secrets in every part."""
    json = {"content-type": "application/json"}
    form = registration(key)
    return [
        ("POST", "/graphql", {"content": b'{"query": "{ x }", "password": "Sup3r!secret', "headers": json}),
        ("POST", "/graphql", {"content": f"{key} {token}".encode(), "headers": json}),
        ("POST", "/graphql", {"data": {"password": PASSWORD}}),
        ("POST", "/graphql", {"json": {"query": f"{{ {PASSWORD} }}"}}),
        ("POST", "/graphql", {"json": {"query": f'{{ viewer(key: "{key}") {{ id }} }}'}}),
        ("POST", "/graphql", {"json": {"query": "{ viewer { id } }", "operationName": token}}),
        ("POST", "/graphql", {"json": {"query": REGISTER, "variables": {"i": {**form, "nit": [PASSWORD]}}}}),
        ("POST", "/graphql", {"json": {"query": REGISTER, "variables": {"i": {PASSWORD: token}}}}),
        ("POST", "/graphql", {"json": {"query": REGISTER, "variables": {key: form}}}),
        ("POST", "/graphql", {"json": {"query": REGISTER, "variables": [PASSWORD]}}),
        ("GET", f'/graphql?query={{validateBetaKey(key:"{key}"){{valid nothing}}}}', {}),
        ("GET", f"/graphql?query={{viewer{{id}}}}&variables={key}", {}),
        ("PUT", f"/graphql?{key}", {"headers": {"authorization": token}}),
        ("GET", f"/{key}", {}),
        ("POST", f"/api/beta-keys/validate/{key}", {}),
        ("POST", "/api/auth/login", {"content": b'{"password": "Sup3r!secret', "headers": json}),
        ("POST", "/api/auth/login", {"json": {"email": token, "password": [PASSWORD]}}),
        ("POST", "/api/auth/login", {"json": {"email": "a@example.com", "password": "Wr0ng!"}}),
        ("POST", "/api/auth/register", {"json": [PASSWORD, key]}),
        ("POST", "/api/auth/register", {"json": {**form, "email": token}}),
        ("POST", "/api/auth/register", {"content": PASSWORD.encode(), "headers": {"content-type": key}}),
    ]


async def test_refused_requests_leave_no_secret(
    api: Api, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for method, path, request in garbage(await issue_key(database), "t" * 43):
        response = await api.http.request(method, path, **request)
        assert response.status_code >= 400 or "errors" in response.json(), (method, path, request)

    assert found_in(caplog) == []


# Commands


def _commands(group: Any, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= _commands(command, f"{prefix}{name} ")
        else:
            found.add(f"{prefix}{name}")
    return found


NO_SECRETS = {
    "operators second-factor": "asks for a code; see tests/domain/accounts/second_factors",
    "serve": "is what the tests above run",
    "worker": "its log is searched in tests/mail/test_worker.py",
    "health": "asks the server and the workers of this machine, without secrets",
    "smoke": "asks a server without secrets",
    "doctor": "prints no secret, as tests/server/test_doctor.py looks at",
    "db status": "knows migrations",
    "db verify": "knows tables and columns",
    "db adopt": "tells ids and columns, as tests/deploy/adoption looks at",
    "db sql": "knows migrations",
    "db contract": "writes a migration",
    "db squash": "writes a migration",
    "db forget": "knows tables",
    "db dump": "tells numbers of rows",
    "db upgrade": "tells folders and versions",
    "db restore": "tells numbers of rows; for refused rows see tests/deploy/backup",
}


def test_every_command_is_in_the_table() -> None:
    assert _commands(typer.main.get_command(command_line)) == COMMANDS.keys() | NO_SECRETS.keys()


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_leaves_no_secret_on_standard_error(
    database: asyncpg.Connection, tmp_path: Path, command: str
) -> None:
    """A scheduler logs standard error; the output of the command is on standard output."""
    _, table = COMMANDS[command]
    words = await words_of(database, tmp_path, command)

    if table is not None:
        async with rows_refused(database, table):
            code, output = await run(words)
        assert (code, "unforeseen" in output) == (1, True)
        assert SECRETS.findall(output) == []
    code, output = await run(words)
    assert (code, SECRETS.findall(output)) == (0, [])


def test_the_search_finds_secrets() -> None:
    for secret in (
        *generate_keys(1),
        *(key.lower() for key in generate_keys(1)),
        "a" * 43,
        "code 482913",
        PASSWORD,
        "$argon2id$",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "ABCD-EFGH-JKMN-PQRS",
    ):
        assert SECRETS.search(f"told {secret} to all"), secret


@pytest.mark.parametrize(
    "identifier", ["d1f0b6a2-2448-4224-9582-0f5c6a7b8c9d", "12345678-2448-4224-9582-123456789012"]
)
def test_an_id_is_no_secret(identifier: str) -> None:
    """One id in 2,000 has three groups without a letter in its middle, which look like a code."""
    assert SECRETS.findall(f"Id('{identifier}')") == []
