"""The viewer: the signed-in user of the request."""

import strawberry

from api.schema.context import Info
from api.schema.tenant_types import User


@strawberry.field(
    description="The signed-in user. Public; null without a token, or with one that is no longer valid."
)
async def viewer(info: Info) -> User | None:
    found = await info.context.viewer()
    return User.of_rows(found.user, found.tenant) if found is not None else None
