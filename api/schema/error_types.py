"""The error types of the API, and the one place where domain errors become them."""

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.schema.exception_handlers import ExceptionHandler

from api.domain import errors
from api.observability.request_outcome import record_outcome
from api.schema.context import Context, Info
from api.schema.roles import Role

BetaKeyRejection = strawberry.enum(errors.BetaKeyRejection, name="BetaKeyRejection")


@strawberry.interface(
    description="Whatever went wrong: a stable code for programs, a message for people "
    "(Accept-Language: en, es)."
)
class Error:
    code: str
    message: str


@strawberry.type
class FieldError:
    field: str = strawberry.field(description='The input field\'s name, as the client wrote it: "email".')
    code: str
    message: str


@strawberry.type(description="One or more fields are not acceptable; all of them are listed.")
class InvalidInput(Error):
    fields: list[FieldError]


@strawberry.type
class BetaKeyRejected(Error):
    reason: BetaKeyRejection  # pyright: ignore[reportInvalidTypeForm]


@strawberry.type
class EmailTaken(Error):
    pass


@strawberry.type
class NitTaken(Error):
    pass


@strawberry.type
class WrongCredentials(Error):
    pass


@strawberry.type
class TenantSuspended(Error):
    reason: str | None


@strawberry.type
class NotFound(Error):
    pass


@strawberry.type(
    description="The thing is not in a state that allows this "
    "(a used key cannot be revoked, the owner not removed)."
)
class Conflict(Error):
    pass


@strawberry.type(description="The tenant has no free seat for that role.")
class NoSeat(Error):
    role: Role  # pyright: ignore[reportInvalidTypeForm]
    max: int


@strawberry.type(description="The one-time code is wrong, used, expired, or tried too often.")
class WrongCode(Error):
    pass


@strawberry.type
class RateLimited(Error):
    retry_after_seconds: int


def _invalid_input(error: errors.InvalidInput, context: Context) -> InvalidInput:
    return InvalidInput(
        code=error.code,
        message=context.say(error.code),
        fields=[
            FieldError(
                field=problem.name, code=problem.code, message=context.say(problem.code, **problem.limits)
            )
            for problem in error.problems
        ],
    )


def _beta_key_rejected(error: errors.BetaKeyRejected, context: Context) -> BetaKeyRejected:
    return BetaKeyRejected(code=error.code, message=context.say(error.message_code), reason=error.reason)


def _tenant_suspended(error: errors.TenantSuspended, context: Context) -> TenantSuspended:
    return TenantSuspended(code=error.code, message=context.say(error.code), reason=error.reason)


def _no_seat(error: errors.NoSeat, context: Context) -> NoSeat:
    return NoSeat(
        code=error.code,
        message=context.say(error.message_code, **error.values),
        role=error.role,
        max=error.max,
    )


def _rate_limited(error: errors.RateLimited, context: Context) -> RateLimited:
    return RateLimited(
        code=error.code,
        message=context.say(error.code, **error.values),
        retry_after_seconds=error.retry_after_seconds,
    )


def _plain(error_type: type[Error]) -> Callable[[Any, Context], Error]:
    return lambda error, context: error_type(code=error.code, message=context.say(error.message_code))


def _handler(
    exception: type[errors.DomainError], graphql_type: type[Error], tell: Callable[[Any, Context], Error]
) -> ExceptionHandler[Any]:
    class Handler(strawberry.ExceptionHandler):
        exception_type = exception
        error_type = graphql_type

        def handle(self, exception: Any, *, field: Any, info: Info) -> Error:  # noqa: ARG002
            record_outcome(exception.code)
            return tell(exception, info.context)

    return Handler()


EXCEPTION_HANDLERS = (
    _handler(errors.InvalidInput, InvalidInput, _invalid_input),
    _handler(errors.BetaKeyRejected, BetaKeyRejected, _beta_key_rejected),
    _handler(errors.EmailTaken, EmailTaken, _plain(EmailTaken)),
    _handler(errors.NitTaken, NitTaken, _plain(NitTaken)),
    _handler(errors.WrongCredentials, WrongCredentials, _plain(WrongCredentials)),
    _handler(errors.TenantSuspended, TenantSuspended, _tenant_suspended),
    _handler(errors.NotFound, NotFound, _plain(NotFound)),
    _handler(errors.Conflict, Conflict, _plain(Conflict)),
    _handler(errors.NoSeat, NoSeat, _no_seat),
    _handler(errors.WrongCode, WrongCode, _plain(WrongCode)),
    _handler(errors.RateLimited, RateLimited, _rate_limited),
)
"""Each turns a domain error into the member of the field's union that tells of it."""
