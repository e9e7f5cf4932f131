"""Who acts, and from where."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tables import User


class Client(NamedTuple):
    """The program that sent a request; None for an unknown attribute. `language` is `en` or `es`."""

    ip_address: str | None = None
    user_agent: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Actor:
    """The user who acts, or the email address of an unauthenticated act, and the client."""

    id: UUID | None
    email: str | None
    client: Client

    @classmethod
    def of(cls, user: User, client: Client) -> "Actor":
        """The actor of a user's act."""
        return cls(user.id, user.email, client)


SYSTEM_ACTOR = Actor(None, None, Client())
"""The actor of commands and of the worker, which have the database and no account."""
