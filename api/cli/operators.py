"""`gatehouse operators …`: the people who manage keys and tenants."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.terminal import Json, confirm, print_json, print_table, say
from api.cli.users import user_as_json
from api.command_error import CommandError
from api.domain.errors import Conflict, LastOperator, NotFound
from api.domain.roles import Role
from api.terminal_language import in_terminal_language

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
    say(f"operator {operator.email} added")
    if not password_stdin:
        say(f"password: {password}")


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
        if not yes:
            confirm(f"Remove the operator {found.email}?")
        await remove_operator(SYSTEM_ACTOR, found.id)

    found = _run_on(
        operator,
        confirm_and_remove,
        conflict="cannot be removed, because rows of the old system refer to the operator; run: gatehouse"
        " operators deactivate",
    )
    say(f"operator {found.email} removed")


@operators.command("deactivate")
def deactivate(operator: OperatorArgument) -> None:
    """End the sessions of an operator, who cannot sign in until they are reactivated."""
    from api.domain.accounts.operator_access import deactivate_operator
    from api.domain.actors import SYSTEM_ACTOR

    found = _run_on(
        operator, lambda found: deactivate_operator(SYSTEM_ACTOR, found.id), conflict="is already inactive"
    )
    say(f"operator {found.email} deactivated")


@operators.command("reactivate")
def reactivate(operator: OperatorArgument) -> None:
    """Let a deactivated operator sign in again."""
    from api.domain.accounts.operator_access import reactivate_operator
    from api.domain.actors import SYSTEM_ACTOR

    found = _run_on(
        operator, lambda found: reactivate_operator(SYSTEM_ACTOR, found.id), conflict="is not deactivated"
    )
    say(f"operator {found.email} reactivated")


@operators.command("reset-password")
def reset_password(operator: OperatorArgument, password_stdin: PasswordStdin = False) -> None:
    """Give an operator a new password, printed once, and end their sessions."""
    from api.domain.accounts.operator_access import set_operator_password
    from api.domain.accounts.operators import generate_password
    from api.domain.actors import SYSTEM_ACTOR

    password = _read_password() if password_stdin else generate_password()
    found = _run_on(operator, lambda found: set_operator_password(SYSTEM_ACTOR, found.id, password))
    say(f"operator {found.email} has a new password")
    if not password_stdin:
        say(f"password: {password}")


@operators.command("second-factor")
def second_factor(operator: OperatorArgument) -> None:
    """Set up the authenticator app of an operator: scan the QR code, type a code, note the recovery codes."""
    from api.domain.accounts.second_factors.changes import confirm_second_factor, start_second_factor
    from api.domain.actors import SYSTEM_ACTOR

    codes: list[str] = []

    async def set_up(found: "User") -> None:
        setup = await start_second_factor(found, SYSTEM_ACTOR)
        _print_qr_code(setup.address)
        say(f"secret: {setup.secret}")
        code = typer.prompt(in_terminal_language("Code that the app shows"), err=True)
        codes.extend(await confirm_second_factor(found, SYSTEM_ACTOR, code, session_id=None))

    found = _run_on(
        operator,
        set_up,
        conflict="has a second factor, or OPERATOR_SECOND_FACTOR is off; see: gatehouse operators"
        " reset-second-factor --help",
    )
    say(f"operator {found.email} signs in with a second factor; recovery codes, shown only now:")
    for code in codes:
        typer.echo(code)


def _print_qr_code(text: str) -> None:
    import segno

    if sys.stdout.isatty():
        segno.make(text, error="l").terminal(compact=True)
    else:
        typer.echo(text)


@operators.command("reset-second-factor")
def reset_second_factor(operator: OperatorArgument) -> None:
    """Delete the second factor of an operator who has lost the device, and end their sessions."""
    from api.domain.accounts.second_factors.changes import reset_second_factor
    from api.domain.actors import SYSTEM_ACTOR

    found = _run_on(
        operator,
        lambda found: reset_second_factor(SYSTEM_ACTOR, found.id),
        conflict="has no second factor",
    )
    say(f"operator {found.email} has no second factor any more")


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
