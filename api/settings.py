"""The settings: environment variables, read once, typed.

Longer than other files, because all settings are fields of one class.

To add one: a field with its docstring in `Settings`, then `make settings`, which writes docs/settings.md and
.env.example.
"""

import re
from email.headerregistry import Address
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from api import typed_text
from api.command_error import CommandError
from api.setting_formats import Heading, format_of
from api.setting_types import (
    CollectorUrl,
    Contacts,
    DatabaseUrl,
    EncryptionKeys,
    HeaderNames,
    Hosts,
    MetricsToken,
    Networks,
    Origins,
    PageUrl,
    PhoneRegion,
    Port,
    PublicUrl,
    Rate,
    RedisUrl,
    Sender,
    SmtpUrl,
    TaxIdCountry,
    TimeZoneName,
    read_addresses,
)


class SettingsError(CommandError):
    """A setting is wrong; the message is one line with the variable's name and the format it must have."""


class Settings(BaseSettings):
    """Each field is the environment variable of the same name in capitals; its docstring describes it."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    database_url: Annotated[DatabaseUrl | None, Heading("Database")] = None
    """The PostgreSQL database. Its role must be neither a superuser nor BYPASSRLS, and must own the database
    unless `MIGRATION_DATABASE_URL` is set. Unset, an embedded PostgreSQL is started in `GATEHOUSE_HOME` and
    migrated at each start. Its parameters, and poolers: docs/deploy.md."""
    migration_database_url: DatabaseUrl | None = None
    """The same database with the role that owns it, for `piccolo migrations`, `gatehouse db` and `DB_SYNC`.
    The role of `DATABASE_URL` then only reads and writes rows: migrations grant it that. Unset, the role of
    `DATABASE_URL` does both."""
    database_read_url: DatabaseUrl | None = None
    """Standbys of `DATABASE_URL`, several hosts in one address like `postgresql://user:password@a,b/database`.
    They answer listings, searches and counts; a client that has just written reads from the primary. Set it
    for all instances. Unset, the primary answers all."""
    read_replica_max_lag_seconds: Annotated[float, Field(ge=1, le=600)] = 10
    """A standby of `DATABASE_READ_URL` that is further behind is left out."""
    read_replica_beta_keys: bool = False
    """Let the standbys of `DATABASE_READ_URL` also answer whether a beta key is valid, to clients that send
    no token. A key that was used within the lag of a standby then counts as valid; registering with it fails.
    """
    gatehouse_home: Path = Path(".gatehouse")
    """The folder of the embedded PostgreSQL, and of mails as files: without `SMTP_URL`, mails are written
    there if `DATABASE_URL` is unset or if this variable is set."""
    db_sync: bool = False
    """Apply the pending migrations of `DATABASE_URL` at start. Switch it off again after the deploy."""
    migration_lock_timeout: Annotated[float, Field(ge=0, le=86_400)] = 60
    """How many seconds a migration waits for another one to end; after that it fails."""
    db_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    """The largest number of database connections of each server process."""

    host: Annotated[Hosts, Heading("Server")] = "127.0.0.1"
    """The addresses where the server listens. `0.0.0.0` accepts connections from other machines,
    `::` those over IPv6 too."""
    port: Port = 8000
    """The port where the server listens."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """The number of server processes. With more than one, set `RATE_LIMIT_STORAGE` too."""
    drain_seconds: Annotated[float | None, Field(ge=0, le=300)] = None
    """How long the server still accepts requests after SIGTERM, while `/readyz` answers 503. Longer than load
    balancers take to notice. Unset, 5 with `DATABASE_URL`, and 0 without it."""
    keep_alive_seconds: Annotated[int | None, Field(ge=1, le=3600)] = None
    """How long a connection stays open without a request. Longer than the proxy in front keeps it, or the
    proxy sends requests on connections that are being closed. Unset, 75 with `TRUSTED_PROXIES`, and 5 without
    it."""
    max_queue_seconds: Annotated[float, Field(ge=0.1, le=25)] = 3
    """How long a request may wait for its password to be hashed. One that would wait longer is refused at
    once, with the code `OVERLOADED` and `Retry-After`."""
    public_url: PublicUrl | None = None
    """The address of this server for its clients. `gatehouse doctor` asks it which client address arrives.
    Passkeys are bound to its host: after a change, users set up new ones. They work on its pages, and on
    those of `CORS_ORIGINS` at its host and below."""
    security_contact: Contacts = ()
    """Where to report a vulnerability, the best way first, for `/.well-known/security.txt` (RFC 9116). Unset,
    there is no such file."""
    trusted_proxies: Networks = None
    """The reverse proxies in front of the server. `X-Forwarded-For` gives the client's address only if it
    comes from one of them. Unset, the header is ignored: all clients behind a proxy count as one address.
    `none`: there is no proxy."""
    cors_origins: Origins = ()
    """The origins whose pages may call the API from a browser. Unset, none may."""
    cors_headers: HeaderNames = ()
    """Headers that these pages may send, besides those that the API reads and those of tracing and of
    Apollo's clients."""

    introspection: Annotated[Literal["on", "operators", "off"] | None, Heading("GraphQL")] = None
    """Who may read the schema, by introspection and at `/graphql/schema.graphql`. `on`: every client.
    `operators`: signed-in operators. `off`: no client. Unset, `on` without `DATABASE_URL`, and `operators`
    with it."""
    graphiql: bool | None = None
    """Serve GraphiQL to browsers at `/graphql`. Unset, `on` without `DATABASE_URL`, and `off` with it."""
    execution_plans: bool = True
    """Compile GraphQL documents that are sent again. Off, graphql-core interprets each document."""
    document_cache_entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """How many parsed GraphQL documents each server process caches."""
    document_cache_bytes: Annotated[int, Field(ge=1_000_000, le=10_000_000_000)] = 32_000_000
    """How many bytes of memory the cached documents of a server process may take."""

    log_format: Annotated[Literal["auto", "json", "text"], Heading("Observability")] = "auto"
    """The format of the log. `auto` is text in a terminal, and JSON anywhere else."""
    metrics_port: Port | None = None
    """The port of `/metrics` for Prometheus, where nothing else is served. If neither `METRICS_PORT` nor
    `METRICS_TOKEN` is set, nothing is measured."""
    metrics_host: Hosts = "127.0.0.1"
    """The addresses where `METRICS_PORT` listens."""
    metrics_token: MetricsToken | None = None
    """The bearer token that a request to `/metrics` must send. Without `METRICS_PORT`, `/metrics` is served
    on `PORT`. Unset, `METRICS_PORT` answers without a token."""
    otel_exporter_otlp_endpoint: CollectorUrl | None = None
    """Where traces are sent, as OTLP over HTTP. `OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_HEADERS`,
    `OTEL_TRACES_SAMPLER` and the other variables of OpenTelemetry apply too. Unset, no traces are made."""

    session_days: Annotated[int, Field(ge=1, le=3650), Heading("Sessions, data and fields")] = 30
    """How many days a session lasts after sign-in."""
    session_idle_days: Annotated[int, Field(ge=1, le=3650)] = 14
    """How many days a session lasts without use."""
    operator_session_hours: Annotated[int, Field(ge=1, le=87_600)] = 12
    """How many hours a session of an operator lasts after sign-in."""
    operator_session_idle_minutes: Annotated[int, Field(ge=5, le=525_600)] = 60
    """How many minutes a session of an operator lasts without use."""
    operator_second_factor: Literal["required", "optional", "off"] = "optional"
    """Whether operators sign in with a second factor besides the password. `required`, advised for
    production: an operator without one can only set one up. `optional`: those who have set one up. `off`:
    none are asked."""
    second_factor_keys: EncryptionKeys | None = None
    """The keys that encrypt the secrets of authenticator apps. The first one encrypts, and all of them
    decrypt. Unset, the database has the secrets as text."""
    deletion_grace_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How many days a deleted tenant can be restored with `gatehouse tenants restore`; then it is erased."""
    audit_retention_days: Annotated[int, Field(ge=30, le=36500)] = 730
    """How many days an audit event is stored. The database refuses to delete a younger one."""
    password_rules: Literal["length", "old"] = "length"  # noqa: S105
    """What a new password must be. `length`: at least `PASSWORD_MIN_LENGTH` characters of any kind. `old`:
    the rule of the old system's client, at least 8 with a lower-case and an upper-case letter, a digit and a
    special character. Common and leaked passwords, and those made of the person's own data, are refused by
    both."""
    password_min_length: Annotated[int, Field(ge=8, le=64)] = 10
    """How many characters a new password must have at least. NIST SP 800-63B-4 wants 15 where no second
    factor is used."""
    require_verified_email: bool = False
    """Accept a registration only with a token of `verifyEmail`, which proves that the owner reads that
    mailbox."""
    time_zone: TimeZoneName = "America/Bogota"
    """The zone in which a day begins and ends, such as the last one of a beta key, and in which mails and
    commands write times."""
    phone_region: PhoneRegion = "CO"
    """The country of phone numbers that are written without a country code."""
    tax_id_country: TaxIdCountry | None = None
    """The country whose rules tax ids must follow, check digit included. All kinds of ids under which a
    business lives there are accepted. Unset, any 3 to 50 letters and digits are accepted."""

    smtp_url: Annotated[SmtpUrl | None, Heading("Mail")] = None
    """The mail server. `smtp://` uses STARTTLS if the server offers it, and sends no password without TLS,
    except to this machine. Unset, mails wait in the database, or are files in `GATEHOUSE_HOME/outbox`."""
    mail_from: Annotated[Sender | None, Field(validate_default=True)] = None
    """The sender of all mails. Required with `SMTP_URL`."""
    mail_concurrency: Annotated[int, Field(ge=1, le=100)] = 10
    """How many mails each worker sends at once, over as many connections to the mail server."""
    backup_dir: Path | None = None
    """A folder for daily dumps of the database, which the worker writes: see docs/backups.md. Unset, none are
    written. It is best on another disk."""
    backups_kept: Annotated[int, Field(ge=1, le=1000)] = 7
    """How many of these dumps are kept."""
    register_url: PageUrl | None = None
    """The page where a business registers. Invitations link to it, with `?key=` and the beta key. Unset,
    invitations have no link."""
    invitation_url: PageUrl | None = None
    """The page where an invited person chooses a password. Invitations of staff link to it, with `?token=`
    and the token for `acceptInvitation`. Unset, they have a code alone."""
    worker: bool = True
    """Start a worker together with `gatehouse serve`: it sends mails and erases expired data. Off, run
    `gatehouse worker` yourself."""

    rate_limits: Annotated[bool, Heading("Rate limits")] = True
    """Limit how often a client may try. Switch it off for load tests only."""
    rate_limit_storage: RedisUrl | None = None
    """A Redis or Valkey where all server processes count together. Unset, each process counts in its own
    memory. While it is unreachable, requests pass uncounted and the log says so."""
    rate_limit_validate: Rate = "30/minute"
    """How often one address may look up a beta key, or ask over REST whether an account exists."""
    rate_limit_wrong_keys: Rate = "10/minute"
    """How often one address may look up beta keys that do not exist."""
    rate_limit_register: Rate = "10/hour"
    """How often one address may try to register."""
    rate_limit_login: Rate = "10/minute"
    """How often one address may try to sign in, or try a one-time code."""
    rate_limit_wrong_passwords: Rate = "5/15 minutes"
    """How many wrong passwords may be tried for one account from one address, or in one session."""
    rate_limit_account_passwords: Rate = "50/hour"
    """How many passwords may be tried for one account, from all addresses together, before each further try
    waits: up to 5 seconds, and no time for the right password from a network that the account has used
    before."""
    rate_limit_wrong_second_factors: Rate = "5/15 minutes"
    """How many wrong codes of a second factor may be tried for one account from one address, after the right
    password, or in one session. Wrong codes of an app have twice as many from all addresses together from
    which the account has not signed in before."""
    rate_limit_codes: Rate = "3/hour"
    """How often one address may request a one-time code."""
    rate_limit_mailbox_codes: Rate = "20/hour"
    """How many one-time codes are sent to one mailbox, for all addresses together. Those from which the
    account has signed in have three times as many together. Further requests get the same answer and no mail.
    """
    rate_limit_mailbox_first_codes: Rate = "100/day"
    """How many one-time codes are sent to one mailbox beyond that limit, each for the first request of an
    address within an hour."""
    rate_limit_wrong_codes: Rate = "100/day"
    """How many wrong one-time codes may be tried for one mailbox, over all codes and from all addresses
    together that have requested none. One that has requested a code has as many for itself, and those from
    which the account has signed in three times as many together. Codes of invitations count for an address
    alone."""
    rate_limit_new_staff: Rate = "30/hour"
    """How many people one user may invite, or create an account for; sending an invitation again counts."""
    rate_limit_mailbox_invitations: Rate = "10/day"
    """How many invitations of staff one business may send to one mailbox. All businesses together send five
    times as many; further ones are accepted and not mailed."""

    @model_validator(mode="before")
    @classmethod
    def _as_pasted(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The values that are not blank, without invisible characters and the quotes of a file.

        `docker run --env-file` passes the quotes on.
        """
        read = {name: _unquote(value) if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in read.items() if value != ""}

    @field_validator("log_format", "introspection", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("metrics_port")
    @classmethod
    def _differs_from_port(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value == info.data.get("port"):
            raise ValueError("must be another port than PORT; on PORT, METRICS_TOKEN protects /metrics")
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_set_with_smtp_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("smtp_url") is not None:
            raise ValueError("must be set with SMTP_URL, such as Gatehouse <beta@example.com>")
        return value

    @field_validator("migration_database_url", "database_read_url")
    @classmethod
    def _is_set_with_database_url(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("database_url") is None:
            raise ValueError("must be set with DATABASE_URL, whose role reads and writes the rows")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The zone of `time_zone`."""
        return ZoneInfo(self.time_zone)

    @property
    def metrics(self) -> bool:
        """Whether /metrics is served, and anything is measured."""
        return self.metrics_port is not None or self.metrics_token is not None

    @property
    def introspects(self) -> Literal["on", "operators", "off"]:
        """`introspection` or its default."""
        return self.introspection or ("on" if self.database_url is None else "operators")

    @property
    def drains_for(self) -> float:
        """`drain_seconds` or its default."""
        return (0 if self.database_url is None else 5) if self.drain_seconds is None else self.drain_seconds

    @property
    def keeps_alive_for(self) -> int:
        """`keep_alive_seconds` or its default."""
        return self.keep_alive_seconds or (75 if self.trusted_proxies else 5)

    @property
    def serves_graphiql(self) -> bool:
        """`graphiql` or its default."""
        return self.database_url is None if self.graphiql is None else self.graphiql

    @property
    def outbox(self) -> Path | None:
        """The folder for mails if `smtp_url` is unset; None if they wait in the database.

        A server with `DATABASE_URL` may have a disk that it cannot write, or that each deploy discards. It
        writes mails to files only if a person has chosen the folder.
        """
        is_chosen = self.database_url is None or "gatehouse_home" in self.model_fields_set
        return self.gatehouse_home / "outbox" if self.smtp_url is None and is_chosen else None

    @property
    def sender(self) -> Address:
        """`mail_from`, parsed."""
        return read_addresses(self.mail_from or "Gatehouse <gatehouse@localhost>")[0]


def _unquote(value: str) -> str:
    value = typed_text.clean(value)
    return value[1:-1].strip() if re.fullmatch(r"""(["']).*\1""", value, re.DOTALL) else value


@cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises `SettingsError` that names every wrong variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    """Each wrong variable with its problem, and without its value, which may be a password."""
    return "; ".join(
        f"{str(problem['loc'][0]).upper()}: {_description(problem)}"
        for problem in error.errors(include_input=False, include_url=False)
    )


def _description(problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    # Pydantic's words for its own types are about Python.
    words = format_of(Settings.model_fields[str(problem["loc"][0])])
    return f"must be {words.replace('`', '')}"
