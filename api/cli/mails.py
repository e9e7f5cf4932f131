"""`gatehouse mail …`: the queue of mails."""

import asyncio
from typing import Annotated

import typer

from api.cli.terminal import Json, print_json, print_table

mail = typer.Typer(help="Inspect the mails that Gatehouse sends.", no_args_is_help=True)


@mail.command("failed")
def list_failed(
    limit: Annotated[int, typer.Option(min=1, help="The largest number of mails.")] = 100,
    json: Json = False,
) -> None:
    """List the mails that failed permanently, newest first; they are deleted after 90 days."""
    from api.domain.mails import failed_mails

    failed = asyncio.run(failed_mails(limit))
    if json:
        print_json(
            [
                {
                    "id": mail.id,
                    "template": mail.template,
                    "recipient": mail.recipient,
                    "tries": mail.tries,
                    "error": mail.error,
                    "createdAt": mail.created_at,
                    "failedAt": mail.failed_at,
                }
                for mail in failed
            ]
        )
    else:
        print_table(
            ("recipient", "mail", "tries", "failed", "error"),
            [(mail.recipient, mail.template, mail.tries, mail.failed_at, mail.error) for mail in failed],
        )
