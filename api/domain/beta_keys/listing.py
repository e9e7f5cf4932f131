"""Listing, searching and counting beta keys, for operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.database.rows import read_optional_row, read_row, select_list
from api.database.scopes import read_platform
from api.domain.beta_keys.key_format import STORED, canonical
from api.domain.beta_keys.lookup import find_key
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.email_addresses import as_registered
from api.domain.errors import NotFound
from api.domain.fields import batch_as_stored, can_be_stored
from api.domain.pagination import Page, Position, cut
from api.domain.search import MAX_LENGTH, compact_form, search_form
from tables import BetaKey, Tenant


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys to list. None does not filter."""

    status: BetaKeyStatus | None = None
    batch: str | None = None
    search: str | None = None
    """Part of the key in any spelling, or of the notes or the recipient; ignores case and accents."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, its status at the time of the query, and the tenant that used it, unless that is deleted."""

    row: BetaKey
    status: BetaKeyStatus
    used_by: Tenant | None


async def list_keys(key_filter: KeyFilter, first: int, after: Position | None = None) -> Page[ListedKey]:
    """The next `first` keys after `after`, the newest first."""
    if not can_match(key_filter):
        return Page([], has_next=False)
    if key_filter.search:
        return await _search(key_filter, first, after)
    conditions, values = conditions_of(key_filter)
    # PostgreSQL reads a page in the order of an index only for the expression of that index. The indexes of
    # batches have the time in UTC, the others have the column.
    time = "{}" if key_filter.batch is None else "({} AT TIME ZONE 'UTC')"
    created = time.format('"createdAt"')
    if after is not None:
        conditions.append(f"({created}, id) < ({time.format('{}::timestamptz')}, {{}})")
        values += after
    # One SELECT for each partial index, so that each reads no more rows than a page has.
    selects = [
        f"(SELECT * FROM {' AND '.join([source, *conditions])} ORDER BY {created} DESC, id DESC LIMIT {{}})"
        for source in _SOURCES[key_filter.status]
    ]
    query = _page(" UNION ALL ".join(selects))
    rows = await read_platform(query, *[*values, first + 1] * len(selects), first + 1)
    return cut([_listed(row) for row in rows], first)


_OPEN = 'NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL'

# Expired keys that `mark_expired` has not marked yet. They are few, and the index of expiries finds them.
# OFFSET 0 makes PostgreSQL use it: it overestimates their number, and would search all open keys in the order
# of the page.
_UNMARKED = f"""(SELECT * FROM beta_keys WHERE {_OPEN} AND "expiresAt" <= now() OFFSET 0) unmarked"""

_SOURCES: Mapping[BetaKeyStatus | None, tuple[str, ...]] = {
    None: ("beta_keys WHERE true",),
    BetaKeyStatus.USED: ('beta_keys WHERE "isUsed"',),
    BetaKeyStatus.REVOKED: ('beta_keys WHERE NOT "isUsed" AND "revokedAt" IS NOT NULL',),
    BetaKeyStatus.EXPIRED: (
        'beta_keys WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NOT NULL',
        f"{_UNMARKED} WHERE true",
    ),
    BetaKeyStatus.AVAILABLE: (f'beta_keys WHERE {_OPEN} AND ("expiresAt" IS NULL OR "expiresAt" > now())',),
}
"""The FROM and WHERE of each status, with the conditions of the partial indexes; they do not overlap."""


def can_match(key_filter: KeyFilter) -> bool:
    """Whether any key can match. No stored text contains NUL or lone surrogates, which PostgreSQL rejects."""
    return all(text is None or can_be_stored(text) for text in (key_filter.batch, key_filter.search))


def conditions_of(key_filter: KeyFilter) -> tuple[list[str], list[Any]]:
    """SQL conditions for all but the status, and a value for each `{}` in them."""
    conditions: list[str] = []
    values: list[Any] = []
    if key_filter.batch is not None:
        conditions.append("batch = {}")
        values.append(batch_as_stored(key_filter.batch))
    if key_filter.search:
        condition, found = _search_condition(key_filter.search)
        conditions.append(condition)
        values += found
    return conditions, values


def _search_condition(typed: str) -> tuple[str, list[Any]]:
    """A whole key is found by its index. Any other search reads the stored text of all keys.

    For 300,000 keys that takes 40 ms of one core. An index of all parts of the texts would take less, but
    made issuing eleven times as slow.
    """
    key = canonical(typed)
    if key is not None and STORED.fullmatch(key):
        return "key = {}", [key]
    meant = as_registered(typed[:MAX_LENGTH])
    form, compact = search_form(meant), compact_form(meant)
    if compact in (None, form):
        return 'strpos("searchText", {}) > 0', [form]
    # The stored text begins with the key without its dashes.
    return (
        """(strpos("searchText", {}) > 0 OR strpos("searchText", {}) BETWEEN 1 AND length(key))""",
        [form, compact],
    )


