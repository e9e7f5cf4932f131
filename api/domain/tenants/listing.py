"""Tenants for operators: filtered pages, counts, and one tenant by its id or tax id."""

import re
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from api import typed_text
from api.database.readers import may_read_replica
from api.database.rows import read_row, select_list
from api.database.scopes import read_platform
from api.domain.email_addresses import as_registered
from api.domain.errors import NotFound
from api.domain.fields import can_be_stored
from api.domain.pagination import Page, Position, cut
from api.domain.search.pages import Searched, find_page
from api.domain.search.totals import total_of_search
from api.domain.search.typed import MAX_LENGTH, Search, compact_form
from api.domain.tax_ids import digits_of, lookup_forms, rank
from api.domain.totals import Total, total_of
from tables import Tenant


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """The tenants to list. `is_active` None includes suspended tenants."""

    is_active: bool | None = None
    search: str | None = None
    """The beginnings of words of the name, any part of the tax id, or the beginnings of words of the email of
    the business or its owner; ignores case and accents."""
    is_deleted: bool = False
    """True lists only deleted tenants, which can be restored until they are erased."""


_TENANT = select_list(Tenant, "t")
_NEWEST_FIRST = 'ORDER BY t."createdAt" DESC, t.id DESC'


@may_read_replica
async def list_tenants(
    tenant_filter: TenantFilter, first: int, after: Position | None = None
) -> Page[Tenant]:
    """The `first` tenants after the position `after`, newest first."""
    if not _can_match(tenant_filter):
        return Page([], has_next=False)
    search = _search(tenant_filter)
    end = None
    if search is None:
        query, values = _newest(tenant_filter, _TENANT, after, first + 1)
        rows = await read_platform(query, *values)
    else:
        found = await find_page(_searched(tenant_filter), search, first + 1, after)
        query = f"SELECT {_TENANT} FROM tenants t WHERE t.id = ANY({{}}::uuid[]) {_NEWEST_FIRST}"
        rows = await read_platform(query, found.ids)
        end = found.end
    return cut([read_row(Tenant, "t", row) for row in rows], first, end)


def _can_match(tenant_filter: TenantFilter) -> bool:
    return tenant_filter.search is None or can_be_stored(tenant_filter.search)


def _newest(
    tenant_filter: TenantFilter, columns: str, after: Position | None, limit: int
) -> tuple[str, list[Any]]:
    """The query for columns of the `limit` newest tenants after a position, without the search."""
    conditions = _conditions(tenant_filter)
    values: list[Any] = []
    if after is not None:
        conditions += ' AND (t."createdAt", t.id) < ({}, {})'
        values += after
    query = f"SELECT {columns} FROM tenants t WHERE {conditions} {_NEWEST_FIRST} LIMIT {{}}"
    return query, [*values, limit]


def _conditions(tenant_filter: TenantFilter) -> str:
    conditions = f'"deletedAt" IS {"NOT NULL" if tenant_filter.is_deleted else "NULL"}'
    if tenant_filter.is_active is not None:
        conditions += f' AND {"" if tenant_filter.is_active else "NOT "}"isActive"'
    return conditions


def _search(tenant_filter: TenantFilter) -> Search | None:
    typed = tenant_filter.search
    if not typed:
        return None
    meant = as_registered(typed[:MAX_LENGTH])
    # The ids with and without a check digit, and what looks like a part of an id.
    ids = [_NO_SYMBOL.sub("", form.lower()) for form in lookup_forms(typed) if any(map(str.isdigit, form))]
    return Search.of(meant, filter(None, [*ids, compact_form(meant)]))


_NO_SYMBOL = re.compile("[^a-z0-9&]")


def _searched(tenant_filter: TenantFilter) -> Searched:
    def walk(after: Position | None, limit: int) -> tuple[str, list[Any]]:
        return _newest(tenant_filter, 't.id, t."createdAt", t."searchWords"', after, limit)

    return Searched("tenants", "tenant_words", _conditions(tenant_filter), (), walk)


@may_read_replica
async def count_tenants(tenant_filter: TenantFilter) -> Total:
    """The number of tenants that match a filter."""
    if not _can_match(tenant_filter):
        return Total(0)
    search = _search(tenant_filter)
    if search is not None:
        return await total_of_search(_searched(tenant_filter), search)
    return await total_of("tenants", [f"tenants WHERE {_conditions(tenant_filter)}"], ())


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
