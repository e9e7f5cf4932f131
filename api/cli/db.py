"""`gatehouse db …`; its exit codes are told with each command."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from api.cli.terminal import Json, print_json, run
from api.command_error import CommandError

db = typer.Typer(help="The database and its migrations.", no_args_is_help=True)


@db.command("status")
def db_status(json: Json = False) -> None:
    """Compare the database with the migrations. Exit code 0: up to date, 2: pending, 3: see to it."""
    from api.deploy.migrations.status import read_status

    status = run(read_status())
    if json:
        print_json(status.as_json())
    else:
        typer.echo(f"{len(status.applied)} applied, {len(status.pending)} pending")
        for migration_id in status.pending:
            late = ", though a newer one is applied: it came late, or its row was lost"
            told = late if migration_id in status.out_of_order else ""
            typer.echo(f"  {migration_id} is pending{told}; run: piccolo migrations forwards all")
        for migration_id in status.edited:
            typer.echo(f"  {migration_id} was edited after it was applied; restore its file")
        for migration_id in status.missing:
            typer.echo(f"  {migration_id} is applied, and its file is missing; restore it")
    if status.needs_a_person:
        raise typer.Exit(3)
    if status.pending:
        raise typer.Exit(2)


@db.command("verify")
def db_verify(json: Json = False) -> None:
    """Compare the tables with what the migrations build. Exit code 0: the same, 3: see to the differences."""
    from api.database.engine import get_engine
    from api.deploy.verify import verify

    found = run(verify(get_engine()))
    if json:
        print_json(found.as_json())
    else:
        for question in found.runbook:
            typer.echo(f"-- {question.sql};\n--   found: {', '.join(question.found) or 'nothing'}")
        for difference in found.differences:
            typer.echo(
                "\n".join([f"-- {difference.what}", *(f"{statement};" for statement in difference.sql)])
            )
        typer.echo("-- nothing differs" if found.clean else f"-- differences: {len(found.differences)}")
    if not found.clean:
        raise typer.Exit(3)


@db.command("adopt")
def db_adopt(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Take over a database of the old system.

    Exit code 0: done, or nothing to do; 1: it cannot be done; 3: a person has to look at something first.
    """
    from api.database.engine import get_engine
    from api.deploy.adoption.adopt import Plan, adopt
    from api.settings import get_settings

    told: list[Plan] = []

    def tell(plan: Plan) -> None:
        told.append(plan)
        if json:
            print_json(plan.as_json())
            return
        for change in plan.changes:
            typer.echo("\n    ".join([change.what, *change.sql]))
        for migration in plan.migrations:
            typer.echo(f"apply {migration.migration_id}: {migration.description}")
        for one in plan.undecided:
            typer.echo(f"first see to {one.what}: {', '.join(one.ids)}")

    run(adopt(get_engine(), get_settings().migration_lock_timeout, tell, dry_run=dry_run))
    if told[0].undecided:
        raise typer.Exit(3)
    if not json:
        typer.echo("nothing was changed" if dry_run or not told[0].migrations else "adopted")


@db.command("sql")
def db_sql(
    first: Annotated[str | None, typer.Option("--from", metavar="ID", help="The first migration.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="ID", help="The last migration.")] = None,
    backwards: Annotated[bool, typer.Option("--backwards", help="Undo them, the newest first.")] = False,
    json: Json = False,
) -> None:
    """Print the migrations as a script for psql, which can be run twice. It needs no database to do so."""
    from api.deploy.migrations.script import parts, script

    wanted = parts(first, last, backwards=backwards)
    if json:
        print_json([asdict(part) for part in wanted])
    else:
        sys.stdout.write(script(wanted, backwards=backwards))


@db.command("forget")
def db_forget(
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking; it cannot be undone.")] = False,
) -> None:
    """Erase what undone migrations left in the schema gatehouse_undone."""
    from api.database.engine import get_engine
    from api.deploy.migrations.retained_data import forget
    from api.settings import get_settings

    if not yes:
        raise CommandError("this erases rows for good; run: gatehouse db forget --yes")
    for what in run(forget(get_engine(), get_settings().migration_lock_timeout)):
        typer.echo(f"erased {what}")
