"""An invitation of staff, as those who manage staff see it."""

from datetime import datetime
from uuid import UUID

import strawberry

import tables
from api.domain.pagination import Page, Position
from api.domain.tenants.staff_invitations import is_expired
from api.domain.tenants.staff_roles import may_see_personal_data
from api.domain.viewer import Viewer
from api.schema.context import Info
from api.schema.enums import Role
from api.schema.pagination import Connection, edges_of, page_info_of


@strawberry.type(
    description="A person who was invited to a tenant and has not accepted yet. It does not say whether the "
    "address has an account; that person reads it in the mail."
)
class StaffInvitation:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    email: str = strawberry.field(description="The address that was invited.")
    first_name: str = strawberry.field(description="First name; at most 60 characters.")
    last_name: str = strawberry.field(description="Last name; at most 60 characters.")
    role: Role = strawberry.field(description="The role that the person will have.")
    document_id: str | None = strawberry.field(
        description="The number of an identity document. Null if none was given, and for those who do not "
        "manage this role."
    )
    phone_number: str | None = strawberry.field(
        description="The phone number in E.164. Null if none was given, and for those who do not manage this "
        "role."
    )
    created_at: datetime = strawberry.field(description="When the person was invited.")
    sent_at: datetime = strawberry.field(description="When the last mail was queued.")
    expires_at: datetime = strawberry.field(
        description="When the link and the code of the last mail expire, and the seat becomes free: 7 days "
        "after `sentAt`."
    )
    is_expired: bool = strawberry.field(
        description="Whether `expiresAt` has passed. `resendInvitation` makes the invitation valid again."
    )

    @classmethod
    def seen_by(cls, viewer: Viewer | None, invitation: tables.StaffInvitation) -> "StaffInvitation":
        """The invitation, without personal data unless the viewer may see it."""
        is_visible = may_see_personal_data(viewer, invitation)
        return cls(
            id=strawberry.ID(str(invitation.id)),
            email=invitation.email,
            first_name=invitation.first_name,
            last_name=invitation.last_name,
            role=Role(invitation.role),
            document_id=invitation.document_id if is_visible else None,
            phone_number=invitation.phone_number if is_visible else None,
            created_at=invitation.created_at,
            sent_at=invitation.sent_at,
            expires_at=invitation.expires_at,
            is_expired=is_expired(invitation),
        )


@strawberry.type(description="A page of the invitations of a tenant.")
class StaffInvitationConnection(Connection[StaffInvitation]):
    tenant_id: strawberry.Private[UUID]

    @classmethod
    def of(
        cls, page: Page[tables.StaffInvitation], after: str | None, tenant_id: UUID, viewer: Viewer | None
    ) -> "StaffInvitationConnection":
        edges = edges_of(
            page,
            position=lambda invitation: Position(invitation.created_at, invitation.id),
            node=lambda invitation: StaffInvitation.seen_by(viewer, invitation),
        )
        return cls(edges=edges, page_info=page_info_of(page, edges, after), tenant_id=tenant_id)

    @strawberry.field(description="The number of invitations of the tenant, expired ones included.")
    async def total_count(self, info: Info) -> int:
        return await info.context.loaders.invitation_count.load(self.tenant_id)
