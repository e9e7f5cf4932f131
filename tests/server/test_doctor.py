"""`gatehouse doctor`: it finds what is wrong with a deployed server, one line for each check."""

import asyncio
import json
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
import trustme

from api.database.embedded import EmbeddedServer
from api.server.doctor import database as database_checks
from api.server.doctor.accounts import check_operators
from api.server.doctor.check import Check, Finding, run_check
from api.server.doctor.database import check_clock, check_connections, check_version
from api.server.doctor.machine import check_disk, check_limits_store
from api.server.doctor.mail import check_mail_queue, check_mail_server
from api.server.doctor.public_address import check_public_url, check_trusted_proxies
from api.settings import get_settings
from tests.account_acts import turn_on
from tests.commands import run_command
from tests.http_proxy import Mode, http_proxy
from tests.mail.queue import queue
from tests.mail.smtp import MailServer
from tests.pgbouncer import pgbouncer
from tests.server.serving import Start
from tests.support import Api, GatehouseProcess, free_port, hire

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-metrics-hunter2"

SECRETS = ("hunter2", "hunter3", "hunter4")


class Diagnosis(NamedTuple):
    code: int
    statuses: dict[str, str]
    messages: dict[str, str]

    def failed(self) -> set[str]:
        return {check for check, status in self.statuses.items() if status == "failure"}


async def diagnose(*options: str, **environment: str) -> Diagnosis:
    done = await asyncio.to_thread(
        run_command, "gatehouse", "doctor", "--json", *options, **{"RATE_LIMITS": "on", **environment}
    )
    assert done.stderr == ""
    assert [secret for secret in SECRETS if secret in done.stdout] == []
    findings = json.loads(done.stdout)["checks"]
    messages = {finding["check"]: finding["message"] for finding in findings}
    assert [message for message in messages.values() if "\n" in message or "Traceback" in message] == []
    statuses = {finding["check"]: finding["status"] for finding in findings}
    worst = 1 if "failure" in statuses.values() else 3 if "warning" in statuses.values() else 0
    assert done.returncode == worst
    return Diagnosis(done.returncode, statuses, messages)


async def finding(check: Check) -> Finding:
    return await run_check("it", check, get_settings(), 20)


@pytest.fixture
async def smtp() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


# A whole deploy


async def test_a_well_deployed_server_has_no_findings_and_gets_a_test_mail(
    start: Start, migrated_database: str, smtp: MailServer
) -> None:
    environment = {
        "DATABASE_URL": migrated_database,
        "TRUSTED_PROXIES": "127.0.0.1",
        "METRICS_TOKEN": TOKEN,
        "SMTP_URL": smtp.url.replace("smtp://", "smtp://beta:hunter3@"),
        "MAIL_FROM": "Gatehouse <beta@example.com>",
    }
    process = await asyncio.to_thread(start, **environment)
    async with http_proxy(process.port, "append", "198.51.100.7") as url:
        found = await diagnose("--mail-to", "ana@example.com", PUBLIC_URL=url, **environment)
        again = await asyncio.to_thread(
            run_command, "gatehouse", "doctor", **environment, PUBLIC_URL=url, RATE_LIMITS="on"
        )

    assert found.code == 0, found.messages
    assert set(found.statuses.values()) == {"ok"}
    assert "this machine counts as 198.51.100.7" in found.messages["trusted proxies"]
    (message,) = smtp.accepted
    assert (message["To"], message["From"]) == ("ana@example.com", "Gatehouse <beta@example.com>")
    assert again.returncode == 0
    assert [line.split()[0] for line in again.stdout.splitlines()] == ["ok"] * len(found.statuses)


