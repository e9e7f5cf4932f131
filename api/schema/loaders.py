"""What the tenants of one answer need, asked for together: one query for all of them."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import NamedTuple, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from api.domain.pagination import Page, Position
from api.domain.roles import Role
from api.domain.tenants import seats, staff
from tables import User

T = TypeVar("T")


class StaffPage(NamedTuple):
    """Which page of which tenant."""

    tenant_id: UUID
    first: int
    after: Position | None


class Loaders:
    """Made for one request, because they remember what they have loaded; each when it is first asked."""

    @cached_property
    def seats(self) -> DataLoader[UUID, dict[Role, int]]:
        return DataLoader(_each(seats.count_seats))

    @cached_property
    def owner(self) -> DataLoader[UUID, User | None]:
        return DataLoader(_each(staff.find_owners))

    @cached_property
    def staff_count(self) -> DataLoader[UUID, int]:
        return DataLoader(_each(staff.count_staff))

    @cached_property
    def staff(self) -> DataLoader[StaffPage, Page[User]]:
        return DataLoader(_load_staff)

    def clear(self) -> None:
        """Forget everything: a mutation may have changed it."""
        vars(self).clear()


def _each(
    load: Callable[[list[UUID]], Awaitable[dict[UUID, T]]],
) -> Callable[[list[UUID]], Awaitable[list[T]]]:
    async def load_in_order(tenant_ids: list[UUID]) -> list[T]:
        found = await load(tenant_ids)
        return [found[tenant_id] for tenant_id in tenant_ids]

    return load_in_order


async def _load_staff(pages: list[StaffPage]) -> list[Page[User]]:
    """One query for each kind of page; the tenants of a listing are all asked for the same."""
    kinds: dict[tuple[int, Position | None], list[UUID]] = {}
    for page in pages:
        kinds.setdefault((page.first, page.after), []).append(page.tenant_id)
    found = {
        StaffPage(tenant_id, first, after): people
        for (first, after), tenant_ids in kinds.items()
        for tenant_id, people in (await staff.list_staff(tenant_ids, first, after)).items()
    }
    return [found[page] for page in pages]
