"""The GraphQL types of errors, and the handlers that convert domain errors to them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import strawberry
from strawberry.schema.exception_handlers import ExceptionHandler

from api.domain import errors
from api.observability.request_outcome import record_outcome
from api.schema.context import Context, Info
from api.schema.descriptions import list_codes
from api.schema.enums import BetaKeyRejection, Role
from api.schema.error_codes import ERROR_CODES, FIELD_CODES
from api.written_times import in_words


@strawberry.interface(
    description="An error that a client can act on, as a member of the union that a mutation returns."
)
class Error:
    code: str = strawberry.field(
        description=list_codes(
            "A stable code for programs, the same in every language. Each type has one code:", ERROR_CODES
        )
    )
    message: str = strawberry.field(
        description="A sentence for people, in the language of the request's `Accept-Language`: "
        "English or Spanish."
    )


@strawberry.type(description="An error in one field of an input.")
class FieldError:
    field: str = strawberry.field(description='The input field\'s name, as the client wrote it: "email".')
    code: str = strawberry.field(
        description=list_codes("A stable code for programs, the same in every language:", FIELD_CODES)
    )
    message: str = strawberry.field(
        description="A sentence for people, in the language of the request, with the limit "
        "where there is one, such as the number of characters."
    )


@strawberry.type(description="One or more fields are not valid. Nothing was changed.")
class InvalidInput(Error):
    code: str = strawberry.field(description="Always `INVALID_INPUT`.")
    fields: list[FieldError] = strawberry.field(description="All fields that are not valid.")


@strawberry.type(description="A business cannot register with this beta key.")
class BetaKeyRejected(Error):
    code: str = strawberry.field(description="Always `BETA_KEY_REJECTED`.")
    reason: BetaKeyRejection = strawberry.field(description="Why the key was rejected.")


@strawberry.type(description="Another user has this email address. Case does not matter.")
class EmailTaken(Error):
    code: str = strawberry.field(description="Always `EMAIL_TAKEN`.")


@strawberry.type(description="Another tenant has this tax id. Case, dots, dashes and spaces do not matter.")
class NitTaken(Error):
    code: str = strawberry.field(description="Always `NIT_TAKEN`.")


@strawberry.type(
    description="The password is wrong. At sign-in also: the email address is unknown, or the user is "
    "inactive; the answer does not say which."
)
class WrongCredentials(Error):
    code: str = strawberry.field(description="Always `WRONG_CREDENTIALS`.")


@strawberry.type(description="An operator suspended the tenant of this user; its staff cannot sign in.")
class TenantSuspended(Error):
    code: str = strawberry.field(description="Always `TENANT_SUSPENDED`.")
    reason: str | None = strawberry.field(
        description="The reason as the operator wrote it; null if none is stored."
    )


@strawberry.type(
    description="An operator deleted the tenant of this user, and can restore it until `erasedAt`."
)
class TenantDeleted(Error):
    code: str = strawberry.field(description="Always `TENANT_DELETED`.")
    erased_at: datetime = strawberry.field(
        description="When the data of the tenant is erased; its email addresses are free again then."
    )


@strawberry.type(description="No object that the viewer may change has this id.")
class NotFound(Error):
    code: str = strawberry.field(description="Always `NOT_FOUND`.")


@strawberry.type(
    description="The object is in a state that does not allow this: a used key cannot be revoked, "
    "the owner of a tenant cannot be removed."
)
class Conflict(Error):
    code: str = strawberry.field(description="Always `CONFLICT`.")


@strawberry.type(description="The tenant has no free seat for that role.")
class NoSeat(Error):
    code: str = strawberry.field(description="Always `NO_SEAT`.")
    role: Role = strawberry.field(description="The role whose seats are all taken.")
    max: int = strawberry.field(description="The number of seats that the tenant has for this role.")


@strawberry.type(
    description="This deployment verifies addresses, so each person makes the own account: use `inviteStaff`."
)
class InvitationRequired(Error):
    code: str = strawberry.field(description="Always `INVITATION_REQUIRED`.")


@strawberry.type(
    description="The one-time code is wrong, used, expired, or tried too often; or the passkey was not "
    "accepted."
)
class WrongCode(Error):
    code: str = strawberry.field(description="Always `WRONG_CODE`.")


@strawberry.type(
    description="The password is right, and the account has a second factor: continue with "
    "`verifySecondFactor`. The message is for people whose client does not know this type."
)
class SecondFactorRequired(Error):
    code: str = strawberry.field(description="Always `SECOND_FACTOR_REQUIRED`.")
    challenge: str = strawberry.field(
        description="An opaque text for `verifySecondFactor`; 5 tries, one use. The server does not show it "
        "again."
    )
    expires_at: datetime = strawberry.field(description="When the challenge expires, 10 minutes from now.")
    passkey_options: str | None = strawberry.field(
        description="If the user has passkeys, JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`; "
        "send the response of `navigator.credentials.get` as `passkey` of `verifySecondFactor`."
    )


@strawberry.type(
    description="This deployment offers no passkeys: its `PUBLIC_URL` is unset, or has no host name or no "
    "https."
)
class PasskeysUnavailable(Error):
    code: str = strawberry.field(description="Always `PASSKEYS_UNAVAILABLE`.")


@strawberry.type(
    description="The viewer signed in more than 10 minutes ago: call `confirmIdentity`, then try again. "
    "Signing in again works too."
)
class StepUpRequired(Error):
    code: str = strawberry.field(description="Always `STEP_UP_REQUIRED`.")


@strawberry.type(description="Too many requests of this kind from this address or for this account.")
class RateLimited(Error):
    code: str = strawberry.field(description="Always `RATE_LIMITED`.")
    retry_after_seconds: int = strawberry.field(
        description="Seconds until a request of this kind is accepted again; at least 1."
    )


def _invalid_input(error: errors.InvalidInput, context: Context) -> InvalidInput:
    return InvalidInput(
        code=error.code,
        message=context.message(error.code),
        fields=[
            FieldError(
                field=problem.name,
                code=problem.code,
                message=context.message(problem.code, **problem.limits),
            )
            for problem in error.problems
        ],
    )


def _beta_key_rejected(error: errors.BetaKeyRejected, context: Context) -> BetaKeyRejected:
    return BetaKeyRejected(code=error.code, message=context.message(error.message_code), reason=error.reason)


def _tenant_suspended(error: errors.TenantSuspended, context: Context) -> TenantSuspended:
    return TenantSuspended(code=error.code, message=context.message(error.code), reason=error.reason)


def _tenant_deleted(error: errors.TenantDeleted, context: Context) -> TenantDeleted:
    return TenantDeleted(
        code=error.code,
        message=context.message(
            error.message_code, erased_at=in_words(error.erased_at, context.client.language)
        ),
        erased_at=error.erased_at,
    )


def _no_seat(error: errors.NoSeat, context: Context) -> NoSeat:
    return NoSeat(
        code=error.code,
        message=context.message(error.message_code, **error.values),
        role=error.role,
        max=error.max,
    )


def _second_factor_required(error: errors.SecondFactorRequired, context: Context) -> SecondFactorRequired:
    return SecondFactorRequired(
        code=error.code,
        message=context.message(error.code),
        challenge=error.challenge,
        expires_at=error.expires_at,
        passkey_options=error.passkey_options,
    )


def _rate_limited(error: errors.RateLimited, context: Context) -> RateLimited:
    return RateLimited(
        code=error.code,
        message=context.message(error.code, **error.values),
        retry_after_seconds=error.retry_after_seconds,
    )


def _plain(graphql_type: type[Error]) -> Callable[[Any, Context], Error]:
    """The conversion to a type that has no fields of its own."""
    return lambda error, context: graphql_type(code=error.code, message=context.message(error.message_code))


def _handler(
    domain_error: type[errors.DomainError],
    graphql_type: type[Error],
    convert: Callable[[Any, Context], Error],
) -> ExceptionHandler[Any]:
    class Handler(strawberry.ExceptionHandler):
        exception_type = domain_error
        error_type = graphql_type

        def handle(self, exception: Any, *, field: Any, info: Info) -> Error:  # noqa: ARG002
            record_outcome(exception.code)
            return convert(exception, info.context)

    return Handler()


EXCEPTION_HANDLERS = (
    _handler(errors.InvalidInput, InvalidInput, _invalid_input),
    _handler(errors.BetaKeyRejected, BetaKeyRejected, _beta_key_rejected),
    _handler(errors.EmailTaken, EmailTaken, _plain(EmailTaken)),
    _handler(errors.NitTaken, NitTaken, _plain(NitTaken)),
    _handler(errors.WrongCredentials, WrongCredentials, _plain(WrongCredentials)),
    _handler(errors.TenantSuspended, TenantSuspended, _tenant_suspended),
    _handler(errors.TenantDeleted, TenantDeleted, _tenant_deleted),
    _handler(errors.NotFound, NotFound, _plain(NotFound)),
    _handler(errors.Conflict, Conflict, _plain(Conflict)),
    _handler(errors.NoSeat, NoSeat, _no_seat),
    _handler(errors.InvitationRequired, InvitationRequired, _plain(InvitationRequired)),
    _handler(errors.WrongCode, WrongCode, _plain(WrongCode)),
    _handler(errors.SecondFactorRequired, SecondFactorRequired, _second_factor_required),
    _handler(errors.PasskeysUnavailable, PasskeysUnavailable, _plain(PasskeysUnavailable)),
    _handler(errors.StepUpRequired, StepUpRequired, _plain(StepUpRequired)),
    _handler(errors.RateLimited, RateLimited, _rate_limited),
)
"""A handler converts a domain error where the union of the field has its type; elsewhere the error is one of
the `errors` of the response."""
