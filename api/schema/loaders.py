"""Data loaders: one query for what several tenants of a response need."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import NamedTuple, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from api.domain.pagination import Page, Position
from api.domain.roles import Role
from api.domain.tenants import seats, staff, staff_invitations
from api.domain.tenants.seats import SeatUse
from tables import StaffInvitation, User

T = TypeVar("T")


class StaffPage(NamedTuple):
    """The key of a page of a tenant's staff, or of its invitations."""

    tenant_id: UUID
    first: int
    after: Position | None


class Loaders:
    """The loaders of one request. They cache what they load, so no two requests may share them."""

    @cached_property
    def seats(self) -> DataLoader[UUID, dict[Role, SeatUse]]:
        return DataLoader(_in_order(seats.count_seats))

    @cached_property
    def owner(self) -> DataLoader[UUID, User | None]:
        return DataLoader(_in_order(staff.find_owners))

    @cached_property
    def staff_count(self) -> DataLoader[UUID, int]:
        return DataLoader(_in_order(staff.count_staff))

    @cached_property
    def staff(self) -> DataLoader[StaffPage, Page[User]]:
        return DataLoader(_by_page(staff.list_staff))

    @cached_property
    def invitation_count(self) -> DataLoader[UUID, int]:
        return DataLoader(_in_order(staff_invitations.count_invitations))

    @cached_property
    def invitations(self) -> DataLoader[StaffPage, Page[StaffInvitation]]:
        return DataLoader(_by_page(staff_invitations.list_invitations))

    def clear(self) -> None:
        """Drop all that is cached; call it after a mutation that changes staff or tenants."""
        vars(self).clear()


def _in_order(
    load: Callable[[list[UUID]], Awaitable[dict[UUID, T]]],
) -> Callable[[list[UUID]], Awaitable[list[T]]]:
    """`load`, with its results in the order of the ids, as `DataLoader` requires."""

    async def load_in_order(tenant_ids: list[UUID]) -> list[T]:
        loaded = await load(tenant_ids)
        return [loaded[tenant_id] for tenant_id in tenant_ids]

    return load_in_order


def _by_page(
    load: Callable[[list[UUID], int, Position | None], Awaitable[dict[UUID, Page[T]]]],
) -> Callable[[list[StaffPage]], Awaitable[list[Page[T]]]]:
    """`load` for pages: one query for all tenants whose pages have the same arguments, as in one listing."""

    async def load_pages(pages: list[StaffPage]) -> list[Page[T]]:
        tenants_by_arguments: dict[tuple[int, Position | None], list[UUID]] = {}
        for page in pages:
            tenants_by_arguments.setdefault((page.first, page.after), []).append(page.tenant_id)
        loaded = {
            StaffPage(tenant_id, first, after): rows
            for (first, after), tenant_ids in tenants_by_arguments.items()
            for tenant_id, rows in (await load(tenant_ids, first, after)).items()
        }
        return [loaded[page] for page in pages]

    return load_pages
