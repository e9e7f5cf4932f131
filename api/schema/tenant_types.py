"""Tenant and User, with Seats and UserConnection. They refer to each other, so they share a module."""

from datetime import datetime

import strawberry

import tables
from api.domain import pagination
from api.domain.pagination import Page, Position
from api.domain.second_factor_policy import may_see_second_factor
from api.domain.tenants.seats import SeatUse, max_seats
from api.domain.tenants.staff_roles import may_see_personal_data, require_may_see_invitations
from api.domain.viewer import Viewer
from api.execution.answer_costs import ITEMS
from api.schema.context import Info
from api.schema.enums import BusinessType, Role
from api.schema.loaders import StaffPage
from api.schema.pagination import After, Connection, First, edges_of, page_info_of, read_cursor
from api.schema.staff_invitation_types import StaffInvitationConnection


@strawberry.type(description="The seats of a tenant for one role.")
class Seats:
    role: Role = strawberry.field(description="`ADMIN`, `MANAGER` or `CASHIER`.")
    used: int = strawberry.field(description="The number of active users with this role.")
    reserved: int = strawberry.field(
        description="The number of open invitations for this role. Each takes a seat until it expires."
    )
    max: int = strawberry.field(
        description="The number of active users and open invitations with this role that the tenant may have."
    )


@strawberry.type(
    description="A registered business. Its staff and operators see it, with all fields and all of its staff."
)
class Tenant:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    business_name: str = strawberry.field(description="The name of the business; at most 200 characters.")
    nit: str = strawberry.field(
        description="The tax id (in Colombia, the NIT) in capital letters, digits and `&`: `9001234568`. "
        "Unique."
    )
    business_type: BusinessType = strawberry.field(description="The line of business.")
    address: str = strawberry.field(description="The postal address in one line; at most 500 characters.")
    phone: str | None = strawberry.field(
        description="The phone number of the business in E.164: `+573001234567`, or with an "
        "extension `+576015551234;ext=12`. Null if it gave none."
    )
    email: str | None = strawberry.field(
        description="The email address of the business, not of its owner. Null if it gave none."
    )
    is_active: bool = strawberry.field(
        description="False while the tenant is suspended: its staff cannot sign in."
    )
    suspended_reason: str | None = strawberry.field(
        description="Why an operator suspended the tenant; null unless it is suspended."
    )
    created_at: datetime = strawberry.field(description="When the business registered.")
    row: strawberry.Private[tables.Tenant]

    @classmethod
    def of(cls, tenant: tables.Tenant) -> "Tenant":
        return cls(
            id=strawberry.ID(str(tenant.id)),
            business_name=tenant.business_name,
            nit=tenant.nit,
            # An adopted database may hold a type that this enum lacks.
            business_type=BusinessType.read(tenant.business_type) or BusinessType.OTRO,
            address=tenant.address,
            phone=tenant.phone,
            email=tenant.email,
            is_active=tenant.is_active,
            suspended_reason=tenant.suspended_reason,
            created_at=tenant.created_at,
            row=tenant,
        )

    @strawberry.field(
        description="The user who registered the tenant. Null only for a tenant of an older system without "
        "one."
    )
    async def owner(self, info: Info) -> "User | None":
        owner = await info.context.loaders.owner.load(self.row.id)
        return User.seen_by(await info.context.viewer(), owner, self) if owner is not None else None

    @strawberry.field(
        description="The seats of the tenant: one entry each for admins, managers and cashiers.",
        metadata={ITEMS: 3},
    )
    async def seats(self, info: Info) -> list[Seats]:
        seats = await info.context.loaders.seats.load(self.row.id)
        return [
            Seats(role=role, max=maximum, **seats.get(role, SeatUse())._asdict())
            for role, maximum in max_seats(self.row).items()
        ]

    @strawberry.field(
        description="The users of the tenant, the owner and inactive ones included, in the order in which "
        "they were created."
    )
    async def staff(self, info: Info, first: First = 20, after: After = strawberry.UNSET) -> "UserConnection":
        pagination.check_page_size(first)
        after = None if after is strawberry.UNSET else after
        position = read_cursor("after", after)
        page = await info.context.loaders.staff.load(StaffPage(self.row.id, first, position))
        return UserConnection.of(page, after, self, await info.context.viewer())

    @strawberry.field(
        description="The people who were invited and have not accepted yet, in the order in which they were "
        "invited; expired invitations stay for 30 days. For those who manage staff, and operators; others "
        "get null, and the error `FORBIDDEN`."
    )
    async def invitations(
        self, info: Info, first: First = 20, after: After = strawberry.UNSET
    ) -> StaffInvitationConnection | None:
        viewer = await info.context.viewer()
        # Before the arguments, which are explained to those who may list invitations only.
        require_may_see_invitations(viewer)
        pagination.check_page_size(first)
        after = None if after is strawberry.UNSET else after
        position = read_cursor("after", after)
        page = await info.context.loaders.invitations.load(StaffPage(self.row.id, first, position))
        return StaffInvitationConnection.of(page, after, self.row.id, viewer)