async def test_the_checks_go_on_when_some_fail(server: EmbeddedServer, empty_database: str) -> None:
    """A role that bypasses row security, an empty database, and nothing behind the other addresses."""
    name = empty_database.split("?")[0].rsplit("/", 1)[1]
    found = await diagnose(
        DATABASE_URL=server.dsn(user="postgres", database=name),
        SMTP_URL=f"smtp://beta:hunter3@127.0.0.1:{free_port()}",
        MAIL_FROM="beta@example.com",
        RATE_LIMIT_STORAGE=f"redis://:hunter4@127.0.0.1:{free_port()}/0",
        PUBLIC_URL=f"http://127.0.0.1:{free_port()}",
        DB_SYNC="on",
    )

    assert found.failed() == {
        "role", "migrations", "mail queue", "mail server", "public address", "trusted proxies", "limits store"
    }  # fmt: skip
    assert found.statuses["schema"] == found.statuses["settings"] == "warning"
    assert "CREATE ROLE gatehouse LOGIN" in found.messages["role"]
    assert "run: ./predeploy.sh" in found.messages["migrations"]
    assert "check SMTP_URL" in found.messages["mail server"]
    assert "check PUBLIC_URL" in found.messages["public address"]
    assert "check RATE_LIMIT_STORAGE" in found.messages["limits store"]


async def test_missing_rights_a_changed_schema_and_a_read_only_database_are_named(
    server: EmbeddedServer, migrated_database: str
) -> None:
    name = migrated_database.split("?")[0].rsplit("/", 1)[1]
    connection = await asyncpg.connect(server.dsn(user="postgres", database=name))
    await connection.execute("REVOKE INSERT, UPDATE ON users FROM gatehouse; DROP INDEX beta_keys_key")
    first = await diagnose(DATABASE_URL=migrated_database)
    await connection.execute(
        f"ALTER SCHEMA public OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC, gatehouse;"
        f" ALTER DATABASE {name} OWNER TO postgres;"
        f" ALTER DATABASE {name} SET default_transaction_read_only = on"
    )
    await connection.close()
    second = await diagnose(DATABASE_URL=migrated_database)
    connection = await asyncpg.connect(server.dsn(user="postgres", database="postgres"))
    await connection.execute(f"ALTER DATABASE {name} OWNER TO gatehouse")
    await connection.close()

    assert first.failed() == {"rights", "schema"}
    assert first.messages["rights"].endswith("run: GRANT INSERT, UPDATE ON users TO gatehouse")
    assert "see: gatehouse db verify" in first.messages["schema"]
    assert first.statuses["mail server"] == first.statuses["trusted proxies"] == "warning"
    assert {"rights", "writes"} <= second.failed()
    assert "GRANT CREATE ON SCHEMA public TO gatehouse" in second.messages["rights"]
    assert "read-only" in second.messages["writes"]


async def test_a_pooler_in_transaction_mode_is_named(migrated_database: str, tmp_path: Path) -> None:
    with pgbouncer(migrated_database, tmp_path, "transaction") as dsn:
        found = await diagnose(DATABASE_URL=dsn)

    assert "pooler" in found.failed()
    assert "the address of PostgreSQL itself" in found.messages["pooler"]


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield listener.getsockname()[1]


@pytest.mark.slow
async def test_servers_that_do_not_answer_take_a_bounded_time(black_hole: int) -> None:
    found = await diagnose(
        "--timeout=0.5",
        DATABASE_URL=f"postgresql://beta:hunter2@127.0.0.1:{black_hole}/beta",
        SMTP_URL=f"smtp://beta:hunter3@127.0.0.1:{black_hole}",
        MAIL_FROM="beta@example.com",
        RATE_LIMIT_STORAGE=f"redis://:hunter4@127.0.0.1:{black_hole}",
        PUBLIC_URL=f"https://127.0.0.1:{black_hole}",
    )

    waited = {check for check, message in found.messages.items() if message == "no answer within 0.5 s"}
    assert waited == {"database", "mail server", "public address", "trusted proxies", "limits store"}
    assert [check for check, status in found.statuses.items() if status == "skipped"] == ["others"]
    assert found.messages["others"].startswith("not checked without the database: server version, role, ")
    assert not {"clock", "migrations", "mail queue"} & found.statuses.keys()
    assert found.statuses["disk"] == "ok"


async def test_a_wrong_setting_is_the_only_finding() -> None:
    found = await diagnose(DATABASE_URL="postgresql://beta:hunter2@db.internal:port/beta")

    assert found.failed() == {"settings"} == found.statuses.keys()
    assert "DATABASE_URL: must be like" in found.messages["settings"]


