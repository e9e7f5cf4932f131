"""Seats: how many active staff of each role a tenant may have. An open invitation reserves one."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AfterValidator

from api.database.row_writes import update_row
from api.database.scopes import platform_scope, read_tenants
from api.domain import fields
from api.domain.actors import Actor, require_confirmed
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, NoSeat
from api.domain.forms import Changes
from api.domain.roles import Role
from api.domain.tenants.locks import lock_any_tenant
from tables import Tenant, User


def max_seats(tenant: Tenant) -> dict[Role, int]:
    return {
        Role.ADMIN: tenant.max_admins,
        Role.MANAGER: tenant.max_managers,
        Role.CASHIER: tenant.max_cashiers,
    }


class SeatUse(NamedTuple):
    """The seats of one role that active staff of a tenant occupies, and that open invitations reserve."""

    used: int = 0
    reserved: int = 0

    @property
    def total(self) -> int:
        return self.used + self.reserved


async def count_seats(tenant_ids: Sequence[UUID]) -> dict[UUID, dict[Role, SeatUse]]:
    """The seats that each tenant uses, by role; a role without any is absent."""
    seats: dict[UUID, dict[Role, SeatUse]] = {tenant_id: {} for tenant_id in tenant_ids}
    for row in await read_tenants(tenant_ids, _SEATS, tenant_ids, tenant_ids):
        seats[row["tenantId"]][Role(row["role"])] = SeatUse(row["used"], row["reserved"])
    return seats


# clock_timestamp(), because now() is when the transaction began: one that waited for the lock would count an
# invitation as open, and the transaction that had the lock before as expired.
_SEATS = """
SELECT "tenantId", role, count(*) FILTER (WHERE NOT is_reserved) AS used,
       count(*) FILTER (WHERE is_reserved) AS reserved
  FROM (SELECT "tenantId", role, false AS is_reserved
          FROM users WHERE "tenantId" = ANY({}::uuid[]) AND "isActive"
        UNION ALL
        SELECT "tenantId", role, true
          FROM staff_invitations
         WHERE "tenantId" = ANY({}::uuid[]) AND "expiresAt" > clock_timestamp()) seats
 GROUP BY "tenantId", role
"""


async def check_free_seat(tenant: Tenant, role: Role) -> None:
    """Raises `NoSeat` if no seat is free now. It reserves none: see `require_free_seat`."""
    seats = await count_seats([tenant.id])
    _refuse_if_full(tenant, seats[tenant.id], role)


async def require_free_seat(tenant: Tenant, role: Role) -> None:
    """Raises `NoSeat`. The caller has locked the tenant, so a free seat stays free until its commit."""
    _refuse_if_full(tenant, await _count_seats_in_transaction(tenant), role)


async def _count_seats_in_transaction(tenant: Tenant) -> dict[Role, SeatUse]:
    rows = await User.raw(_SEATS, [tenant.id], [tenant.id])
    return {Role(row["role"]): SeatUse(row["used"], row["reserved"]) for row in rows}


def _refuse_if_full(tenant: Tenant, seats: Mapping[Role, SeatUse], role: Role) -> None:
    maximum = max_seats(tenant)[role]
    if seats.get(role, SeatUse()).total >= maximum:
        raise NoSeat(role, maximum)


_SeatCount = Annotated[int, AfterValidator(fields.whole_number(0, 100_000))]


class SeatChanges(Changes):
    """How many seats of each role an operator gives a tenant."""

    max_admins: _SeatCount = 0
    max_managers: _SeatCount = 0
    max_cashiers: _SeatCount = 0


async def set_seats(actor: Actor, tenant_id: UUID, values: Mapping[str, object]) -> Tenant:
    """Change how many seats a tenant has; `values` are the fields of `SeatChanges`.

    Raises `StepUpRequired`, `InvalidInput`, `NotFound`, and `Conflict` if a role has more active staff and
    open invitations than its new seats.
    """
    require_confirmed(actor)
    changes = SeatChanges.read(values)
    async with platform_scope():
        # Acts that take a seat lock the tenant too: they run before and are counted, or after and see this.
        tenant = await lock_any_tenant(tenant_id)
        before = max_seats(tenant)
        differences = changes.apply(tenant)
        seats = await _count_seats_in_transaction(tenant)
        # A role that does not change may exceed its seats, as it can in an adopted database.
        if any(
            maximum != before[role] and seats.get(role, SeatUse()).total > maximum
            for role, maximum in max_seats(tenant).items()
        ):
            raise Conflict
        if differences:
            await update_row(tenant, changes.columns)
            await record_event(
                "tenant.seats_set",
                actor,
                tenant_id=tenant_id,
                subject_id=tenant_id,
                detail={"changes": differences},
            )
    return tenant
