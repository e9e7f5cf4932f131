"""`gatehouse db upgrade`: another major version of the embedded PostgreSQL."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.terminal import say
from api.command_error import CommandError


def db_upgrade(
    programs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The folder of pg_ctl and postgres of the old version."),
    ] = None,
    remove_old: Annotated[
        bool, typer.Option("--remove-old", help="Remove the data that earlier upgrades have left, instead.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking; it cannot be undone.")] = False,
) -> None:
    """Convert the data of the embedded PostgreSQL to the major version of this Gatehouse.

    The old data stays in a folder beside the new one. Exit code 0: done; 1: the data is as it was.
    """
    from api.deploy import upgrade
    from api.settings import get_settings

    if not remove_old:
        done = upgrade.upgrade(get_settings(), programs)
        say(f"upgraded from PostgreSQL {done.old_version} to {upgrade.VERSION}")
        say(f"the old data is in {done.old_data}; to remove it, run: {upgrade.REMOVE_OLD}")
        return
    if not yes:
        raise CommandError(f"this removes old data permanently; run: {upgrade.REMOVE_OLD}")
    removed = upgrade.remove_old_data(get_settings())
    for folder in removed:
        say(f"removed {folder}")
    if not removed:
        say("there is no data of an older version")