# Proxies


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatehouseProcess]:
    """A server that trusts proxies on this machine; for some tests the doctor's settings differ."""
    log = tmp_path_factory.mktemp("doctor") / "gatehouse.log"
    process = GatehouseProcess(log, TRUSTED_PROXIES="127.0.0.0/8", METRICS_TOKEN=TOKEN)
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize(
    ("trusted", "mode", "forwarded", "token", "expected"),
    [
        ("127.0.0.0/8", "append", "198.51.100.7", TOKEN, ("ok", "198.51.100.7, through a proxy")),
        ("127.0.0.0/8", "append", "198.51.100.7", "", ("ok", "this machine counts as 198.51.100.7")),
        ("127.0.0.0/8", "replace", "198.51.100.7", TOKEN, ("ok", "198.51.100.7, through a proxy")),
        # Another proxy comes first, as Cloudflare does on Render.
        ("127.0.0.0/8", "append", "198.51.100.7, 104.22.17.40", TOKEN, ("failure", "networks of: 104.22.")),
        ("", "append", "198.51.100.7", TOKEN, ("failure", "the networks of: 127.0.0.1")),
        ("", "append", "198.51.100.7", "", ("warning", "TRUSTED_PROXIES is not set")),
        # Clients with an address that is trusted.
        ("127.0.0.0/8", "append", "127.9.9.9", TOKEN, ("failure", "a client can choose its address")),
        ("127.0.0.0/8", "pass on", "", TOKEN, ("warning", "127.0.0.1, this machine, is in TRUSTED")),
        ("10.0.0.0/8", "pass on", "", "", ("failure", "a client can choose its address: the proxy")),
    ],
)
async def test_the_address_of_clients_is_checked_through_the_proxy(
    trusting: GatehouseProcess,
    settings: Callable[..., None],
    trusted: str,
    mode: Mode,
    forwarded: str,
    token: str,
    expected: tuple[str, str],
) -> None:
    async with http_proxy(trusting.port, mode, forwarded) as url:
        settings(PUBLIC_URL=url, TRUSTED_PROXIES=trusted, METRICS_TOKEN=token)
        found = await finding(check_trusted_proxies)

    assert (found.status, expected[1] in found.message) == (expected[0], True), found.message


