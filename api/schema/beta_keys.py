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
    reason = await beta_keys.validate_key(key)
    code = "BETA_KEY_VALID" if reason is None else f"BETA_KEY_REJECTED.{reason.value}"
    return BetaKeyValidation(valid=reason is None, reason=reason, message=info.context.say(code))