NEWEST = 5000
"""Keys that are searched before all others."""


async def _search(key_filter: KeyFilter, first: int, after: Position | None) -> Page[ListedKey]:
    """As `list_keys`, for a search.

    A search with many results finds a page among the newest keys. Any other one scans the table once: OFFSET
    0 keeps PostgreSQL from fetching each key in the order of an index, which takes several times as long.
    """
    conditions, values = conditions_of(key_filter)
    if key_filter.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(key_filter.status.value)
    rest = "true" if after is None else '("createdAt", id) < ({}, {})'
    order = 'ORDER BY "createdAt" DESC, id DESC LIMIT {}'
    matches = " AND ".join(conditions)
    newest = f"SELECT id FROM (SELECT * FROM beta_keys WHERE {rest} {order}) k WHERE {matches} {order}"
    found = await BetaKey.raw(newest, *(after or ()), NEWEST, *values, first + 1)
    if len(found) <= first:
        matching = f'SELECT id, "createdAt" FROM beta_keys WHERE {rest} AND {matches} OFFSET 0'
        every = f"SELECT id FROM ({matching}) k {order}"
        found = await BetaKey.raw(every, *(after or ()), *values, first + 1)
    ids = [row["id"] for row in found]
    rows = await read_platform(_page("SELECT * FROM beta_keys WHERE id = ANY({}::uuid[])"), ids, len(ids))
    return cut([_listed(row) for row in rows], first)


def _page(keys: str) -> str:
    """The query for a page of the keys that the query `keys` selects, with their status and tenant."""
    return f"""
SELECT {select_list(BetaKey, "k")}, {STATUS} AS status, {select_list(Tenant, "t")}
  FROM (SELECT * FROM ({keys}) keys ORDER BY "createdAt" DESC, id DESC LIMIT {{}}) k
       LEFT JOIN tenants t ON t.id = k."usedByTenantId" AND t."deletedAt" IS NULL
 ORDER BY k."createdAt" DESC, k.id DESC
"""


def _listed(row: Mapping[str, Any]) -> ListedKey:
    status = BetaKeyStatus(row["status"])
    return ListedKey(read_row(BetaKey, "k", row), status, read_optional_row(Tenant, "t", row))


async def count_keys(key_filter: KeyFilter) -> int:
    """How many keys match. Without a search, PostgreSQL counts in an index alone."""
    if not can_match(key_filter):
        return 0
    conditions, values = conditions_of(key_filter)
    if key_filter.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(key_filter.status.value)
    where = " AND ".join(["true", *conditions])
    (row,) = await BetaKey.raw(f"SELECT count(*) FROM beta_keys WHERE {where}", *values)
    return row["count"]


@dataclass(frozen=True, slots=True)
class KeyStats:
    """How many keys have each status, and how many were sent as an invitation."""

    total: int
    available: int
    used: int
    expired: int
    revoked: int
    sent: int

    @property
    def usage_percentage(self) -> float:
        """Used keys in percent of all, from 0 to 100, with two decimals."""
        return round(100 * self.used / self.total, 2) if self.total else 0.0


_OF_EACH_STATUS = ", ".join(
    f"count(*) FILTER (WHERE {STATUS} = '{name}') AS {name}" for name in BetaKeyStatus.__members__
)

_STATS = f'SELECT count(*) AS total, count("sentAt") AS sent, {_OF_EACH_STATUS} FROM beta_keys'


async def key_stats(batch: str | None = None) -> KeyStats:
    """The numbers of all keys, or of one batch."""
    if batch is None:
        rows = await BetaKey.raw(_STATS)
    else:
        rows = await BetaKey.raw(
            f"{_STATS} WHERE batch = {{}}", batch_as_stored(batch) if can_be_stored(batch) else ""
        )
    return KeyStats(**{name.lower(): count for name, count in rows[0].items()})


async def find_listed(key_id: UUID) -> ListedKey | None:
    """The key of an id, or None."""
    rows = await read_platform(_page("SELECT * FROM beta_keys WHERE id = {}"), key_id, 1)
    return _listed(rows[0]) if rows else None


async def show_key(typed: str) -> ListedKey:
    """The key that a person typed; in any spelling. Raises `NotFound`."""
    state = await find_key(typed)
    listed = None if state is None else await find_listed(state.id)
    if listed is None:
        raise NotFound
    return listed
