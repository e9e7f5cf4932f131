"""DATABASE_URL as hosts hand it out: each parameter is honoured, ignored, or refused with what to do."""

import logging
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.database.driver_errors import DatabaseUnavailable
from api.database.engine import create_engine
from api.database_address import read_database_address
from api.settings import Settings, SettingsError, get_settings
from tests.commands import run_command

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _fresh_settings() -> None:
    get_settings.cache_clear()


PLAIN = {"host": ["db"], "port": [5432], "user": "ana", "password": "pw", "database": "beta"}

PLACES = {
    "postgres://ana:pw@db/beta": {},
    "POSTGRESQL://ana:pw@db:5432/beta": {},
    "postgresql+asyncpg://ana:pw@db/beta": {},
    "jdbc:postgresql://db/beta?user=ana&password=pw": {},
    "'postgres://ana:pw@db/beta'": {},
    "psql 'postgres://ana:pw@db/beta'": {},
    "\u200bpostgres://ana:pw@db/beta ": {},
    "postgres://ana:p%40w@db/beta": {"password": "p@w"},
    "postgres://ana:p@w@db/beta": {"password": "p@w"},
    "postgres://ana:p/w@db/beta": {"password": "p/w"},
    "postgres://ana:p#w@db/beta": {"password": "p#w"},
    "postgres://ana:p?w@db/beta": {"password": "p?w"},
    "postgres://ana:p:w+%@db/beta": {"password": "p:w+%"},
    "postgres://ana:@@/#?:@db:6543/beta": {"password": "@@/#?:", "port": [6543]},
    "postgres://ana:12/4@db/beta": {"password": "12/4"},
    "postgres://ana:p@w/x@db/beta?application_name=a@b": {"password": "p@w/x"},
    "postgres://ana@server:pw@db/beta": {"user": "ana@server"},
    "postgres://ana:pw@[::1]:6000/beta": {"host": ["::1"], "port": [6000]},
    "postgres://ana:pw@a,b:6000/beta": {"host": ["a", "b"], "port": [5432, 6000]},
    "postgres://ana:pw@%2Frun%2Fpg/beta": {"host": ["/run/pg"]},
    "postgres://ana:pw@/beta?host=/run/pg&port=6000": {"host": ["/run/pg"], "port": [6000]},
    "postgres://ana:pw@db/?dbname=beta": {},
    "postgres://ana:pw@db/beta?hostaddr=10.0.0.7": {"host": ["10.0.0.7"]},
}


@pytest.mark.parametrize("url", PLACES)
def test_an_address_names_one_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    arguments = _engine_config()

    assert {name: arguments[name] for name in PLAIN} == PLAIN | PLACES[url]


def _engine_config() -> dict[str, Any]:
    return create_engine(Settings()).role.arguments


DRIVER: dict[str, dict[str, list[str]]] = {
    "sslmode=require": {"sslmode": ["require"]},
    "sslmode=no-verify": {"sslmode": ["require"]},
    "ssl=true": {"sslmode": ["require"]},
    "ssl=require": {"sslmode": ["require"]},
    "ssl=false": {"sslmode": ["disable"]},
    "requiressl=1": {"sslmode": ["require"]},
    "requiressl=0": {},
    "target_session_attrs=read-write": {"target_session_attrs": ["read-write"]},
    "sslmode=verify-full&sslrootcert={pem}": {"sslmode": ["verify-full"], "sslrootcert": ["{pem}"]},
    "ssl_min_protocol_version=TLSv1.3": {"ssl_min_protocol_version": ["TLSv1.3"]},
    "passfile=/etc/pgpass&krbsrvname=pg": {"passfile": ["/etc/pgpass"], "krbsrvname": ["pg"]},
}


