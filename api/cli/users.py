"""`gatehouse users …`: people whom an adopted database had before it had tenants, and lost second factors."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.terminal import Json, confirm, print_json, print_table, say
from api.command_error import CommandError
from api.domain.errors import Conflict, NoSeat, NotFound
from api.domain.roles import Role

if TYPE_CHECKING:
    from tables import Tenant, User

users = typer.Typer(
    help="Users without a tenant, as an adopted database may have, and second factors that were lost.",
    no_args_is_help=True,
)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The email address or the id of the user.")]


@users.command("list")
def list_all(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of users.")] = 100,
    json: Json = False,
) -> None:
    """List the users who have no tenant and are no operators, oldest first.

    Each can register with a beta key, their email and their password, and then owns the new tenant.
    """
    from api.domain.users import list_users_without_tenant

    _print_users(asyncio.run(list_users_without_tenant(limit)), as_json=json)


@users.command("attach")
def attach(
    user: UserArgument,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="The tax id or the id of the tenant.")],
    role: Annotated[Role | None, typer.Option(help="The role in the tenant; by default that of now.")] = None,
    owner: Annotated[
        bool, typer.Option("--owner", help="Make the user the owner of a tenant that has none.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a user without a tenant staff of one."""
    _print_users([asyncio.run(_attach(user, tenant, role, owner))], as_json=json)


async def _attach(typed: str, typed_tenant: str, role: Role | None, is_owner: bool) -> "User":
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.users import attach_user

    found, tenant = await _user_without_tenant(typed), await _tenant(typed_tenant)
    if role is Role.SUPER_ADMIN:
        raise CommandError(f"an operator has no tenant; run: gatehouse operators add {found.email}")
    role = role or Role(found.role)
    try:
        return await attach_user(SYSTEM_ACTOR, found.id, tenant.id, role, is_owner=is_owner)
    except NotFound:
        raise CommandError(f"tenant {typed_tenant} is deleted; see: gatehouse tenants restore") from None
    except NoSeat as error:
        raise CommandError(
            f"tenant {typed_tenant} has no free seat for the role {error.role.value}; see: gatehouse tenants"
            " seats --help"
        ) from None
    except Conflict:
        raise CommandError(
            f"tenant {typed_tenant} has an owner already; leave out --owner; see: gatehouse tenants show"
            f" {typed_tenant}"
        ) from None


@users.command("remove")
def remove(
    user: UserArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Delete a user without a tenant, whose email address can then be used again."""
    asyncio.run(_remove(user, yes))


async def _remove(typed: str, yes: bool) -> None:
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.users import remove_user

    found = await _user_without_tenant(typed)
    if not yes:
        confirm(f"Remove {found.first_name} {found.last_name}, {found.email}?")
    try:
        await remove_user(SYSTEM_ACTOR, found.id)
    except Conflict:
        raise CommandError(
            f"user {typed} cannot be removed, because rows of the old system refer to the user; delete those"
            " first, or leave the user: without a tenant they may do nothing"
        ) from None
    say(f"user {found.email} removed")


@users.command("reset-second-factor")
def reset_second_factor(user: UserArgument) -> None:
    """Delete the second factor of a user who has lost the device, with a tenant or without."""
    say(f"user {asyncio.run(_reset_second_factor(user)).email} has no second factor any more")


async def _reset_second_factor(typed: str) -> "User":
    from api.domain.accounts.second_factors.changes import reset_second_factor
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.users import find_user

    try:
        return await reset_second_factor(SYSTEM_ACTOR, (await find_user(typed)).id)
    except NotFound:
        raise CommandError(f"user {typed!r} not found") from None
    except Conflict:
        raise CommandError(f"user {typed} has no second factor") from None


async def _user_without_tenant(typed: str) -> "User":
    from api.domain.users import find_user

    try:
        found = await find_user(typed)
    except NotFound:
        raise CommandError(f"user {typed!r} not found; see: gatehouse users list") from None
    if found.tenant_id is not None:
        raise CommandError(f"user {typed} has a tenant; see: gatehouse tenants show {found.tenant_id}")
    if found.role == Role.SUPER_ADMIN.value:
        raise CommandError(f"user {typed} is an operator; see: gatehouse operators list")
    return found


async def _tenant(typed: str) -> "Tenant":
    from api.domain.tenants.listing import show_tenant

    try:
        return await show_tenant(typed)
    except NotFound:
        raise CommandError(f"tenant {typed!r} not found; see: gatehouse tenants list") from None


def user_as_json(user: "User") -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "role": user.role,
        "isActive": user.is_active,
        "createdAt": user.created_at,
    }


def _print_users(found: "list[User]", *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{**user_as_json(user), "isOwner": user.is_owner, "tenantId": user.tenant_id} for user in found]
        )
    else:
        print_table(
            ("email", "name", "role", "active", "tenant", "added"),
            [
                (
                    user.email,
                    f"{user.first_name} {user.last_name}",
                    user.role,
                    user.is_active,
                    user.tenant_id,
                    user.created_at,
                )
                for user in found
            ],
        )
