"""`gatehouse operators …`: the people who manage keys and tenants."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.terminal import Json, print_json, print_table
from api.cli.users import user_as_json
from api.command_error import CommandError
from api.domain.errors import Conflict, LastOperator, NotFound
from api.domain.roles import Role

if TYPE_CHECKING:
    from tables import User

operators = typer.Typer(help="Manage the operators, who issue keys and manage tenants.", no_args_is_help=True)


OperatorArgument = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The email address or the id of the operator.")
]

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; none is generated.")
]


@operators.command("add")
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address to sign in with.")],
    password_stdin: PasswordStdin = False,
) -> None:
    """Add an operator, and print the generated password once."""
    from api.domain.accounts.operators import add_operator, generate_password

    password = _read_password() if password_stdin else generate_password()
    operator = asyncio.run(add_operator(email, password))
    typer.echo(f"operator {operator.email} added")
    if not password_stdin:
        typer.echo(f"password: {password}")


def _read_password() -> str:
    try:
        # Some shells of Windows write a byte order mark first.
        return sys.stdin.buffer.readline().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise CommandError("the password on standard input is not UTF-8") from None


@operators.command("list")
def list_all(json: Json = False) -> None:
    """List the operators, oldest first."""
    from api.domain.accounts.operators import list_operators

    users = asyncio.run(list_operators())
    if json:
        print_json([user_as_json(user) for user in users])
    else:
        print_table(
            ("email", "active", "added"), [(user.email, user.is_active, user.created_at) for user in users]
        )


@operators.command("remove")
def remove(
    operator: OperatorArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Delete an operator, whose email address can then be used again, and end their sessions."""
    from api.domain.accounts.operator_access import remove_operator
    from api.domain.actors import SYSTEM_ACTOR

    async def confirm_and_remove(found: "User") -> None:
        # A script has no terminal to answer in.
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Remove the operator {found.email}?", abort=True, err=True)
        await remove_operator(SYSTEM_ACTOR, found.id)

    found = _run_on(
        operator,
        confirm_and_remove,
        conflict="cannot be removed, because rows of the old system refer to the operator; run: gatehouse"
        " operators deactivate",
    )
    typer.echo(f"operator {found.email} removed")


@operators.command("deactivate")
def deactivate(operator: OperatorArgument) -> None:
    """End the sessions of an operator, who cannot sign in until they are reactivated."""
    from api.domain.accounts.operator_access import deactivate_operator
    from api.domain.actors import SYSTEM_ACTOR

    found = _run_on(
        operator, lambda found: deactivate_operator(SYSTEM_ACTOR, found.id), conflict="is already inactive"
    )
    typer.echo(f"operator {found.email} deactivated")


@operators.command("reactivate")
def reactivate(operator: OperatorArgument) -> None:
    """Let a deactivated operator sign in again."""
    from api.domain.accounts.operator_access import reactivate_operator
    from api.domain.actors import SYSTEM_ACTOR

    found = _run_on(
        operator, lambda found: reactivate_operator(SYSTEM_ACTOR, found.id), conflict="is not deactivated"
    )
    typer.echo(f"operator {found.email} reactivated")


@operators.command("reset-password")
def reset_password(operator: OperatorArgument, password_stdin: PasswordStdin = False) -> None:
    """Give an operator a new password, printed once, and end their sessions."""
    from api.domain.accounts.operator_access import set_operator_password
    from api.domain.accounts.operators import generate_password
    from api.domain.actors import SYSTEM_ACTOR

    password = _read_password() if password_stdin else generate_password()
    found = _run_on(operator, lambda found: set_operator_password(SYSTEM_ACTOR, found.id, password))
    typer.echo(f"operator {found.email} has a new password")
    if not password_stdin:
        typer.echo(f"password: {password}")


def _run_on(typed: str, change: "Callable[[User], Awaitable[Any]]", conflict: str = "") -> "User":
    """Run `change` on the operator of an address or id. `conflict` says what `Conflict` means."""

    async def run() -> "User":
        from api.domain.users import find_user

        try:
            found = await find_user(typed)
            if found.role != Role.SUPER_ADMIN.value:
                raise NotFound
            await change(found)
        except NotFound:
            raise CommandError(f"operator {typed!r} not found; see: gatehouse operators list") from None
        except LastOperator:
            raise CommandError(
                f"operator {typed} is the last active one; add another first: gatehouse operators add EMAIL"
            ) from None
        except Conflict:
            raise CommandError(f"operator {typed} {conflict}") from None
        return found

    return asyncio.run(run())
