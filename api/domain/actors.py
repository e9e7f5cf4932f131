"""The actor of an act, and the client that the request came from."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tables import User


class Client(NamedTuple):
    """Where a request comes from, as far as it can be told, and which language it wants: `en` or `es`."""

    ip_address: str | None = None
    user_agent: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where."""

    id: UUID | None
    email: str | None
    client: Client

    @classmethod
    def of(cls, user: User, client: Client) -> "Actor":
        return cls(user.id, user.email, client)


SYSTEM_ACTOR = Actor(None, None, Client())
"""Whoever types the commands: they need no account, only the database."""
