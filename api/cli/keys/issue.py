"""`gatehouse keys issue`: new beta keys into a table, JSON or a CSV file."""

import asyncio
import csv
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.files import flush_to_disk, new_file, progress_bar
from api.cli.keys.options import parse_expiry
from api.cli.keys.output import new_key_fields, print_keys
from api.cli.terminal import Json, say, to_json
from api.command_error import CommandError

if TYPE_CHECKING:
    from api.domain.beta_keys.issue import IssueOptions, NewKey

    IssueKeys = Callable[[Callable[[list[NewKey]], object]], Coroutine[Any, Any, None]]
    """`issue_keys` without its last argument, the function that receives the keys."""

MAX_TABLE_ROWS = 10_000
"""A table is laid out in memory."""


def issue(
    count: Annotated[int, typer.Option(min=1, help="The number of keys.")] = 1,
    notes: Annotated[str | None, typer.Option(help="A note, shown in listings.")] = None,
    batch: Annotated[str | None, typer.Option(help="A name to list, count and send these keys by.")] = None,
    recipient: Annotated[
        str | None, typer.Option(help="The only email address that may use the key; for one key.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            help="When the keys expire: after 30d, 12h, 45m or 2w, at the end of a day such as 2027-01-31, "
            "or at '2027-01-31 12:00', in TIME_ZONE."
        ),
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the keys to this new file.")] = None,
    json: Json = False,
) -> None:
    """Issue beta keys, all or none."""
    if csv_file is not None and json:
        raise typer.BadParameter("--csv and --json exclude one another")
    if count > MAX_TABLE_ROWS and csv_file is None and not json:
        raise typer.BadParameter(f"more than {MAX_TABLE_ROWS:,} keys need a file: --csv keys.csv")
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.issue import IssueOptions, issue_keys

    expires_at = None if expires is None else parse_expiry(expires)
    options = IssueOptions.read(
        {"count": count, "notes": notes, "batch": batch, "recipientEmail": recipient, "expiresAt": expires_at}
    )
    issue_into = partial(issue_keys, SYSTEM_ACTOR, options)
    if csv_file is not None:
        _issue_csv(csv_file, options, issue_into)
        say(f"{count} keys written to {csv_file}")
    elif json:
        _issue_json(options, issue_into)
    else:
        issued: list[NewKey] = []
        asyncio.run(issue_into(issued.extend))
        print_keys([new_key_fields(new, options) for new in issued], as_json=False)


def _issue_csv(path: Path, options: "IssueOptions", issue_into: "IssueKeys") -> None:
    """Write the keys to a new file.

    All of them are on the disk before the transaction commits, so a full disk issues nothing. The file gets
    its name after the commit, so a file with a name never holds keys that were not issued.
    """
    from api import written_times
    from api.domain.beta_keys.file_export import formula_safe

    common = [formula_safe(text or "") for text in (options.notes, options.batch, options.recipient_email)]
    expires = written_times.iso(options.expires_at) if options.expires_at else ""
    missing, issued = options.count, False
    try:
        with new_file(path) as file, progress_bar(options.count) as advance:
            rows = csv.writer(file, quoting=csv.QUOTE_ALL)
            rows.writerow(("key", "notes", "batch", "recipientEmail", "expiresAt"))

            def write(keys: "list[NewKey]") -> None:
                nonlocal missing
                rows.writerows((new.key, *common, expires) for new in keys)
                advance(len(keys))
                missing -= len(keys)
                if missing == 0:
                    flush_to_disk(file)

            asyncio.run(issue_into(write))
            issued = True
    except CommandError as error:
        if not issued:
            raise
        raise CommandError(f"the keys are issued, but {error}; see: gatehouse keys export") from None


def _issue_json(options: "IssueOptions", issue_into: "IssueKeys") -> None:
    """Print a JSON array in constant memory, and nothing until all keys are issued."""
    with tempfile.TemporaryFile() as spool:

        def write(keys: "list[NewKey]") -> None:
            for new in keys:
                spool.write((b",\n" if spool.tell() else b"[") + to_json(new_key_fields(new, options)))

        asyncio.run(issue_into(write))
        spool.write(b"]\n")
        spool.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(spool, sys.stdout.buffer)
