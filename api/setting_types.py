"""The types of settings that are written as text: what each accepts, in words and as a check."""

import base64
import re
from email.headerregistry import Address
from email.policy import SMTP
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import Field, Secret, SecretStr
from pydantic_settings import NoDecode

from api.database_address import read_database_address
from api.setting_formats import Format


def _read_database_url(value: str) -> SecretStr:
    # It is copied with quotes, and with the command that connects to it.
    address = re.sub(r"""^(?:psql\s+)?(["']?)(.*)\1$""", r"\2", value)
    read_database_address(address)
    return SecretStr(address)


def _read_smtp_url(value: str) -> SecretStr:
    readable = value.startswith(("smtp://", "smtps://")) and has_readable_hosts(value, "25")
    if not readable or not urlsplit(value).hostname:
        raise ValueError
    return SecretStr(value)


def _read_redis_url(value: str) -> SecretStr:
    if not value.startswith(("redis://", "rediss://")) or not has_readable_hosts(value, "6379"):
        raise ValueError
    return SecretStr(value)


def _read_collector_url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or not has_readable_hosts(value, "80"):
        raise ValueError
    return value


def has_readable_hosts(url: str, default_port: str) -> bool:
    """Whether the port of each host of a URL is a number, or missing; a URL may name several hosts."""
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] or default_port for host in hosts]
    return all(re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536 for port in ports)


def _read_public_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+/?", value) or not has_readable_hosts(value, "443"):
        raise ValueError
    return value.rstrip("/")


def _read_page(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s#]*", value):
        raise ValueError
    return value


def _read_sender(value: str) -> str:
    addresses = read_addresses(value)
    if len(addresses) != 1 or not addresses[0].domain or not value.isascii():
        raise ValueError
    return value


def read_addresses(value: str) -> tuple[Address, ...]:
    """The email addresses of a From header; none if it cannot be parsed."""
    header = SMTP.header_factory("From", value)
    return () if header.defects else header.addresses


def _read_hosts(value: str) -> str:
    hosts = [host.removeprefix("[").removesuffix("]") for host in _split(value)]
    if not hosts or not all(re.fullmatch(r"[\w.:%-]+", host) for host in hosts):
        raise ValueError
    return ",".join(hosts)


def _read_metrics_token(value: str) -> SecretStr:
    if not re.fullmatch(r"[!-~]{16,}", value):
        raise ValueError
    return SecretStr(value)


def _read_encryption_keys(value: str) -> Secret[list[str]]:
    keys = [key.replace("+", "-").replace("/", "_") for key in _split(value)]
    if not keys or any(len(base64.urlsafe_b64decode(key)) != 32 for key in keys):
        raise ValueError
    return Secret[list[str]](keys)


def _read_rate(value: str) -> str:
    rates = parse_many(value)
    # The library would use the first of several rates, and a rate of 0 would reject every request.
    if len(rates) != 1 or rates[0].amount < 1:
        raise ValueError
    return value


def _read_networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    if value.strip().lower() == "none":
        return ()
    return tuple(ip_network(network) for network in _split(value))


def _read_origins(value: str) -> tuple[str, ...]:
    origins = tuple(_split(value))
    # Browsers compare origins as text: one with a path or a slash at the end would never match.
    if not all(re.fullmatch(r"\*|https?://[a-z0-9.\-\[\]:]+", origin) for origin in origins):
        raise ValueError
    return origins


def _read_contacts(value: str) -> tuple[str, ...]:
    contacts = tuple(f"mailto:{text}" if "@" in text and ":" not in text else text for text in _split(value))
    if not all(
        re.fullmatch(r"(mailto:[!-~]+@[!-~]+|https://[!-~]+|tel:\+[\d-]+)", text) for text in contacts
    ):
        raise ValueError
    return contacts


def _read_header_names(value: str) -> tuple[str, ...]:
    names = tuple(name.lower() for name in _split(value))
    if not all(re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name) for name in names):
        raise ValueError
    return names


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _read_phone_region(value: str) -> str:
    # Imported here because its tables take longer to load than all other settings together.
    import phonenumbers

    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError
    return value.upper()


def _read_time_zone(value: str) -> str:
    # The folder of the system has other files too, such as right/America/Bogota, which counts leap seconds.
    names = resources.files("tzdata").joinpath("zones").read_text().split()
    written = {name.lower(): name for name in names if name != "Factory"}
    try:
        return written[value.replace(" ", "_").lower()]
    except KeyError:
        raise ValueError from None


def _read_tax_id_country(value: str) -> str:
    from api.tax_id_kinds import kinds_of

    if not kinds_of(value.upper()):
        raise ValueError
    return value.upper()


_ENCODED = "with special characters percent-encoded"

DatabaseUrl = Annotated[
    SecretStr, Format(f"like `postgresql://user:password@host:5432/database`, {_ENCODED}", _read_database_url)
]
SmtpUrl = Annotated[
    SecretStr,
    Format(
        f"like `smtps://user:password@smtp.example.com:465` or `smtp://…:587`, {_ENCODED}",
        _read_smtp_url,
    ),
]
RedisUrl = Annotated[SecretStr, Format("like `redis://user:password@host:6379/0`", _read_redis_url)]
CollectorUrl = Annotated[str, Format("like `https://collector.example.com:4318`", _read_collector_url)]
PublicUrl = Annotated[str, Format("like `https://beta.example.com`, without a path", _read_public_url)]
PageUrl = Annotated[str, Format("like `https://shop.example.com/register`, without a fragment", _read_page)]
Sender = Annotated[str, Format("an address in ASCII, like `Gatehouse <beta@example.com>`", _read_sender)]
MetricsToken = Annotated[
    SecretStr, Format("at least 16 ASCII characters, without spaces", _read_metrics_token)
]
EncryptionKeys = Annotated[
    Secret[list[str]],
    NoDecode,
    Format(
        "32 random bytes in base64, as `openssl rand -base64 32` prints; several are separated by commas",
        _read_encryption_keys,
    ),
]
Rate = Annotated[str, Format("a rate like `10/minute` or `5/15 minutes`", _read_rate)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...] | None,
    NoDecode,
    Format(
        "networks or addresses, separated by commas, like `10.0.0.0/8,fd00::/8`; or `none`", _read_networks
    ),
]
Origins = Annotated[
    tuple[str, ...],
    NoDecode,
    Format(
        "origins, separated by commas, like `https://shop.example.com,http://localhost:3000`; or `*`",
        _read_origins,
    ),
]
_CONTACTS = "addresses in ASCII, separated by commas, like `security@example.com,https://example.com/report`"
Contacts = Annotated[tuple[str, ...], NoDecode, Format(_CONTACTS, _read_contacts)]
HeaderNames = Annotated[
    tuple[str, ...],
    NoDecode,
    Format("names of headers, separated by commas, like `x-client-version,x-shop`", _read_header_names),
]
PhoneRegion = Annotated[str, Format("the two letters of a country (ISO 3166), like `CO`", _read_phone_region)]
TaxIdCountry = Annotated[
    str,
    Format(
        "the two letters of a country (ISO 3166) whose tax ids Gatehouse knows, like `CO`",
        _read_tax_id_country,
    ),
]
TimeZoneName = Annotated[
    str, Format("the name of a time zone (IANA), like `America/Bogota` or `UTC`", _read_time_zone)
]
Hosts = Annotated[
    str,
    Format("addresses or names, separated by commas, like `::` or `127.0.0.1,10.0.0.7`", _read_hosts),
]
Port = Annotated[int, Field(ge=1, le=65535)]
