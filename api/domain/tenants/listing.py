"""Tenants as operators see them: pages under filters, counted, and found by what is typed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.database.rows import read_optional_row, select_list
from api.database.scopes import read_platform
from api.domain.errors import NotFound
from api.domain.fields import can_be_stored, letters_and_digits
from api.domain.pagination import Page, Position, cut
from tables import Tenant


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """Which tenants; without `is_active` those that are suspended too."""

    is_active: bool | None = None
    search: str | None = None
    """Part of the name, the tax id, or the email of the business or its owner, in any case."""
    is_deleted: bool = False
    """Those that wait to be erased, and no others."""


_TENANT = select_list(Tenant, "t")


async def list_tenants(wanted: TenantFilter, first: int, after: Position | None = None) -> Page[Tenant]:
    """The `first` tenants that come after `after`, the newest first."""
    conditions, values = _conditions(wanted)
    if after is not None:
        conditions.append('(t."createdAt", t.id) < ({}, {})')
        values += after
    rows = await read_platform(
        f"SELECT {_TENANT} FROM tenants t WHERE {' AND '.join(conditions)}"
        ' ORDER BY t."createdAt" DESC, t.id DESC LIMIT {}',
        *values,
        first + 1,
    )
    found = (read_optional_row(Tenant, "t", row) for row in rows)
    return cut([tenant for tenant in found if tenant is not None], first)


async def count_tenants(wanted: TenantFilter) -> int:
    """How many tenants a filter finds."""
    conditions, values = _conditions(wanted)
    query = f"SELECT count(*) FROM tenants t WHERE {' AND '.join(conditions)}"
    (row,) = await read_platform(query, *values)
    return row["count"]


def _conditions(wanted: TenantFilter) -> tuple[list[str], list[Any]]:
    """Conditions, and a value for each place in them."""
    conditions = [f't."deletedAt" IS {"NOT NULL" if wanted.is_deleted else "NULL"}']
    values: list[Any] = []
    if wanted.is_active is not None:
        conditions.append('t."isActive"' if wanted.is_active else 'NOT t."isActive"')
    if wanted.search is not None and not can_be_stored(wanted.search):
        conditions.append("false")
    elif wanted.search:
        conditions.append(_SEARCH)
        # Tax ids are stored without their dots and dashes.
        values += [wanted.search, wanted.search, letters_and_digits(wanted.search) or None, wanted.search]
    return conditions, values


_SEARCH = """
(strpos(lower(t."businessName"), lower({})) > 0 OR strpos(lower(t.email), lower({})) > 0
 OR strpos(t.nit, {}) > 0
 OR EXISTS (SELECT FROM users u WHERE u."tenantId" = t.id AND u."isOwner"
               AND strpos(u."emailLower", lower({})) > 0))
"""


async def show_tenant(typed: str) -> Tenant:
    """The tenant of an id, or of a tax id however it is written; a deleted one too. Raises `NotFound`."""
    try:
        tenant_id = UUID(typed)
    except ValueError:
        tenant_id = None
    rows = await read_platform(
        f"SELECT {_TENANT} FROM tenants t WHERE t.id = {{}} OR t.nit = {{}} ORDER BY t.nit = {{}} LIMIT 1",
        tenant_id,
        *[letters_and_digits(typed) if can_be_stored(typed) else None] * 2,
    )
    for row in rows:
        tenant = read_optional_row(Tenant, "t", row)
        if tenant is not None:
            return tenant
    raise NotFound
