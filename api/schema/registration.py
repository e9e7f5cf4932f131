"""Registration."""

from datetime import datetime
from typing import Annotated, cast

import strawberry

import tables
from api.domain import registration
from api.schema.context import Info
from api.schema.error_types import BetaKeyRejected, EmailTaken, InvalidInput, NitTaken, RateLimited, WrongCode
from api.schema.inputs import given
from api.schema.tenants import BusinessType, Tenant
from api.schema.users import User


@strawberry.input
class RegisterInput:
    beta_key: str
    business_name: str
    nit: str = strawberry.field(description="Tax id (in Colombia, the NIT).")
    business_type: BusinessType  # pyright: ignore[reportInvalidTypeForm]
    address: str
    business_phone: str | None = strawberry.UNSET
    business_email: str | None = strawberry.UNSET
    first_name: str
    last_name: str
    email: str
    password: str
    document_id: str | None = strawberry.UNSET
    phone_number: str | None = strawberry.UNSET
    email_verification_token: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="From verifyEmail; required only where the deployment demands verified addresses.",
    )


@strawberry.type
class Registration:
    access_token: str
    expires_at: datetime
    user: User
    tenant: Tenant


RegisterResult = Annotated[
    Registration | InvalidInput | BetaKeyRejected | EmailTaken | NitTaken | WrongCode | RateLimited,
    strawberry.union("RegisterResult"),
]


async def register(info: Info, input: RegisterInput) -> RegisterResult:  # noqa: A002
    opened = await registration.register(given(input), info.context.client)
    # A registration has a tenant; only operators, who sign in by password, have none.
    tenant = Tenant.of(cast("tables.Tenant", opened.tenant))
    return Registration(
        access_token=opened.token,
        expires_at=opened.expires_at,
        user=User.of(opened.user, tenant),
        tenant=tenant,
    )
