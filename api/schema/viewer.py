"""The viewer: the signed-in user of the request."""

from typing import Annotated

import strawberry

from api.domain.accounts import personal_details
from api.schema.context import Info
from api.schema.descriptions import PHONE_NUMBERS
from api.schema.error_types import InvalidInput
from api.schema.inputs import provided_fields
from api.schema.tenant_types import User


@strawberry.field(
    description="The signed-in user. Public; null without a token, or with one that is no longer valid."
)
async def viewer(info: Info) -> User | None:
    found = await info.context.viewer()
    return User.of_rows(found.user, found.tenant) if found is not None else None


@strawberry.input(
    description="Changes of the viewer's own account. An omitted field keeps its value. Null clears "
    "`documentId` and `phoneNumber`; elsewhere it gets the error `REQUIRED`."
)
class UpdateViewerInput:
    first_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="First name; 1 to 60 characters."
    )
    last_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Last name; 1 to 60 characters."
    )
    document_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The number of an identity document; at most 20 characters.",
    )
    phone_number: str | None = strawberry.field(default=strawberry.UNSET, description=PHONE_NUMBERS)


UpdateViewerResult = Annotated[
    User | InvalidInput,
    strawberry.union("UpdateViewerResult", description="The changed user, or the errors in the input."),
]


@strawberry.mutation(
    description="Changes the viewer's own details. The email address: `requestEmailChange`. Requires a "
    "signed-in user."
)
async def update_viewer(
    info: Info, input: Annotated[UpdateViewerInput, strawberry.argument("The changes.")]
) -> UpdateViewerResult:
    viewer = await info.context.signed_in()
    user = await personal_details.update_viewer(viewer, provided_fields(input))
    info.context.loaders.clear()
    return User.of_rows(user, viewer.tenant)
