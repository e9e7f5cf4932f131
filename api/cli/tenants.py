"""`gatehouse tenants …`: the registered businesses."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.terminal import Json, confirm, format_value, in_table, print_json, print_table
from api.command_error import CommandError
from api.domain.errors import Conflict, NotFound

if TYPE_CHECKING:
    from api.domain.tenants.listing import TenantFilter
    from tables import Tenant

    Change = Callable[[Tenant], Coroutine[Any, Any, object]]
    """A function of the domain that changes a tenant."""

tenants = typer.Typer(help="Manage tenants, the businesses that have registered.", no_args_is_help=True)

TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="The tax id or the id of the tenant.")]


@tenants.command("list")
def list_all(
    active: Annotated[
        bool | None, typer.Option("--active/--suspended", help="Only active or only suspended tenants.")
    ] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Only deleted tenants, which can still be restored.")
    ] = False,
    search: Annotated[
        str | None,
        typer.Option(help="Only tenants with this text in the name, the tax id or an email address."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The largest number of tenants.")] = 100,
    json: Json = False,
) -> None:
    """List tenants, newest first."""
    from api.domain.tenants.listing import TenantFilter

    rows = asyncio.run(_list_fields(TenantFilter(active, search, deleted), limit))
    if json:
        print_json(rows)
    else:
        _print_tenants(rows, 2)


async def _list_fields(tenant_filter: "TenantFilter", limit: int) -> list[dict[str, Any]]:
    from api.domain.pagination import collect
    from api.domain.tenants.listing import list_tenants

    listed = await collect(lambda first, after: list_tenants(tenant_filter, first, after), limit)
    return await _tenant_fields(listed)


@tenants.command("show")
def show(tenant: TenantArgument, json: Json = False) -> None:
    """Show one tenant, also if it is deleted."""
    _run_on(tenant, json)


@tenants.command("suspend")
def suspend(
    tenant: TenantArgument,
    reason: Annotated[str, typer.Option(help="The reason; the staff sees it at sign-in.")],
    json: Json = False,
) -> None:
    """Suspend a tenant and end all access of its staff immediately."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.suspension import suspend_tenant

    _run_on(
        tenant,
        json,
        lambda found: suspend_tenant(SYSTEM_ACTOR, found.id, reason),
        conflict="is already suspended",
    )


@tenants.command("reactivate")
def reactivate(tenant: TenantArgument, json: Json = False) -> None:
    """Give the staff of a suspended tenant access again."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.suspension import reactivate_tenant

    _run_on(
        tenant, json, lambda found: reactivate_tenant(SYSTEM_ACTOR, found.id), conflict="is not suspended"
    )


@tenants.command("seats")
def seats(
    tenant: TenantArgument,
    admins: Annotated[int | None, typer.Option(help="The number of admins, including the owner.")] = None,
    managers: Annotated[int | None, typer.Option(help="The number of managers.")] = None,
    cashiers: Annotated[int | None, typer.Option(help="The number of cashiers.")] = None,
    json: Json = False,
) -> None:
    """Set how many active staff a tenant may have."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.seats import set_seats

    options = {"maxAdmins": admins, "maxManagers": managers, "maxCashiers": cashiers}
    seats = {name: count for name, count in options.items() if count is not None}
    _run_on(
        tenant,
        json,
        lambda found: set_seats(SYSTEM_ACTOR, found.id, seats),
        conflict="has more active staff than that",
    )


@tenants.command("delete")
def delete(
    tenant: TenantArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    json: Json = False,
) -> None:
    """Delete a tenant and sign its staff out; its data is erased DELETION_GRACE_DAYS later."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.deletion import delete_tenant

    async def confirm_and_delete(found: "Tenant") -> None:
        if not yes:
            confirm(f"Delete {found.business_name}, tax id {found.nit}?")
        await delete_tenant(SYSTEM_ACTOR, found.id)

    _run_on(tenant, json, confirm_and_delete, conflict="is already deleted")


@tenants.command("restore")
def restore(tenant: TenantArgument, json: Json = False) -> None:
    """Restore a deleted tenant as it was, unless its data is already erased."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.deletion import restore_tenant

    _run_on(tenant, json, lambda found: restore_tenant(SYSTEM_ACTOR, found.id), conflict="is not deleted")


def _run_on(typed: str, as_json: bool, change: "Change | None" = None, conflict: str = "") -> None:
    """Change a tenant, then print it. `conflict` is what the domain's `Conflict` means here."""
    try:
        row = asyncio.run(_change_and_read(typed, change))
    except NotFound:
        raise CommandError(f"tenant {typed!r} not found; see: gatehouse tenants list") from None
    except Conflict:
        raise CommandError(f"tenant {typed} {conflict}; see: gatehouse tenants show {typed}") from None
    if as_json:
        print_json(row)
    else:
        _print_tenants([row])


async def _change_and_read(typed: str, change: "Change | None") -> dict[str, Any]:
    from api.domain.tenants.listing import show_tenant

    found = await show_tenant(typed)
    if change is not None:
        try:
            await change(found)
        except NotFound:
            if found.deleted_at is None:
                raise
            raise CommandError(
                f"tenant {typed} is deleted; to restore it: gatehouse tenants restore {typed}"
            ) from None
        found = await show_tenant(str(found.id))
    return (await _tenant_fields([found]))[0]


async def _tenant_fields(rows: "list[Tenant]") -> list[dict[str, Any]]:
    """Tenants with the field names of the API, and `deletedAt`."""
    from api.domain.tenants.seats import SeatUse, count_seats, max_seats
    from api.domain.tenants.staff import find_owners

    ids = [tenant.id for tenant in rows]
    seats, owners = await count_seats(ids), await find_owners(ids)
    return [
        {
            "id": tenant.id,
            "businessName": tenant.business_name,
            "nit": tenant.nit,
            "businessType": tenant.business_type,
            "address": tenant.address,
            "phone": tenant.phone,
            "email": tenant.email,
            "isActive": tenant.is_active,
            "suspendedReason": tenant.suspended_reason,
            "createdAt": tenant.created_at,
            "deletedAt": tenant.deleted_at,
            "owner": None if (owner := owners[tenant.id]) is None else {"id": owner.id, "email": owner.email},
            "seats": [
                {"role": role.value, **seats[tenant.id].get(role, SeatUse())._asdict(), "max": maximum}
                for role, maximum in max_seats(tenant).items()
            ],
        }
        for tenant in rows
    ]


def _print_tenants(rows: list[dict[str, Any]], lines: int | None = None) -> None:
    print_table(
        ("tax id", "name", "owner", "seats", "registered", "history"),
        [
            (
                row["nit"],
                row["businessName"],
                row["owner"] and row["owner"]["email"],
                in_table(
                    ", ".join(f"{seat['role'].lower()} {seat['used']}/{seat['max']}" for seat in row["seats"])
                ),
                row["createdAt"],
                _history(row),
            )
            for row in rows
        ],
        lines,
    )


def _history(row: dict[str, Any]) -> str | None:
    if row["deletedAt"] is not None:
        return in_table(f"deleted {format_value(row['deletedAt'])}")
    return None if row["isActive"] else in_table(f"suspended: {row['suspendedReason'] or 'no reason given'}")
