"""Tenants for operators: filtered pages, counts, and one tenant by its id or tax id."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from api import typed_text
from api.database.rows import read_row, select_list
from api.database.scopes import read_platform
from api.domain.email_addresses import as_registered
from api.domain.errors import NotFound
from api.domain.fields import can_be_stored
from api.domain.pagination import Page, Position, cut
from api.domain.search import MAX_LENGTH, compact_form, search_form
from api.domain.tax_ids import digits_of, lookup_forms, rank
from tables import Tenant


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """The tenants to list. `is_active` None includes suspended tenants."""

    is_active: bool | None = None
    search: str | None = None
    """Part of the name, the tax id in any spelling, or the email of the business or its owner; ignores case
    and accents."""
    is_deleted: bool = False
    """True lists only deleted tenants, which can be restored until they are erased."""


_TENANT = select_list(Tenant, "t")


async def list_tenants(
    tenant_filter: TenantFilter, first: int, after: Position | None = None
) -> Page[Tenant]:
    """The `first` tenants after the position `after`, newest first."""
    conditions, values = _conditions(tenant_filter)
    if after is not None:
        conditions.append('(t."createdAt", t.id) < ({}, {})')
        values += after
    rows = await read_platform(
        f"SELECT {_TENANT} FROM tenants t WHERE {' AND '.join(conditions)}"
        ' ORDER BY t."createdAt" DESC, t.id DESC LIMIT {}',
        *values,
        first + 1,
    )
    return cut([read_row(Tenant, "t", row) for row in rows], first)


async def count_tenants(tenant_filter: TenantFilter) -> int:
    """The number of tenants that match a filter."""
    conditions, values = _conditions(tenant_filter)
    query = f"SELECT count(*) FROM tenants t WHERE {' AND '.join(conditions)}"
    (row,) = await read_platform(query, *values)
    return row["count"]


def _conditions(tenant_filter: TenantFilter) -> tuple[list[str], list[Any]]:
    """SQL conditions, and the values of their placeholders."""
    conditions = [f't."deletedAt" IS {"NOT NULL" if tenant_filter.is_deleted else "NULL"}']
    values: list[Any] = []
    if tenant_filter.is_active is not None:
        conditions.append('t."isActive"' if tenant_filter.is_active else 'NOT t."isActive"')
    search = tenant_filter.search
    if search is not None and not can_be_stored(search):
        conditions.append("false")
    elif search:
        conditions.append(_SEARCH)
        meant = as_registered(search[:MAX_LENGTH])
        form, compact = search_form(meant), compact_form(meant)
        # For NULL, PostgreSQL does not read the text a second time.
        # Addresses are stored with their accents.
        values += [form, lookup_forms(search), None if compact == form else compact, meant.lower()]
    return conditions, values


# IN, because PostgreSQL may look up the owner of each tenant for EXISTS, which takes several times as long.
_SEARCH = """
(strpos(t."searchText", {}) > 0 OR t.nit = ANY({}::text[])
 OR strpos(t."searchText", {}) BETWEEN 1 AND length(t.nit)
 OR t.id IN (SELECT u."tenantId" FROM users u WHERE u."isOwner" AND strpos(u."emailLower", {}) > 0))
"""


_BY_ID_OR_TAX_ID = f"""
SELECT {_TENANT} FROM tenants t
 WHERE t.id = {{}} OR t.nit = ANY({{}}::text[]) OR t."taxIdDigits" = ANY({{}}::text[])
"""


async def show_tenant(typed: str) -> Tenant:
    """The tenant with this id, or this tax id in any spelling, deleted or not. Raises `NotFound`."""
    tenant_id = typed_text.read_uuid(typed)
    forms = lookup_forms(typed)
    rows = await read_platform(_BY_ID_OR_TAX_ID, tenant_id, forms, digits_of(forms))
    ranked = [(0 if row["t.id"] == tenant_id else rank(row["t.nit"], forms), row) for row in rows]
    meant = [(place, row) for place, row in ranked if place is not None]
    if not meant:
        raise NotFound
    return read_row(Tenant, "t", min(meant, key=itemgetter(0))[1])
