"""The roles of PostgreSQL that Gatehouse connects as: one reads and writes rows, one owns the tables."""

import logging
from dataclasses import dataclass
from typing import Any

from api.database_address import read_database_address
from api.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Role:
    """How to connect: `arguments` are those of `asyncpg.connect`, from the setting of that name."""

    setting: str
    arguments: dict[str, Any]
    connect_timeout: float | None = None


@dataclass(frozen=True)
class Roles:
    """`migration` is None if the role of the application also owns the tables."""

    application: Role
    migration: Role | None

    @property
    def owner(self) -> Role:
        """The role that owns the tables."""
        return self.migration or self.application

    @staticmethod
    def of(settings: Settings) -> "Roles":
        """The embedded server's role has no arguments before the server is started."""
        application = _read(settings, "DATABASE_URL") or Role("DATABASE_URL", {})
        return Roles(application, _read(settings, "MIGRATION_DATABASE_URL"))


def _read(settings: Settings, setting: str) -> Role | None:
    url = getattr(settings, setting.lower())
    if url is None:
        return None
    address = read_database_address(url.get_secret_value())
    for name in address.ignored:
        logger.debug("%s: %s has no effect", setting, name)
    return Role(setting, address.arguments, address.connect_timeout)
