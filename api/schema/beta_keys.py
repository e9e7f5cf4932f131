"""Beta keys."""

import strawberry

from api.domain import beta_keys
from api.schema.context import Info
from api.schema.errors import BetaKeyRejection


@strawberry.type
class BetaKeyValidation:
    valid: bool
    reason: BetaKeyRejection | None = strawberry.field(description="Null when valid.")  # pyright: ignore[reportInvalidTypeForm]
    message: str


async def validate_beta_key(info: Info, key: str) -> BetaKeyValidation:
    reason = await beta_keys.validate_key(key, info.context.client)
    return BetaKeyValidation(
        valid=reason is None, reason=reason, message=info.context.say(beta_keys.message_code(reason))
    )
