"""Reads DATABASE_URL as hosts write it, and says what the driver is to make of each of its parameters.

The parameters are those of libpq (https://www.postgresql.org/docs/current/libpq-connect.html), those that
other drivers and Prisma add, and settings of the server. Each is honoured, ignored, or refused with what to
do.
"""

import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, urlencode

# SQLAlchemy adds its driver to the scheme, and JDBC a prefix.
_SCHEME = re.compile(r"(?:jdbc:)?postgres(?:ql)?(?:\+\w+)?://", re.I)
_HOST = r"(?:\[[0-9a-f:.]+(?:%\w+)?\]|[^/?#@:\[\],\s]*)(?::[0-9]*)?"
_LOCATION = re.compile(
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<database>[^/?#@]*))?(?:\?(?P<query>.*))?", re.I
)
_PARAMETER = re.compile(r"[a-z_][\w.-]*=.*", re.I | re.S)
_TRUE = ("1", "true", "on", "yes")

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_OF_THE_DRIVER = (
    "passfile", "service", "target_session_attrs", "krbsrvname", "gsslib", "sslpassword", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version", *_SSL_FILES,
)  # fmt: skip
_IGNORED = (
    "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    "gssdelegation", "load_balance_hosts", "sslcompression", "sslsni", "sslcertmode", "sslkeylogfile",
    "channel_binding", "max_protocol_version", "connection_limit", "pool_timeout", "pool_size",
    "socket_timeout", "uselibpqcompat", "supa", "binary_parameters",
)  # fmt: skip
_IGNORED_VALUES = {
    "gssencmode": (("disable", "prefer"), "only TLS encrypts: use sslmode=require"),
    "client_encoding": (("utf8", "utf-8", "unicode", "auto"), "texts are sent as UTF8: remove it"),
    "min_protocol_version": (("3.0",), "the version is 3.0: remove it"),
}
"""Parameters of which only some values can be ignored, and what to do about the others."""
_REFUSED = {
    "require_auth": "the server chooses how a role signs in, in pg_hba.conf: remove it",
    "requirepeer": "the owner of a socket is not verified: remove it",
    "replication": "Gatehouse is no standby: remove it",
    "sslcrldir": "use sslcrl with one file",
    "sslaccept": "use sslmode=verify-full or sslmode=require",
    "servicefile": "set the variable PGSERVICEFILE",
    "scram_client_key": "use a password",
    "scram_server_key": "use a password",
    "oauth_issuer": "use a password",
    "oauth_client_id": "use a password",
    "oauth_client_secret": "use a password",
    "oauth_scope": "use a password",
}
_READ_HERE = (
    "host", "hostaddr", "port", "user", "password", "dbname", "database", "sslmode", "ssl", "requiressl",
    "connect_timeout", "application_name", "fallback_application_name", "options", "schema", "pgbouncer",
    "statement_cache_size", "preparethreshold", "prepare_threshold",
)  # fmt: skip
_KNOWN = {*_OF_THE_DRIVER, *_IGNORED, *_IGNORED_VALUES, *_REFUSED, *_READ_HERE}


class WrongAddress(ValueError):
    """What is wrong with an address, and what to do, in one line without a value of the address."""


@dataclass(frozen=True)
class DatabaseAddress:
    """A database, as the arguments of `asyncpg.connect`."""

    arguments: dict[str, Any] = field(default_factory=dict)
    connect_timeout: int | None = None
    """Seconds that a connection may take to open."""
    ignored: tuple[str, ...] = ()
    """The names of parameters that have no effect."""


def read_database_address(url: str) -> DatabaseAddress:
    """Read an address. Raises `WrongAddress`, or `ValueError` for a text that is no address of PostgreSQL."""
    scheme = _SCHEME.match(url)
    if scheme is None or "\0" in unquote(url) or "\n" in url:
        raise ValueError
    user_info, location = _split(url[scheme.end() :])
    parameters = _parameters(location["query"])
    user, _, password = user_info.partition(":")
    hosts, ports = _hosts(location["hosts"], parameters)
    database = _decode(location["database"] or "") or parameters.get("dbname") or parameters.get("database")
    _refuse(parameters)
    of_driver = {name: parameters[name] for name in _OF_THE_DRIVER if parameters.get(name)}
    encryption = _encryption(parameters, of_driver)
    arguments = {
        "dsn": f"postgresql://?{urlencode(of_driver)}",
        "host": hosts,
        "port": ports,
        "user": _decode(user) or parameters.get("user"),
        "password": _decode(password) or parameters.get("password"),
        "database": database,
        "server_settings": _server_settings(parameters),
    }
    given = {name: value for name, value in arguments.items() if value}
    ignored = tuple(name for name in parameters if name in _IGNORED or name in _IGNORED_VALUES)
    return DatabaseAddress(
        {**given, **encryption, **_statement_cache(parameters)}, _seconds(parameters), ignored
    )


def _split(rest: str) -> tuple[str, re.Match[str]]:
    """The user with the password, and the rest.

    Passwords are pasted with `@`, `/`, `#` and `?` in them, so the first `@` is taken after which a whole
    address of hosts, database and parameters follows.
    """
    for at in (-1, *(found.start() for found in re.finditer("@", rest))):
        location = _LOCATION.fullmatch(rest[at + 1 :])
        if location and _is_query(location["query"] or ""):
            return rest[: max(at, 0)], location
    raise ValueError


def _is_query(query: str) -> bool:
    parts = [part for part in query.split("&") if part]
    return all(map(_PARAMETER.fullmatch, parts)) and (
        "@" not in query or all(part.partition("=")[0].lower() in _KNOWN for part in parts)
    )


def _parameters(query: str | None) -> dict[str, str]:
    pairs = (part.partition("=") for part in (query or "").split("&") if part)
    decoded = ((name, _decode(value, unquote_plus)) for name, _, value in pairs)
    return {name.lower() if name.lower() in _KNOWN else name: value for name, value in decoded}


def _decode(text: str, decode: Callable[..., str] = unquote) -> str:
    try:
        return decode(text, errors="strict")
    except UnicodeDecodeError:
        raise WrongAddress("its percent-encoding must be that of UTF-8") from None


def _hosts(text: str, parameters: dict[str, str]) -> tuple[list[str], list[int]]:
    found = [re.fullmatch(r"\[?(.*?)\]?(?::([0-9]*))?", part) for part in text.split(",")] if text else []
    hosts = [_decode(part[1]) for part in found if part]
    ports = [part[2] or "" for part in found if part]
    if not any(hosts) and (named := parameters.get("host")):
        hosts = [part.strip("[]") for part in named.split(",")]
    if parameters.get("hostaddr"):
        if parameters.get("sslmode") == "verify-full":
            raise WrongAddress("hostaddr: with sslmode=verify-full the name is needed: remove hostaddr")
        hosts = parameters["hostaddr"].split(",")
    if not any(ports) and parameters.get("port"):
        ports = parameters["port"].split(",")
    if len(ports) < 2:
        ports = (ports or [""]) * max(len(hosts), 1)
    if (hosts and len(ports) != len(hosts)) or not all(map(_is_port, ports)):
        raise WrongAddress("each port must be a number between 1 and 65535, one for each host")
    if not any(hosts):
        # The driver looks for a host in PGHOST, and for a socket.
        return [], [int(port) for port in ports[:1] if port]
    return [host or "localhost" for host in hosts], [int(port or 5432) for port in ports]


def _is_port(text: str) -> bool:
    return not text or (re.fullmatch("[0-9]{1,5}", text) is not None and 0 < int(text) < 65536)


def _statement_cache(parameters: dict[str, str]) -> dict[str, int]:
    """The number of named prepared statements; Prisma and JDBC have words of their own for none."""
    if size := parameters.get("statement_cache_size"):
        if not re.fullmatch("[0-9]{1,6}", size):
            raise WrongAddress("statement_cache_size must be a number, such as 0")
        return {"statement_cache_size": int(size)}
    thresholds = (parameters.get("preparethreshold"), parameters.get("prepare_threshold"))
    is_off = parameters.get("pgbouncer", "").lower() in _TRUE or "0" in thresholds or "None" in thresholds
    return {"statement_cache_size": 0} if is_off else {}


def _refuse(parameters: dict[str, str]) -> None:
    for name, value in parameters.items():
        if name in _REFUSED:
            raise WrongAddress(f"the parameter {name} cannot be honoured; {_REFUSED[name]}")
        accepted, advice = _IGNORED_VALUES.get(name, ((value.lower(),), ""))
        if value.lower() not in accepted:
            raise WrongAddress(f"this {name} cannot be honoured; {advice}")


def _encryption(parameters: dict[str, str], of_driver: dict[str, str]) -> dict[str, ssl.SSLContext]:
    """Set `sslmode` in `of_driver`; returns the certificates of the system if they are asked for."""
    mode = _ssl_mode(parameters)
    authorities = of_driver.get("sslrootcert")
    if authorities == "system":
        if mode not in (None, "verify-full"):
            raise WrongAddress("sslrootcert=system needs sslmode=verify-full")
        del of_driver["sslrootcert"]
        if others := [name for name in ("sslcert", "sslkey", "sslcrl") if name in of_driver]:
            raise WrongAddress(
                f"{others[0]} with sslrootcert=system: name a file with certificates as sslrootcert"
            )
        return {"ssl": ssl.create_default_context()}
    for name in _SSL_FILES:
        if name in of_driver and not (
            Path(of_driver[name]).is_file() and os.access(of_driver[name], os.R_OK)
        ):
            raise WrongAddress(f"{name} must name a file that can be read")
    default = Path("~/.postgresql/root.crt").expanduser()
    if (mode or "").startswith("verify-") and not (
        authorities or os.environ.get("PGSSLROOTCERT") or default.is_file()
    ):
        raise WrongAddress(
            f"sslmode={mode} needs sslrootcert=system, or a file with certificates as sslrootcert"
        )
    if mode is not None:
        of_driver["sslmode"] = mode
    return {}


def _ssl_mode(parameters: dict[str, str]) -> str | None:
    mode = (parameters.get("sslmode") or parameters.get("ssl") or parameters.get("requiressl") or "").lower()
    if mode in ("", *_SSL_MODES):
        return mode or None
    if mode in (*_TRUE, "no-verify"):
        return "require"
    if mode in ("0", "false", "off", "no"):
        # requiressl=0 allows encryption.
        return "disable" if parameters.get("ssl") else None
    raise WrongAddress(f"sslmode must be one of {', '.join(_SSL_MODES)}")


def _server_settings(parameters: dict[str, str]) -> dict[str, str]:
    """Settings of the server for each connection. It rejects those that it does not know."""
    settings = {name: value for name, value in parameters.items() if name not in _KNOWN}
    application = parameters.get("application_name") or parameters.get("fallback_application_name")
    if application:
        settings["application_name"] = application
    if parameters.get("options"):
        settings["options"] = parameters["options"]
    schema = parameters.get("schema", "public")
    if schema not in ("", "public"):
        settings["search_path"] = '"' + schema.replace('"', '""') + '"'
    return settings


def _seconds(parameters: dict[str, str]) -> int | None:
    text = parameters.get("connect_timeout") or "0"
    if not re.fullmatch("-?[0-9]{1,6}", text):
        raise WrongAddress("connect_timeout must be a number of seconds")
    return int(text) if int(text) > 0 else None
