"""The environment, read once, typed."""

import re
from email.headerregistry import Address
from email.policy import SMTP
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.command_error import CommandError


class SettingsError(CommandError):
    """A setting is wrong; the message is one line that names it and says what it takes."""


def _is_rate(value: str) -> str:
    try:
        rates = parse_many(value)
    except ValueError:
        rates = []
    # The library would take the first of several, and a rate of nothing would shut the door.
    if len(rates) != 1 or rates[0].amount < 1:
        raise ValueError("must be a rate such as 10/minute or 5/15 minutes")
    return value


Rate = Annotated[str, AfterValidator(_is_rate)]
"""How often within a moving window, in the notation of the library `limits`: `5/15 minutes`."""


class Settings(BaseSettings):
    """Each field is the environment variable of the same name in capitals. `.env.example` lists them."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = None
    """A PostgreSQL address; unset, an embedded server in `gatehouse_home` is used."""
    gatehouse_home: Path = Path(".gatehouse")
    """The folder of the embedded server."""
    db_sync: bool = False
    """Whether starting the application applies the pending migrations of `database_url`."""
    migration_lock_timeout: Annotated[float, Field(ge=0, le=86_400)] = 60
    """Seconds a migration waits for another one to end."""
    db_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    """Connections to the database, for each server process."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Server processes."""

    execution_plans: bool = True
    """Whether GraphQL documents that come again are compiled; otherwise graphql-core interprets them."""
    document_cache_entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """GraphQL documents that each server process keeps ready."""
    document_cache_bytes: Annotated[int, Field(ge=1_000_000, le=10_000_000_000)] = 32_000_000
    """Memory that these may take."""

    log_format: Literal["auto", "json", "text"] = "auto"
    """How the log is written; `auto` is text in a terminal, and JSON anywhere else."""
    metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """The port of /metrics, where nothing else is served."""
    metrics_host: str = "127.0.0.1"
    """The address of `metrics_port`."""
    metrics_token: SecretStr | None = None
    """What /metrics wants as `Authorization: Bearer`; without a port of its own it is served on `port`."""
    otel_exporter_otlp_endpoint: str | None = None
    """Where traces go, over OTLP in HTTP; unset, none are made."""

    session_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long a session lasts after sign-in."""
    deletion_grace_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """Days for which a deleted tenant can be restored, before it is erased."""
    audit_retention_days: Annotated[int, Field(ge=30, le=36500)] = 730
    """Days for which the record keeps an event; the database itself refuses to remove a younger one."""
    phone_region: str = "CO"
    """ISO 3166 country of phone numbers that are written without one."""
    tax_id_country: str | None = None
    """ISO 3166 country whose rules tax ids follow; unset, any 3 to 50 characters are taken."""

    register_url: str | None = None
    """The page where a business registers; invitations link to it, with `?key=` and the key."""
    smtp_url: SecretStr | None = None
    """The mail server, with a password perhaps; unset, mails are written as files into `outbox`."""
    mail_from: Annotated[str | None, Field(validate_default=True)] = None
    """Who mails come from: an address, with a name perhaps."""
    worker: bool = True
    """Whether `gatehouse serve` sends the mails, and cleans up; otherwise `gatehouse worker` does."""
    require_verified_email: bool = False
    """Whether only those who have shown that a mailbox is theirs may register with its address."""

    rate_limits: bool = True
    """Whether anything is counted."""
    rate_limit_storage: SecretStr | None = None
    """A Redis that several server processes count in; unset, each counts in its own memory."""
    rate_limit_validate: Rate = "30/minute"
    """Keys that one address may ask about."""
    rate_limit_wrong_keys: Rate = "10/minute"
    """Keys that one address may ask about without there being such keys."""
    rate_limit_register: Rate = "10/hour"
    """Registrations that one address may try."""
    rate_limit_login: Rate = "10/minute"
    """Sign-ins and one-time codes that one address may try."""
    rate_limit_wrong_passwords: Rate = "5/15 minutes"
    """Wrong passwords for one account, from wherever they come."""
    rate_limit_codes: Rate = "3/hour"
    """One-time codes that one address may ask for."""
    rate_limit_mailbox_codes: Rate = "5/hour"
    """One-time codes to one mailbox, whoever asks for them."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks whose X-Forwarded-For is believed, separated by commas."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may call the API from a browser, separated by commas; `*` is any."""

    @property
    def metrics(self) -> bool:
        """Whether there is a /metrics, and anything to be counted for it."""
        return self.metrics_port is not None or self.metrics_token is not None

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        # The driver's own complaint would quote a part of the address, which may be of the password.
        if value and not _has_readable_hosts(value.get_secret_value()):
            raise ValueError(
                "must be like postgresql://user:password@host:5432/database, "
                "with special characters percent-encoded"
            )
        return value

    @property
    def outbox(self) -> Path:
        """Where mails go without `smtp_url`."""
        return self.gatehouse_home / "outbox"

    @property
    def sender(self) -> Address:
        """`mail_from`, read."""
        return _addresses(self.mail_from or "Gatehouse <gatehouse@localhost>")[0]

    @field_validator("register_url")
    @classmethod
    def _is_page(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s#]*", value):
            raise ValueError("must be a page such as https://shop.example.com/register, without a fragment")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = value.get_secret_value()
            readable = url.startswith(("smtp://", "smtps://")) and _has_readable_hosts(url, "25")
            if not readable or not urlsplit(url).hostname:
                raise ValueError(
                    "must be like smtps://user:password@smtp.example.com:465 or smtp://…:587, "
                    "with special characters percent-encoded"
                )
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            if info.data.get("smtp_url") is not None:
                raise ValueError("must be set with SMTP_URL, such as Gatehouse <beta@example.com>")
        elif len(_addresses(value)) != 1 or not _addresses(value)[0].domain or not value.isascii():
            raise ValueError("must be an address in ASCII such as Gatehouse <beta@example.com>")
        return value

    @field_validator("metrics_port")
    @classmethod
    def _is_another_port(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value == info.data.get("port"):
            raise ValueError("must be another port than PORT; METRICS_TOKEN guards /metrics on that one")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _is_hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]{16,}", value.get_secret_value()):
            raise ValueError("must be at least 16 characters of ASCII, without spaces")
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not (
            value.startswith(("http://", "https://")) and _has_readable_hosts(value, "80")
        ):
            raise ValueError("must be like https://collector.example.com:4318")
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = value.get_secret_value()
            if not url.startswith(("redis://", "rediss://")) or not _has_readable_hosts(url, default="6379"):
                raise ValueError("must be like redis://user:password@host:6379/0")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _are_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(network) for network in _split(value))
        except ValueError:
            raise ValueError("must be networks or addresses such as 10.0.0.0/8,fd00::/8") from None

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _are_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(_split(value))
        # A browser compares them as they are: one with a path, or a slash at its end, would match nothing.
        if not all(re.fullmatch(r"\*|https?://[a-z0-9.\-\[\]:]+", origin) for origin in origins):
            raise ValueError("must be origins such as https://shop.example.com,http://localhost:3000")
        return origins

    @field_validator("phone_region")
    @classmethod
    def _is_phone_region(cls, value: str) -> str:
        # Imported here because its tables take longer to load than the rest of the settings.
        import phonenumbers

        if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("must be a country's two letters, such as CO")
        return value.upper()

    @field_validator("tax_id_country")
    @classmethod
    def _has_tax_ids(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from stdnum import get_cc_module

        if get_cc_module(value, "vat") is None:
            raise ValueError("must be a country's two letters whose tax ids python-stdnum knows, such as CO")
        return value.upper()


def _addresses(value: str) -> tuple[Address, ...]:
    header = SMTP.header_factory("From", value)
    return () if header.defects else header.addresses


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _has_readable_hosts(url: str, default: str = "5432") -> bool:
    """Whether each host of an address, of which there may be several, has a port if any."""
    try:
        hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    except ValueError:
        return False
    ports = [host.rpartition("]")[2].partition(":")[2] or default for host in hosts]
    return all(re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536 for port in ports)


@cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises `SettingsError` naming every wrong variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    """The variables that are wrong, without their values: one of them may be a password."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']).upper()}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_input=False, include_url=False)
    )