@pytest.mark.parametrize("query", DRIVER)
def test_parameters_of_the_driver_reach_it(query: str, tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.touch()

    address = read_database_address(f"postgres://db/beta?{query.format(pem=pem)}")

    passed = parse_qs(urlsplit(address.arguments["dsn"]).query)
    assert passed == {name: [v.format(pem=pem) for v in values] for name, values in DRIVER[query].items()}
    assert "server_settings" not in address.arguments


def test_the_certificates_of_the_system_verify_the_host() -> None:
    context = read_database_address("postgres://db/beta?sslrootcert=system").arguments["ssl"]

    assert isinstance(context, ssl.SSLContext)
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


SERVER = {
    "application_name=shop": {"application_name": "shop"},
    "fallback_application_name=shop": {"application_name": "shop"},
    "application_name=a&fallback_application_name=b": {"application_name": "a"},
    "options=-c%20jit%3Doff": {"options": "-c jit=off"},
    "options=-c+jit%3Doff": {"options": "-c jit=off"},
    "schema=public": {},
    'schema=my"shop': {"search_path": '"my""shop"'},
    "lock_timeout=5s": {"lock_timeout": "5s"},
}


@pytest.mark.parametrize("query", SERVER)
def test_settings_of_the_server_reach_it(query: str) -> None:
    arguments = read_database_address(f"postgres://db/beta?{query}").arguments

    assert arguments.get("server_settings", {}) == SERVER[query]


IGNORED = (
    "channel_binding=require", "channel_binding=prefer", "keepalives=1", "keepalives_idle=30",
    "keepalives_interval=10", "keepalives_count=5", "tcp_user_timeout=9", "gssencmode=disable",
    "gssencmode=prefer", "sslsni=1", "sslcompression=0", "sslcertmode=allow", "load_balance_hosts=random",
    "client_encoding=UTF8", "min_protocol_version=3.0", "max_protocol_version=latest", "gssdelegation=0",
    "connection_limit=5", "pool_timeout=10", "uselibpqcompat=true", "supa=base-pooler.x",
)  # fmt: skip


@pytest.mark.parametrize("query", IGNORED)
def test_a_parameter_without_effect_is_ignored_with_a_debug_line(
    query: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://ana:pw@db/beta?{query}")
    caplog.set_level(logging.DEBUG)

    config = _engine_config()

    assert config == {**PLAIN, "dsn": "postgresql://?"}
    assert [line.getMessage() for line in caplog.records if line.name == "api.database.roles"] == [
        f"DATABASE_URL: {query.split('=')[0]} has no effect"
    ]


UNNAMED = {
    "pgbouncer=true": 0,
    "statement_cache_size=0": 0,
    "statement_cache_size=200": 200,
    "prepareThreshold=0": 0,
    "pgbouncer=false": None,
}


@pytest.mark.parametrize("query", UNNAMED)
def test_named_prepared_statements_can_be_switched_off(query: str) -> None:
    arguments = read_database_address(f"postgres://db/beta?{query}").arguments

    assert arguments.get("statement_cache_size") == UNNAMED[query]


def test_connect_timeout_is_honoured() -> None:
    assert read_database_address("postgres://db/beta?connect_timeout=3").connect_timeout == 3
    assert read_database_address("postgres://db/beta?connect_timeout=0").connect_timeout is None


REFUSED = {
    "?sslmode=sometimes": "sslmode must be one of disable, allow",
    "?ssl=maybe": "sslmode must be one of",
    "?sslmode=verify-full": "sslmode=verify-full needs sslrootcert=system, or a file",
    "?sslmode=require&sslrootcert=system": "sslrootcert=system needs sslmode=verify-full",
    "?sslrootcert=system&sslcert=/x": "name a file with certificates as sslrootcert",
    "?sslrootcert=/no/such": "sslrootcert must name a file that can be read",
    "?sslmode=require&sslcert=/no/such": "sslcert must name a file that can be read",
    "?sslkey=/no/such": "sslkey must name a file that can be read",
    "?sslcrl=/": "sslcrl must name a file that can be read",
    "?sslcrldir=/etc": "sslcrldir cannot be honoured; use sslcrl",
    "?gssencmode=require": "gssencmode cannot be honoured; only TLS encrypts",
    "?client_encoding=LATIN1": "client_encoding cannot be honoured",
    "?min_protocol_version=3.2": "min_protocol_version cannot be honoured",
    "?require_auth=scram-sha-256": "require_auth cannot be honoured",
    "?requirepeer=postgres": "requirepeer cannot be honoured",
    "?replication=database": "replication cannot be honoured",
    "?servicefile=/x": "servicefile cannot be honoured; set the variable PGSERVICEFILE",
    "?scram_client_key=x": "scram_client_key cannot be honoured; use a password",
    "?oauth_issuer=x": "oauth_issuer cannot be honoured; use a password",
    "?sslaccept=strict": "sslaccept cannot be honoured; use sslmode=verify-full",
    "?connect_timeout=soon": "connect_timeout must be a number of seconds",
    "?statement_cache_size=few": "statement_cache_size must be a number",
    "?port=99999": "each port must be a number between 1 and 65535",
    "?port=1,2": "each port must be a number between 1 and 65535, one for each host",
    "?hostaddr=10.0.0.7&sslmode=verify-full": "remove hostaddr",
    "?application_name=%ff": "its percent-encoding must be that of UTF-8",
    "?application_name=%00": "must be like postgresql://",
    "?sslmode": "must be like postgresql://",
    "?=x": "must be like postgresql://",
    "#fragment": "must be like postgresql://",
}


@pytest.mark.parametrize("end", REFUSED)
def test_what_cannot_be_honoured_is_named_with_what_to_do(
    end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", f"postgres://ana:hunter2@db/beta{end}")

    with pytest.raises(SettingsError) as raised:
        get_settings()

    assert str(raised.value).startswith("DATABASE_URL: ")
    assert REFUSED[end] in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


CONNECTING = {
    "?options=endpoint%3Dx": "DATABASE_URL: invalid command-line argument for server process: endpoint=x",
    "?options=-c%20jit%3Doff%20-c%20nothing.x%20": "DATABASE_URL: ",
    "?no_such=1": 'DATABASE_URL: unrecognized configuration parameter "no_such"',
    "?statement_timeout=soon": 'DATABASE_URL: invalid value for parameter "statement_timeout"',
    "?wal_level=logical": 'DATABASE_URL: parameter "wal_level" cannot be changed',
    "?session_preload_libraries=x": "DATABASE_URL: permission denied to set parameter",
    "?target_session_attrs=standby": "cannot be reached",
    "?target_session_attrs=sideways": "DATABASE_URL: target_session_attrs is expected",
    "?ssl_min_protocol_version=TLSv9&sslmode=require": "DATABASE_URL: ",
    "?sslnegotiation=odd": "DATABASE_URL: `sslnegotiation` parameter must be one of",
    "?gsslib=odd": "DATABASE_URL: gsslib parameter must be",
    "?user=nobody": "cannot be reached",
    "?host=/no/such/folder": "cannot be reached",
    "?host=%2F" + "x" * 200: "cannot be reached",
    "?hostaddr=300.1.1.1": "cannot be reached",
    f"?host={'x' * 70}.example": "DATABASE_URL: encoding with 'idna' codec failed",
}


@pytest.mark.parametrize("end", CONNECTING)
async def test_what_the_driver_or_the_server_rejects_is_one_line(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role is added if the address has none, because the embedded server has no role for a root user."""
    dsn = get_settings().database_url
    assert dsn is not None
    location = urlsplit(dsn.get_secret_value())
    wanted = parse_qs(end[1:], keep_blank_values=True)
    kept = "&".join(part for part in location.query.split("&") if part.split("=")[0] not in wanted)
    role = "" if "user" in wanted else "gatehouse@"
    monkeypatch.setenv("DATABASE_URL", f"postgres://{role}/{location.path[1:]}{end}&{kept}")

    with pytest.raises((SettingsError, DatabaseUnavailable)) as raised:
        await create_engine(Settings()).get_new_connection()

    assert CONNECTING[end] in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_addresses_of_hosts_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = get_settings().database_url
    assert dsn is not None
    monkeypatch.setenv(
        "DATABASE_URL",
        f"{dsn.get_secret_value()}&channel_binding=require&connect_timeout=10&keepalives=1&gssencmode=disable"
        "&application_name=shop&target_session_attrs=read-write&schema=shop&pgbouncer=true"
        "&options=-c%20statement_timeout%3D7s%20-c%20jit%3Doff&client_encoding=utf8",
    )

    connection = await create_engine(Settings()).get_new_connection()
    names = ("application_name", "search_path", "statement_timeout", "jit")
    values = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
    await connection.close()

    assert values == ["shop", '"shop"', "7s", "off"]


@pytest.mark.parametrize("query", ["ssl=true", "options=endpoint%3Dx", "no_such=1"])
def test_a_command_prints_one_line_for_an_address_that_fails(query: str) -> None:
    dsn = get_settings().database_url
    assert dsn is not None
    address = f"{dsn.get_secret_value()}&{query}"

    ended = run_command("gatehouse", "keys", "list", DATABASE_URL=address)

    # A socket is never encrypted, so `ssl=true` is honoured there.
    assert ended.returncode == (0 if query == "ssl=true" else 1), ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("\n") == ended.returncode