@strawberry.type(
    description="A person who can sign in: an operator, or staff of one tenant. "
    "Users see themselves and the staff of their tenant; operators see all users of all tenants."
)
class User:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    email: str = strawberry.field(
        description="The address that the user signs in with. Unique; case does not matter."
    )
    first_name: str = strawberry.field(description="First name; at most 60 characters.")
    last_name: str = strawberry.field(
        description="Last name; at most 60 characters. May be empty for operators."
    )
    role: Role = strawberry.field(description="What the user may do.")
    is_owner: bool = strawberry.field(
        description="Whether the user registered the tenant. "
        "The owner cannot be removed, deactivated, or given another role."
    )
    is_active: bool = strawberry.field(description="False for a user who cannot sign in and holds no seat.")
    document_id: str | None = strawberry.field(
        description="The number of an identity document; at most 20 characters. Null if none was "
        "given, and for those who neither manage this user nor are this user, because a document "
        "number lets others pass for the person."
    )
    phone_number: str | None = strawberry.field(
        description="The phone number in E.164: `+573001234567`, or with an "
        "extension `+576015551234;ext=12`. Null if none was given, and for "
        "those who neither manage this user nor are this user."
    )
    created_at: datetime = strawberry.field(description="When the user was created.")
    tenant: Tenant | None = strawberry.field(description="The tenant of the user. Null for operators.")
    row: strawberry.Private[tables.User]

    @strawberry.field(
        description="Whether the user signs in with a second factor. Null unless the viewer is this user or "
        "an operator."
    )
    async def has_second_factor(self, info: Info) -> bool | None:
        viewer = await info.context.viewer()
        if viewer is None or not may_see_second_factor(viewer.user, self.row):
            return None
        return self.row.second_factor_at is not None

    @classmethod
    def of(cls, user: tables.User, tenant: Tenant | None) -> "User":
        return cls(
            id=strawberry.ID(str(user.id)),
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            role=Role(user.role),
            is_owner=user.is_owner,
            is_active=user.is_active,
            document_id=user.document_id,
            phone_number=user.phone_number,
            created_at=user.created_at,
            tenant=tenant,
            row=user,
        )

    @classmethod
    def seen_by(cls, viewer: Viewer | None, user: tables.User, tenant: Tenant) -> "User":
        """The user, without personal data unless the viewer may see it."""
        seen = cls.of(user, tenant)
        if not may_see_personal_data(viewer, user):
            seen.document_id = seen.phone_number = None
        return seen

    @classmethod
    def of_rows(cls, user: tables.User, tenant: tables.Tenant | None) -> "User":
        return cls.of(user, Tenant.of(tenant) if tenant is not None else None)


@strawberry.type(description="A page of the users of a tenant.")
class UserConnection(Connection[User]):
    tenant: strawberry.Private[Tenant]

    @classmethod
    def of(
        cls, page: Page[tables.User], after: str | None, tenant: Tenant, viewer: Viewer | None
    ) -> "UserConnection":
        edges = edges_of(
            page,
            position=lambda user: Position(user.created_at, user.id),
            node=lambda user: User.seen_by(viewer, user, tenant),
        )
        return cls(edges=edges, page_info=page_info_of(page, edges, after), tenant=tenant)

    @strawberry.field(description="The number of users of the tenant, inactive ones included.")
    async def total_count(self, info: Info) -> int:
        return await info.context.loaders.staff_count.load(self.tenant.row.id)
