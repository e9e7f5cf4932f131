"""The roles of PostgreSQL that Gatehouse connects as: one reads and writes rows, one owns the tables."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from api.database.connection_checks import is_direct
from api.database_address import read_database_address
from api.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Role:
    """How to connect: `arguments` are those of `asyncpg.connect`, from the setting of that name."""

    setting: str
    arguments: dict[str, Any]
    connect_timeout: float | None = None

    @property
    def host(self) -> str:
        """The first host with its port."""
        return ":".join(str(self.arguments.get(name, ["default"])[0]) for name in ("host", "port"))


async def connect(role: Role, **options: Any) -> asyncpg.Connection:
    """A connection without named prepared statements if it leads through a pooler.

    A pooler in transaction mode gives each transaction another connection of PostgreSQL, on which a
    statement of that name does not exist, or is that of another client.
    """
    arguments = role.arguments
    options |= arguments
    connection = await asyncpg.connect(**options)
    if "statement_cache_size" in arguments:
        return connection
    try:
        if await is_direct(connection):
            return connection
    except BaseException:
        connection.terminate()
        raise
    await connection.close()
    logger.info("%s leads through a pooler: prepared statements are not named", role.setting)
    # Unnamed, a statement is prepared and run before the pooler can take the connection away.
    arguments["statement_cache_size"] = options["statement_cache_size"] = 0
    return await asyncpg.connect(**options)


@dataclass(frozen=True)
class Roles:
    """`migration` is None if the role of the application also owns the tables.

    `replicas` has one role for each host of `DATABASE_READ_URL`.
    """

    application: Role
    migration: Role | None
    replicas: tuple[Role, ...] = ()

    @property
    def owner(self) -> Role:
        """The role that owns the tables."""
        return self.migration or self.application

    @staticmethod
    def of(settings: Settings) -> "Roles":
        """The embedded server's role has no arguments before the server is started."""
        application = _read(settings, "DATABASE_URL") or Role("DATABASE_URL", {})
        replicas = _read(settings, "DATABASE_READ_URL")
        return Roles(application, _read(settings, "MIGRATION_DATABASE_URL"), tuple(_each_host(replicas)))


def _read(settings: Settings, setting: str) -> Role | None:
    url = getattr(settings, setting.lower())
    if url is None:
        return None
    address = read_database_address(url.get_secret_value())
    for name in address.ignored:
        logger.debug("%s: %s has no effect", setting, name)
    return Role(setting, address.arguments, address.connect_timeout)


def _each_host(role: Role | None) -> Iterator[Role]:
    """A role for each host of an address."""
    if role is not None:
        arguments = role.arguments
        hosts = zip(arguments.get("host", [None]), arguments.get("port", [None]), strict=True)
        for host, port in hosts:
            place = {"host": [host], "port": [port]} if host is not None else {}
            yield Role(role.setting, arguments | place, role.connect_timeout)
