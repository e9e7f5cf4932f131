"""Errors that a client can act on. They carry data; messages and HTTP statuses are elsewhere."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from api.domain.roles import Role


class DomainError(Exception):
    """An error caused by the client. `code` is stable and the same in every language."""

    code: str

    @property
    def message_code(self) -> str:
        """The code of the message: `code`, followed by the reason where each reason has its own message."""
        return self.code

    @property
    def values(self) -> dict[str, Any]:
        """The values that the message contains, by placeholder. The message has times in words."""
        return {}


@dataclass(frozen=True)
class FieldProblem:
    """The problem of one input field.

    `name` is the field's name in the API; `limits` are the values of the message, such as {"max": 60}.
    """

    name: str
    code: str
    limits: dict[str, Any] = field(default_factory=dict)


class Problem(ValueError):
    """A value is not valid; `code` and `limits` are those of `FieldProblem`."""

    def __init__(self, code: str, **limits: int) -> None:
        super().__init__(code)
        self.code = code
        self.limits = limits


class InvalidInput(DomainError):
    """One or more fields are not valid; `problems` lists all of them."""

    code = "INVALID_INPUT"

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__(problems)
        self.problems = problems


class BetaKeyRejection(Enum):
    """Why a key cannot be used."""

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
    """A signed-in user gave a wrong current password."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.CURRENT_PASSWORD"


class TenantSuspended(DomainError):
    code = "TENANT_SUSPENDED"

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason


class TenantDeleted(DomainError):
    """The tenant of the user is deleted. `erased_at` is when its data is erased and its address is free."""

    code = "TENANT_DELETED"

    def __init__(self, erased_at: datetime) -> None:
        super().__init__(erased_at)
        self.erased_at = erased_at

    @property
    def message_code(self) -> str:
        return f"{self.code}.SIGN_IN"

    @property
    def values(self) -> dict[str, Any]:
        return {"erased_at": self.erased_at}


class WrongCode(DomainError):
    """A one-time code or token is wrong, used, expired, or was tried too often."""

    code = "WRONG_CODE"


class ExpiredChallenge(WrongCode):
    """The challenge of a sign-in is unknown, used, expired, or was tried too often."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.CHALLENGE"


class WrongPasskey(WrongCode):
    """The response of a passkey is not valid, or does not answer an open challenge of its user."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.PASSKEY"


class PasskeysUnavailable(DomainError):
    """`PUBLIC_URL`, to which passkeys are bound, is unset, or an address for which browsers make none."""

    code = "PASSKEYS_UNAVAILABLE"


class SecondFactorRequired(DomainError):
    """The password is right, and the second factor is still to be verified for the challenge.

    `passkey_options` are JSON for a passkey of the user; None without one.
    """

    code = "SECOND_FACTOR_REQUIRED"

    def __init__(self, challenge: str, expires_at: datetime, passkey_options: str | None) -> None:
        super().__init__()
        self.challenge = challenge
        self.expires_at = expires_at
        self.passkey_options = passkey_options


class StepUpRequired(DomainError):
    """The user has to type the password or a code of the second factor first."""

    code = "STEP_UP_REQUIRED"


class RateLimited(DomainError):
    """Too many requests within a period; retry after `retry_after_seconds`, which is at least 1."""

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
    """The state of the object does not allow this."""

    code = "CONFLICT"


class LastOperator(Conflict):
    """Without the last active operator, keys and tenants could not be managed over the API."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.LAST_OPERATOR"


class OwnAccount(Conflict):
    """The act is for the account of another user."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.OWN_ACCOUNT"


class RequiredSecondFactor(Conflict):
    """The deployment requires the second factor of this user."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.REQUIRED_SECOND_FACTOR"


class AlreadyInvited(Conflict):
    """The tenant has an open invitation for this address."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.ALREADY_INVITED"


class InvitationRequired(DomainError):
    """Addresses have to be verified here, so staff is invited and chooses its own passwords."""

    code = "INVITATION_REQUIRED"


class NoSeat(DomainError):
    """The tenant has `max` seats for the role, and none is free."""

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
    """An argument is not valid; `problem` is the code of the reason."""

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
    """The request has no valid session."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """The signed-in user is not allowed to do this."""

    code = "FORBIDDEN"


class SecondFactorMissing(Forbidden):
    """The signed-in operator must set up a second factor before anything else."""

    @property
    def message_code(self) -> str:
        return f"{self.code}.SECOND_FACTOR"