async def test_a_certificate_is_verified_before_the_token_is_sent(
    trusting: GatehouseProcess,
    settings: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with http_proxy(trusting.port, "append", "198.51.100.7", tls) as url:
        settings(PUBLIC_URL=url, TRUSTED_PROXIES="127.0.0.0/8", METRICS_TOKEN=TOKEN)
        unknown = await finding(check_public_url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        known = await finding(check_trusted_proxies)

    assert (unknown.status, "CERTIFICATE_VERIFY_FAILED" in unknown.message) == ("failure", True)
    assert (known.status, known.message) == ("ok", "this machine counts as 198.51.100.7, through a proxy")


async def test_an_address_that_does_not_lead_to_gatehouse_is_named(
    trusting: GatehouseProcess, settings: Callable[..., None]
) -> None:
    """Another program, and another path."""
    async with asyncio.timeout(20):
        other = await asyncio.start_server(_answer_with_a_redirect, "127.0.0.1", 0)
        settings(PUBLIC_URL=f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}")
        found = await finding(check_public_url)
        other.close()

    assert found.status == "failure"
    assert "/client-address answers 301" in found.message


async def _answer_with_a_redirect(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Basic {TOKEN}"])
async def test_strangers_learn_their_own_address_only(
    api: Api, settings: Callable[..., None], authorization: str | None
) -> None:
    settings(METRICS_TOKEN=TOKEN, TRUSTED_PROXIES="10.0.0.0/8")
    headers = {"x-forwarded-for": "192.0.2.1, 198.51.100.7, 10.0.0.9"}
    if authorization is not None:
        headers["authorization"] = authorization

    response = await api.at("10.0.0.1").http.get("/client-address", headers=headers)

    assert response.json() == {"address": "198.51.100.7"}
    assert response.headers["cache-control"] == "no-store"


# Single checks


async def test_a_refused_test_mail_is_shown_without_the_password_that_the_server_repeats(
    smtp: MailServer, settings: Callable[..., None]
) -> None:
    settings(SMTP_URL=smtp.url.replace("//", "//beta:hunter%2B3@"), MAIL_FROM="beta@example.com")
    smtp.recipient_answers = ["550 no mail for hunter+3 here"]

    refused = await finding(lambda: check_mail_server("ana@example.com"))
    wrong = await finding(lambda: check_mail_server("nobody"))

    assert (refused.status, wrong.status) == ("failure", "failure")
    assert "550 no mail for … here; check MAIL_FROM" in refused.message
    assert wrong.message.startswith("--mail-to: ")
    assert smtp.accepted == []


async def test_overdue_and_failed_mails_are_found(
    pool: None, database: asyncpg.Connection, settings: Callable[..., None], smtp: MailServer
) -> None:
    settings(SMTP_URL=smtp.url, MAIL_FROM="beta@example.com")
    await queue()
    fresh = await finding(check_mail_queue)
    await database.execute("""UPDATE mails SET "dueAt" = now() - interval '6 minutes'""")
    overdue = await finding(check_mail_queue)
    await database.execute("""UPDATE mails SET "failedAt" = now()""")
    failed = await finding(check_mail_queue)

    assert (fresh.status, fresh.message) == ("ok", "1 waiting, 0 failed")
    assert (overdue.status, "run gatehouse worker" in overdue.message) == ("failure", True)
    assert (failed.status, "gatehouse mail failed" in failed.message) == ("warning", True)


async def test_operators_without_a_second_factor_are_found(
    pool: None, database: asyncpg.Connection, settings: Callable[..., None]
) -> None:
    """Staff and operators without access do not count; one that signs in with the password alone does."""
    outcomes: list[tuple[str, str]] = []

    async def check(setting: str) -> None:
        settings(OPERATOR_SECOND_FACTOR=setting)
        found = await finding(check_operators)
        outcomes.append((found.status, found.message))

    await hire(database, None, "ADMIN")
    await hire(database, None, "SUPER_ADMIN", isActive=False)
    await turn_on(database, (await hire(database, None, "SUPER_ADMIN")).email)
    await check("optional")
    await hire(database, None, "SUPER_ADMIN")
    for setting in ("optional", "required", "off"):
        await check(setting)

    assert outcomes == [
        ("ok", "every operator has a second factor"),
        ("warning", "1 without a second factor; set OPERATOR_SECOND_FACTOR to required"),
        ("ok", "1 without a second factor must set one up at the next sign-in"),
        (
            "warning",
            "OPERATOR_SECOND_FACTOR is off, so a password alone can do everything; set it to required",
        ),
    ]


async def test_a_wrong_clock_an_untested_server_and_too_few_connections_are_found(
    pool: None, monkeypatch: pytest.MonkeyPatch, settings: Callable[..., None]
) -> None:
    settings(WORKERS="100", DB_POOL_SIZE="100")
    connections = await finding(check_connections)
    monkeypatch.setattr(database_checks, "NEWEST", 13)
    newer = await finding(check_version)
    monkeypatch.setattr(database_checks, "OLDEST", 99)
    older = await finding(check_version)
    statuses: list[str] = []
    actual = time.time
    for seconds in (0, -3, 20, -100):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: actual() + seconds)
        statuses.append((await finding(check_clock)).status)

    assert (connections.status, "lower DB_POOL_SIZE to" in connections.message) == ("warning", True)
    assert (newer.status, older.status) == ("warning", "failure")
    assert statuses == ["ok", "ok", "warning", "failure"]


async def test_a_full_disk_and_a_folder_that_cannot_be_written_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Callable[..., None]
) -> None:
    (tmp_path / "file").touch()
    settings(GATEHOUSE_HOME=str(tmp_path / "new" / "home"))
    statuses: list[str] = []
    for free in (10**9, 10**8, 10**6):
        usage: Any = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, usage=usage: usage)
        statuses.append((await finding(check_disk)).status)
    settings(GATEHOUSE_HOME=str(tmp_path / "file"))
    unwritable = await finding(check_disk)

    assert statuses == ["ok", "warning", "failure"]
    assert (unwritable.status, "set GATEHOUSE_HOME to a folder" in unwritable.message) == ("failure", True)


async def test_limits_that_do_not_hold_are_found(settings: Callable[..., None]) -> None:
    settings(RATE_LIMITS="off")
    off = await finding(check_limits_store)
    settings(RATE_LIMITS="on", WORKERS="4")
    separate = await finding(check_limits_store)

    assert (off.status, separate.status) == ("warning", "warning")
    assert "set RATE_LIMIT_STORAGE" in separate.message
