"""Registration: a beta key becomes a tenant with its owner."""

from datetime import datetime
from typing import Annotated, cast

import strawberry

import tables
from api.domain import registration
from api.schema.context import Info
from api.schema.descriptions import ACCESS_TOKENS, PASSWORDS, PHONE_NUMBERS
from api.schema.enums import BusinessType
from api.schema.error_types import (
    BetaKeyRejected,
    EmailTaken,
    InvalidInput,
    NitTaken,
    RateLimited,
    SecondFactorRequired,
    WrongCode,
)
from api.schema.inputs import provided_fields
from api.schema.tenant_types import Tenant, User


@strawberry.input(
    description="A registration: a beta key, the business, and the owner, who becomes its first user."
)
class RegisterInput:
    beta_key: str = strawberry.field(
        description="The beta key, such as `BETA-7QX4M-9HKTR`, in any spelling: case, spaces, dashes and "
        "invisible characters do not matter."
    )
    business_name: str = strawberry.field(description="The name of the business; 1 to 200 characters.")
    nit: str = strawberry.field(
        description="Tax id (in Colombia, the NIT). 3 to 50 letters, digits and `&`; a label such as `NIT:`, "
        "dots, dashes and spaces are removed. No other tenant may have it."
    )
    business_type: BusinessType = strawberry.field(description="The line of business.")
    address: str = strawberry.field(description="The postal address in one line; 1 to 500 characters.")
    business_phone: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"Of the business. {PHONE_NUMBERS}",
    )
    business_email: str | None = strawberry.field(
        default=strawberry.UNSET, description="The email address of the business; at most 100 characters."
    )
    first_name: str = strawberry.field(description="The first name of the owner; 1 to 60 characters.")
    last_name: str = strawberry.field(description="The last name of the owner; 1 to 60 characters.")
    email: str = strawberry.field(
        description="The address that the owner signs in with; at most 120 characters. No other user may "
        "have it."
    )
    password: str = strawberry.field(description=f"The password of the owner. {PASSWORDS}")
    document_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The number of an identity document of the owner; at most 20 characters.",
    )
    phone_number: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"Of the owner. {PHONE_NUMBERS}"
    )
    email_verification_token: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="From verifyEmail; required only where the deployment demands verified addresses.",
    )


@strawberry.type(description="A new tenant, its owner, and a session of the owner.")
class Registration:
    access_token: str = strawberry.field(description=ACCESS_TOKENS)
    expires_at: datetime = strawberry.field(description="When the session ends, unless it is ended before.")
    user: User = strawberry.field(description="The owner.")
    tenant: Tenant = strawberry.field(description="The tenant.")


RegisterResult = Annotated[
    Registration
    | InvalidInput
    | BetaKeyRejected
    | EmailTaken
    | NitTaken
    | WrongCode
    | RateLimited
    | SecondFactorRequired,
    strawberry.union(
        "RegisterResult",
        description="The registration, or the reason why none was created. After an error nothing is stored "
        "and the key is unused. `WrongCode` for a missing or invalid `emailVerificationToken`, where one is "
        "required. `SecondFactorRequired` for an owner who has a second factor; the tenant exists then.",
    ),
]


@strawberry.mutation(
    description="Turns a beta key into a tenant, its owner and a session, all or nothing. Public; safe to "
    "repeat: the same key, owner, tax id and password return the same tenant with a new session."
)
async def register(
    info: Info, input: Annotated[RegisterInput, strawberry.argument("The registration.")]
) -> RegisterResult:
    opened = await registration.register(provided_fields(input), info.context.client)
    # A registration has a tenant; only the session of an operator has none.
    tenant = Tenant.of(cast("tables.Tenant", opened.tenant))
    return Registration(
        access_token=opened.token,
        expires_at=opened.expires_at,
        user=User.of(opened.user, tenant),
        tenant=tenant,
    )
