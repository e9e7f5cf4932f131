"""Audit events: who did what, when, and from where."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.domain import pagination, times
from api.domain.audit_events import listing
from api.domain.audit_events.listing import Event, EventFilter
from api.domain.pagination import Page, Position
from api.schema.context import Info
from api.schema.descriptions import list_codes
from api.schema.inputs import uuid_of
from api.schema.pagination import After, Connection, First, edges_of, page_info_of, read_cursor
from api.schema.scalars import Json, TimeOrDay

ACTIONS = {
    "beta_key.issued": "an operator issued beta keys; the subject is the key if it was one.",
    "beta_key.imported": "beta keys were imported from a file.",
    "beta_key.updated": "notes or expiry of a beta key were changed.",
    "beta_key.sent": "a beta key was mailed to its recipient.",
    "beta_key.revoked": "a beta key was revoked.",
    "beta_key.used": "a business registered with a beta key.",
    "tenant.registered": "a business registered.",
    "tenant.updated": "the details of a tenant were changed.",
    "tenant.suspended": "a tenant was suspended.",
    "tenant.suspension_requested": "an operator requested a code to suspend a tenant.",
    "tenant.reactivated": "the suspension of a tenant ended.",
    "tenant.seats_set": "the number of seats of a tenant was changed.",
    "tenant.deletion_requested": "an operator requested a code to delete a tenant.",
    "tenant.deleted": "a tenant was deleted; it can be restored until it is erased.",
    "tenant.restored": "a deleted tenant was restored.",
    "tenant.erased": "the data of a deleted tenant was erased.",
    "staff.invited": "a person was invited to a tenant.",
    "staff.invitation_resent": "an invitation was mailed again, with a new link and code.",
    "staff.invitation_cancelled": "an invitation was cancelled.",
    "staff.invitation_accepted": "an invited person made the account; the subject is the new user.",
    "staff.created": "a user of a tenant was created.",
    "staff.updated": "a user of a tenant was changed.",
    "staff.removed": "a user of a tenant was deleted.",
    "staff.signed_out": "all sessions of a user of a tenant were ended by an admin or a manager.",
    "session.opened": "a user signed in.",
    "session.refused": "a sign-in failed; `detail.reason` says why.",
    "session.challenged": "a user gave the right password, and has to verify the second factor.",
    "session.confirmed": "a user confirmed who they are, with the password or the second factor.",
    "session.closed": "a user signed out.",
    "session.all_closed": "a user ended all of their sessions.",
    "session.revoked": "a user ended another of their sessions.",
    "account.updated": "a user changed their own names, document or phone.",
    "account.email_change_requested": "a user requested a code to change their email address.",
    "account.email_changed": "a user changed their email address; the actor is shown by the old one.",
    "password.changed": "a user changed their password.",
    "password.reset_requested": "a code for a new password was requested.",
    "password.reset": "a user set a new password with a code.",
    "second_factor.started": "a user began to set up an authenticator app or a passkey.",
    "second_factor.passkey_added": "a user added a passkey.",
    "second_factor.passkey_removed": "a user removed a passkey.",
    "second_factor.turned_on": "a user turned the second factor on.",
    "second_factor.turned_off": "a user turned the second factor off.",
    "second_factor.codes_renewed": "a user replaced the recovery codes.",
    "second_factor.reset": "the second factor of a user was deleted by an operator or a command.",
    "second_factor.refused": "a code of a second factor was wrong, or used before, or a passkey was "
    "not accepted.",
    "guesses.refused": "a network tried many beta keys that do not exist, or many wrong one-time codes were "
    "tried for a mailbox (`detail.of` is `keys` or `codes`); recorded at most once an hour.",
    "email.verification_requested": "a code to verify an email address was requested.",
    "email.verified": "an email address was verified.",
    "operator.added": "an operator was created.",
    "operator.removed": "an operator was deleted.",
    "operator.deactivated": "the access of an operator was ended.",
    "operator.reactivated": "a deactivated operator may sign in again.",
    "operator.password_reset": "the password of an operator was replaced by another operator or a command.",
    "user.attached": "a user without a tenant, of an adopted database, joined one.",
    "user.removed": "a user without a tenant was deleted.",
}


@strawberry.type(
    description="A record of an act. It never changes. Operators see all events, admins those of their "
    "tenant."
)
class AuditEvent:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    at: datetime = strawberry.field(description="When it happened.")
    action: str = strawberry.field(
        description=list_codes("What happened. Later versions may add actions:", ACTIONS)
    )
    actor_email: str | None = strawberry.field(
        description="The email address of the user who acted, or the address that was typed to sign in or to "
        "request a code. Null for the server itself and its commands. Tenants see `operator` in place of the "
        "address of an operator."
    )
    tenant_id: strawberry.ID | None = strawberry.field(
        description="The `id` of the tenant that the event belongs to, which may be erased by now. "
        "Null if it belongs to none."
    )
    subject_id: strawberry.ID | None = strawberry.field(
        description="The `id` of the key, tenant, user, invitation or session that the act concerns. Null "
        "if it concerns several, or none of them."
    )
    detail: Json = strawberry.field(
        description="An object with more about the act, such as `changes`: the old and the new value of each "
        "field. Its fields depend on `action`."
    )
    ip_address: str | None = strawberry.field(
        description="The IPv4 or IPv6 address that the request came from. Null for the server and its "
        "commands, if it is unknown, and for tenants if an operator acted."
    )

    @classmethod
    def of(cls, event: Event) -> "AuditEvent":
        return cls(
            id=strawberry.ID(str(event.id)),
            at=event.at,
            action=event.action,
            actor_email=event.actor_email,
            tenant_id=None if event.tenant_id is None else strawberry.ID(str(event.tenant_id)),
            subject_id=None if event.subject_id is None else strawberry.ID(str(event.subject_id)),
            detail=Json(event.detail),
            ip_address=event.ip_address,
        )


@strawberry.input(description="Which audit events to list: those that meet every condition that is set.")
class AuditEventFilter:
    action: str | None = strawberry.field(
        default=strawberry.UNSET, description="An action, such as `staff.created`."
    )
    tenant_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The `id` of a tenant."
    )
    actor_email: str | None = strawberry.field(
        default=strawberry.UNSET, description="The whole `actorEmail`; case does not matter."
    )
    since: TimeOrDay | None = strawberry.field(
        default=strawberry.UNSET, description="The earliest `at`, inclusive; of a day, its start."
    )
    until: TimeOrDay | None = strawberry.field(
        default=strawberry.UNSET, description="The latest `at`, exclusive; of a day, its end."
    )

    def to_domain(self) -> EventFilter:
        return EventFilter(
            action=self.action or None,
            tenant_id=uuid_of(self.tenant_id) if self.tenant_id else None,
            actor_email=self.actor_email or None,
            since=times.start(self.since) if self.since else None,
            until=times.next_start(self.until) if self.until else None,
        )


@strawberry.type(description="A page of audit events.")
class AuditEventConnection(Connection[AuditEvent]):
    @classmethod
    def of(cls, page: Page[Event], after: str | None) -> "AuditEventConnection":
        edges = edges_of(page, position=lambda event: Position(event.at, event.id), node=AuditEvent.of)
        return cls(edges=edges, page_info=page_info_of(page, edges, after))


@strawberry.field(
    description="Audit events, the newest first. Operators see all; admins their tenant's. Events are "
    "stored for 730 days, unless the deployment sets another time."
)
async def audit_events(
    info: Info,
    first: First = 20,
    after: After = strawberry.UNSET,
    filter: Annotated[
        AuditEventFilter | None, strawberry.argument("Which events to list; omit it for all.")
    ] = strawberry.UNSET,
) -> AuditEventConnection:
    viewer = await info.context.signed_in()
    # Before the arguments, which are explained to those who may list events only.
    listing.tenant_of_events(viewer)
    event_filter = filter.to_domain() if filter else EventFilter()
    pagination.check_page_size(first)
    after = after or None
    position = read_cursor("after", after)
    page = await listing.list_events_for(viewer, event_filter, first, position)
    return AuditEventConnection.of(page, after)
