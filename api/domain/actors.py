"""Who acts, and from where."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from api.domain.errors import StepUpRequired
from tables import User

CONFIRMATION_LIFETIME = timedelta(minutes=10)
"""How long a sign-in, or a confirmation, lets a session act where a stolen one must not."""


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
    is_confirmed: bool = True
    """Whether a user has typed the password or a code of the second factor within `CONFIRMATION_LIFETIME`."""
    session_id: UUID | None = None
    """The session in which a signed-in user acts."""

    @classmethod
    def of(cls, user: User, client: Client) -> "Actor":
        """The actor of a user's act."""
        return cls(user.id, user.email, client)


def require_confirmed(actor: Actor) -> None:
    """Raises `StepUpRequired` unless the actor has confirmed lately who they are."""
    if not actor.is_confirmed:
        raise StepUpRequired


SYSTEM_ACTOR = Actor(None, None, Client())
"""The actor of commands and of the worker, which have the database and no account."""
