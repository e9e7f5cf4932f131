"""Operators: listed by operators, and their access ended, restored and reset."""

from typing import Annotated

import strawberry

from api.domain.accounts import operator_access
from api.domain.accounts.operators import list_operators
from api.execution.answer_costs import ITEMS
from api.schema.context import Info
from api.schema.done import Done
from api.schema.error_types import Conflict, NotFound, RateLimited, StepUpRequired
from api.schema.inputs import uuid_of
from api.schema.one_time_codes import Accepted
from api.schema.tenant_types import User

USUAL_OPERATORS = 25
"""More than a closed beta needs. Their number has no limit."""

OperatorId = Annotated[strawberry.ID, strawberry.argument("The `id` of a `User` who is an operator.")]


@strawberry.field(
    description="All operators, in the order in which they were added. Operators only.",
    metadata={ITEMS: USUAL_OPERATORS},
)
async def operators(info: Info) -> list[User]:
    await info.context.operator()
    return [User.of_rows(user, None) for user in await list_operators()]


RemoveOperatorResult = Annotated[
    Done | NotFound | Conflict | StepUpRequired,
    strawberry.union(
        "RemoveOperatorResult",
        description="The removal, or the reason why the operator remains. `Conflict` for the viewer, for the "
        "last active operator, and for an operator to whom other data refers, who can be deactivated.",
    ),
]


@strawberry.mutation(
    description="Deletes an operator and their sessions. The email address can be used again. Operators only."
)
async def remove_operator(info: Info, id: OperatorId) -> RemoveOperatorResult:
    actor = await info.context.operator()
    await operator_access.remove_operator(actor, uuid_of(id))
    return Done(message=info.context.message("OPERATOR_REMOVED"))


ChangeOperatorResult = Annotated[
    User | NotFound | Conflict | StepUpRequired,
    strawberry.union(
        "ChangeOperatorResult",
        description="The changed operator, or the reason why nothing was changed. `Conflict` for the viewer, "
        "for the last active operator, and for one who is inactive, or active, already.",
    ),
]


@strawberry.mutation(
    description="Ends all sessions of an operator, who cannot sign in until `reactivateOperator`. Operators "
    "only."
)
async def deactivate_operator(info: Info, id: OperatorId) -> ChangeOperatorResult:
    actor = await info.context.operator()
    return User.of_rows(await operator_access.deactivate_operator(actor, uuid_of(id)), None)


@strawberry.mutation(description="Lets a deactivated operator sign in again. Operators only.")
async def reactivate_operator(info: Info, id: OperatorId) -> ChangeOperatorResult:
    actor = await info.context.operator()
    return User.of_rows(await operator_access.reactivate_operator(actor, uuid_of(id)), None)


ResetOperatorPasswordResult = Annotated[
    Accepted | NotFound | Conflict | RateLimited | StepUpRequired,
    strawberry.union(
        "ResetOperatorPasswordResult",
        description="The acceptance, or the reason why the password is still valid. `Conflict` for the "
        "viewer, who has `changePassword`, and for an inactive operator.",
    ),
]


@strawberry.mutation(
    description="Makes the password of an operator invalid, ends their sessions, and mails them a code for "
    "`resetPassword`. Operators only."
)
async def reset_operator_password(info: Info, id: OperatorId) -> ResetOperatorPasswordResult:
    actor = await info.context.operator()
    expires_at = await operator_access.reset_operator_password(actor, uuid_of(id))
    return Accepted(message=info.context.message("CODE_REQUESTED"), expires_at=expires_at)
