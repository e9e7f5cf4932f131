"""What a client can do wrong. An error carries data; how it is told, and in which language, is not here."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from api.domain.roles import Role


class DomainError(Exception):
    """A failure that is the client's doing. `code` is stable and the same in every language."""

    code: str

    @property
    def message_code(self) -> str:
        """Which sentence tells of it: the code, and the reason where that makes a difference."""
        return self.code

    @property
    def values(self) -> dict[str, Any]:
        """What fills that sentence."""
        return {}


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one input field.

    `name` is the field's name as the API spells it; `limits` fill the message, such as {"max": 60}.
    """

    name: str
    code: str
    limits: dict[str, Any] = field(default_factory=dict)


class InvalidInput(DomainError):
    """One or more fields are not acceptable; all of them are listed."""

    code = "INVALID_INPUT"

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__(problems)
        self.problems = problems


class BetaKeyRejection(Enum):
    """Why a key admits nobody."""

    NOT_FOUND = "NOT_FOUND"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    OTHER_RECIPIENT = "OTHER_RECIPIENT"


class BetaKeyRejected(DomainError):
    code = "BETA_KEY_REJECTED"

    def __init__(self, reason: BetaKeyRejection) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def message_code(self) -> str:
        return f"{self.code}.{self.reason.value}"


class EmailTaken(DomainError):
    code = "EMAIL_TAKEN"


class NitTaken(DomainError):
    code = "NIT_TAKEN"


class WrongCredentials(DomainError):
    code = "WRONG_CREDENTIALS"


class WrongPassword(WrongCredentials):
    """Somebody who is signed in does not know their own password."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.CURRENT_PASSWORD"


class TenantSuspended(DomainError):
    code = "TENANT_SUSPENDED"

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason


class WrongCode(DomainError):
    """A one-time code or token that is wrong, used, expired, or tried too often."""

    code = "WRONG_CODE"


class RateLimited(DomainError):
    """Too often within a time; `retry_after_seconds`, at least 1, is when it may be tried again."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds

    @property
    def values(self) -> dict[str, Any]:
        return {"seconds": self.retry_after_seconds}


class NotFound(DomainError):
    code = "NOT_FOUND"


class Conflict(DomainError):
    """The thing is not in a state that allows this."""

    code = "CONFLICT"


class NoSeat(DomainError):
    """The tenant has `max` seats for that role, and none is free."""

    code = "NO_SEAT"

    def __init__(self, role: Role, max: int) -> None:  # noqa: A002
        super().__init__(role, max)
        self.role = role
        self.max = max

    @property
    def message_code(self) -> str:
        return f"{self.code}.{self.role.value}"

    @property
    def values(self) -> dict[str, Any]:
        return {"max": self.max}


class InvalidArgument(DomainError):
    """An argument of a query is not acceptable; `problem` says why."""

    code = "INVALID_ARGUMENT"

    def __init__(self, name: str, problem: str, **limits: int) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem
        self.limits = limits

    @property
    def message_code(self) -> str:
        return f"{self.code}.{self.problem}"

    @property
    def values(self) -> dict[str, Any]:
        return {"argument": self.name, **self.limits}


class Unauthenticated(DomainError):
    """Nobody is signed in."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """Whoever is signed in may not do this."""

    code = "FORBIDDEN"
