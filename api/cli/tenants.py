"""`gatehouse tenants …`"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.terminal import Json, cell, print_json, print_table, run
from api.command_error import CommandError
from api.domain.errors import Conflict, NotFound

if TYPE_CHECKING:
    from api.domain.tenants.listing import TenantFilter
    from tables import Tenant

    Act = Callable[[Tenant], Coroutine[Any, Any, object]]

tenants = typer.Typer(help="The businesses that have registered.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="TENANT", help="Its tax id, or its id.")]


@tenants.command("list")
def tenants_list(
    active: Annotated[
        bool | None, typer.Option("--active/--suspended", help="Only those that are, or are not.")
    ] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that can be restored, and no others.")
    ] = False,
    search: Annotated[str | None, typer.Option(help="Part of the name, the tax id or an email.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 100,
    json: Json = False,
) -> None:
    """List tenants, the newest first."""
    from api.domain.tenants.listing import TenantFilter

    rows = run(_list(TenantFilter(active, search, deleted), limit))
    if json:
        print_json(rows)
    else:
        _show(rows)


async def _list(wanted: "TenantFilter", limit: int) -> list[dict[str, Any]]:
    from api.domain.tenants.listing import list_tenants

    return await _rows((await list_tenants(wanted, limit)).items)


@tenants.command("show")
def tenants_show(tenant: Which, json: Json = False) -> None:
    """Show one tenant, though it be deleted."""
    _run_on(tenant, json)


@tenants.command("suspend")
def tenants_suspend(
    tenant: Which,
    reason: Annotated[str, typer.Option(help="Why; its people are told.")],
    json: Json = False,
) -> None:
    """Keep all people of a tenant out, from now on."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.suspension import suspend_tenant

    _run_on(
        tenant,
        json,
        lambda found: suspend_tenant(SYSTEM_ACTOR, found.id, reason),
        conflict="is suspended already",
    )


@tenants.command("reactivate")
def tenants_reactivate(tenant: Which, json: Json = False) -> None:
    """Let the people of a suspended tenant in again."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.suspension import reactivate_tenant

    _run_on(
        tenant, json, lambda found: reactivate_tenant(SYSTEM_ACTOR, found.id), conflict="is not suspended"
    )


@tenants.command("seats")
def tenants_seats(
    tenant: Which,
    admins: Annotated[int | None, typer.Option(help="How many admins, the owner among them.")] = None,
    managers: Annotated[int | None, typer.Option()] = None,
    cashiers: Annotated[int | None, typer.Option()] = None,
    json: Json = False,
) -> None:
    """Set how many active staff a tenant may have."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.seats import set_seats

    wanted = {"maxAdmins": admins, "maxManagers": managers, "maxCashiers": cashiers}
    given = {name: count for name, count in wanted.items() if count is not None}
    _run_on(
        tenant,
        json,
        lambda found: set_seats(SYSTEM_ACTOR, found.id, given),
        conflict="has more active staff than that",
    )


@tenants.command("delete")
def tenants_delete(
    tenant: Which,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Hide a tenant and sign its people out at once; it is erased DELETION_GRACE_DAYS later."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.deletion import delete_tenant

    async def delete(found: "Tenant") -> None:
        if not yes:
            asked = f"Delete {found.business_name}, tax id {found.nit}?"
            typer.confirm(asked, abort=True, err=True)
        await delete_tenant(SYSTEM_ACTOR, found.id)

    _run_on(tenant, json, delete, conflict="is deleted already")


@tenants.command("restore")
def tenants_restore(tenant: Which, json: Json = False) -> None:
    """Have a deleted tenant back as it was, unless it is erased."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.tenants.deletion import restore_tenant

    _run_on(tenant, json, lambda found: restore_tenant(SYSTEM_ACTOR, found.id), conflict="is not deleted")


def _run_on(which: str, as_json: bool, act: "Act | None" = None, conflict: str = "") -> None:
    """Act on a tenant, and show what has become of it."""
    try:
        row = run(_act(which, act))
    except NotFound:
        raise CommandError(f"there is no tenant {which!r}; see: gatehouse tenants list") from None
    except Conflict:
        raise CommandError(f"{which} {conflict}; see: gatehouse tenants show {which}") from None
    if as_json:
        print_json(row)
    else:
        _show([row])


async def _act(which: str, act: "Act | None") -> dict[str, Any]:
    from api.domain.tenants.listing import show_tenant

    found = await show_tenant(which)
    if act is not None:
        try:
            await act(found)
        except NotFound:
            if found.deleted_at is None:
                raise
            raise CommandError(
                f"{which} is deleted; to have it back: gatehouse tenants restore {which}"
            ) from None
        found = await show_tenant(str(found.id))
    return (await _rows([found]))[0]


async def _rows(found: "list[Tenant]") -> list[dict[str, Any]]:
    """With the field names of the API, and when a tenant was deleted."""
    from api.domain.tenants.seats import count_seats, max_seats
    from api.domain.tenants.staff import find_owners

    ids = [tenant.id for tenant in found]
    used, owners = await count_seats(ids), await find_owners(ids)
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
                {"role": role.value, "used": used[tenant.id].get(role, 0), "max": most}
                for role, most in max_seats(tenant).items()
            ],
        }
        for tenant in found
    ]


def _show(rows: list[dict[str, Any]]) -> None:
    print_table(
        ("tax id", "name", "owner", "seats", "registered", "history"),
        [
            (
                row["nit"],
                row["businessName"],
                row["owner"] and row["owner"]["email"],
                ", ".join(f"{seat['role'].lower()} {seat['used']}/{seat['max']}" for seat in row["seats"]),
                row["createdAt"],
                _history(row),
            )
            for row in rows
        ],
    )


def _history(row: dict[str, Any]) -> str | None:
    if row["deletedAt"] is not None:
        return f"deleted {cell(row['deletedAt'])}"
    return None if row["isActive"] else f"suspended: {row['suspendedReason'] or 'no reason given'}"
