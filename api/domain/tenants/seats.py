"""Seats: how many active staff of each role a tenant may have."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from api.database.scopes import platform_scope, read_tenants
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.changes import Editable, apply_changes, read_changes
from api.domain.errors import Conflict, NoSeat
from api.domain.roles import Role
from api.domain.tenants.locks import lock_any_tenant, save_changes
from tables import Tenant, User


def max_seats(tenant: Tenant) -> dict[Role, int]:
    return {
        Role.ADMIN: tenant.max_admins,
        Role.MANAGER: tenant.max_managers,
        Role.CASHIER: tenant.max_cashiers,
    }


async def count_seats(tenant_ids: Sequence[UUID]) -> dict[UUID, dict[Role, int]]:
    """How many seats of each role the active staff of each tenant hold."""
    used: dict[UUID, dict[Role, int]] = {tenant_id: {} for tenant_id in tenant_ids}
    for row in await read_tenants(tenant_ids, _SEATS, tenant_ids):
        used[row["tenantId"]][Role(row["role"])] = row["used"]
    return used


_SEATS = """
SELECT "tenantId", role, count(*) AS used
  FROM users WHERE "tenantId" = ANY({}::uuid[]) AND "isActive" GROUP BY "tenantId", role
"""


async def find_seat(tenant: Tenant, role: Role) -> None:
    """Raises `NoSeat` where there is none at this moment; somebody else may take it meanwhile."""
    seats = await count_seats([tenant.id])
    _refuse_without_seat(tenant, seats[tenant.id], role)


async def take_seat(tenant: Tenant, role: Role) -> None:
    """Raises `NoSeat`; the tenant is locked, so nobody else takes the seat meanwhile."""
    _refuse_without_seat(tenant, await _used(tenant), role)


async def _used(tenant: Tenant) -> dict[Role, int]:
    """As of the transaction that is open."""
    rows = await User.raw(_SEATS, [tenant.id])
    return {Role(row["role"]): row["used"] for row in rows}


def _refuse_without_seat(tenant: Tenant, used: Mapping[Role, int], role: Role) -> None:
    most = max_seats(tenant)[role]
    if used.get(role, 0) >= most:
        raise NoSeat(role, most)


MAX_SEATS = 100_000

_EDITABLE = {
    "maxAdmins": Editable("max_admins", fields.whole_number(0, MAX_SEATS)),
    "maxManagers": Editable("max_managers", fields.whole_number(0, MAX_SEATS)),
    "maxCashiers": Editable("max_cashiers", fields.whole_number(0, MAX_SEATS)),
}


async def set_seats(actor: Actor, tenant_id: UUID, given: Mapping[str, Any]) -> Tenant:
    """Change how many seats a tenant has; `given` are the fields of the API that the client wrote.

    Raises `InvalidInput`, `NotFound`, and `Conflict` where more of a role are active than it would have.
    """
    changes = read_changes(given, _EDITABLE)
    async with platform_scope():
        # Whoever takes a seat locks the tenant too, and sees this change or is counted here.
        tenant = await lock_any_tenant(tenant_id)
        differences = apply_changes(tenant, changes, _EDITABLE)
        used = await _used(tenant)
        # A role that is not changed may have too many, as in a database of the old system.
        if any(
            used.get(role, 0) > most
            for (role, most), name in zip(max_seats(tenant).items(), _EDITABLE, strict=True)
            if name in differences
        ):
            raise Conflict
        if differences:
            await save_changes(tenant, [_EDITABLE[name].column for name in differences])
            await record_event(
                "tenant.seats_set",
                actor,
                tenant_id=tenant_id,
                subject_id=tenant_id,
                detail={"changes": differences},
            )
    return tenant
