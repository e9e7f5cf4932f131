"""`gatehouse operators …`: the people who manage keys and tenants."""

import asyncio
import sys
from typing import Annotated

import typer

from api.cli.terminal import Json, print_json, print_table
from api.command_error import CommandError

operators = typer.Typer(help="Manage the operators, who issue keys and manage tenants.", no_args_is_help=True)


@operators.command("add")
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address to sign in with.")],
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input; none is generated."),
    ] = False,
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
        print_json(
            [
                {
                    "id": user.id,
                    "email": user.email,
                    "firstName": user.first_name,
                    "lastName": user.last_name,
                    "role": user.role,
                    "isActive": user.is_active,
                    "createdAt": user.created_at,
                }
                for user in users
            ]
        )
    else:
        print_table(
            ("email", "active", "added"), [(user.email, user.is_active, user.created_at) for user in users]
        )
