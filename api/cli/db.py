"""`gatehouse db …`: the help of each command lists its exit codes."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api.cli.files import new_file, open_file
from api.cli.terminal import Json, print_json, print_table, say
from api.cli.upgrade import db_upgrade
from api.command_error import CommandError
from api.terminal_language import in_terminal_language

if TYPE_CHECKING:
    from api.deploy.adoption.adopt import Plan
    from api.deploy.backup.archive import Manifest
    from api.deploy.schema.differences import Difference

T = TypeVar("T")

db = typer.Typer(help="The database and its migrations.", no_args_is_help=True)


def _run(action: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an action with the role that owns the tables."""
    from api.database.engine import get_engine

    # Before the coroutine is made: Python warns of one that a wrong setting prevents from being awaited.
    engine = get_engine()
    engine.role = engine.roles.owner
    return asyncio.run(action())


@db.command("status")
def db_status(json: Json = False) -> None:
    """Compare the database with the migrations.

    Exit code 0: up to date; 2: migrations are pending; 3: a file or a row of the history needs attention.
    """
    from api.deploy.migrations.status import read_status

    status = _run(read_status)
    if json:
        print_json(status.as_json())
    else:
        say(f"{len(status.applied)} applied, {len(status.pending)} pending")
        for migration_id in status.pending:
            late = ", and a newer one is applied: it was merged late, or its row was lost"
            reason = late if migration_id in status.out_of_order else ""
            say(f"  {migration_id} is pending{reason}; run: piccolo migrations forwards all")
        for migration_id in status.edited:
            say(f"  {migration_id} was edited after it was applied; restore its file")
        for migration_id in status.missing:
            say(f"  {migration_id} is applied, and its file is missing; restore it")
    if status.needs_attention:
        raise typer.Exit(3)
    if status.pending:
        raise typer.Exit(2)


@db.command("verify")
def db_verify(json: Json = False) -> None:
    """Compare the tables with those that the migrations build, and print the SQL that repairs differences.

    Exit code 0: no differences; 3: differences.
    """
    from api.deploy.verify import verify

    verification = _run(verify)
    if json:
        print_json(verification.as_json())
    else:
        for query in verification.runbook:
            say(f"-- {query.sql};\n--   found: {', '.join(query.found) or 'nothing'}")
        _print_differences(verification.differences)
        if verification.advice:
            typer.echo(f"-- {in_terminal_language(verification.advice)}")
    if not verification.clean:
        raise typer.Exit(3)


def _print_differences(differences: "list[Difference]") -> None:
    for difference in differences:
        typer.echo(f"-- {in_terminal_language(difference.description)}")
        for statement in difference.sql:
            typer.echo(f"{statement};")
    say(f"-- differences: {len(differences)}" if differences else "-- no differences")


@db.command("squash")
def db_squash() -> None:
    """Replace the files of all migrations with one, before a release; see docs/migrations.md.

    Exit code 0: done; 1: it cannot be done.
    """
    from api.deploy.migrations.squash import squash

    written, deleted = _run(squash)
    say(f"wrote migrations/{written.name}, which replaces {len(deleted) + 1} migrations")
    say(f"deleted the other {len(deleted)} files; git restores them: git checkout -- migrations")


@db.command("contract")
def db_contract() -> None:
    """Write the migration that drops the columns which no release uses any more; see docs/migrations.md.

    Exit code 0: done; 1: it cannot be done.
    """
    from api.deploy.migrations.new_contract import create_contract

    path, columns = _run(create_contract)
    say(f"wrote migrations/{path.name}, which drops {', '.join(columns)}")


@db.command("adopt")
def db_adopt(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be changed, and change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Convert a database of the old system.

    Exit code 0: done, or nothing to do; 1: it cannot be done; 3: a person must resolve conflicts first.
    """
    from api.deploy.adoption.adopt import adopt

    plan = _run(lambda: adopt(dry_run=dry_run))
    if json:
        print_json(plan.as_json())
    else:
        _print_plan(plan)
    if plan.questions:
        raise typer.Exit(3)
    if not json:
        say("nothing was changed" if dry_run or not plan.migrations else "adopted")


def _print_plan(plan: "Plan") -> None:
    for change in plan.changes:
        say(change.description)
        for statement in change.sql:
            typer.echo(f"    {statement}")
    for migration in plan.migrations:
        say(f"apply {migration.migration_id}: {migration.description}")
    if plan.without_tenant:
        say(
            f"{len(plan.without_tenant)} users have no tenant, and may do nothing until they register with a"
            " beta key and their password, or are attached to one: gatehouse users --help"
        )
    for person in plan.without_tenant:
        typer.echo(f"    {person.id} {person.email} {person.role}")
    for question in plan.questions:
        what = in_terminal_language(question.description)
        say(f"resolve first: {what}: {', '.join(question.ids)}")
        for number, choice in enumerate(question.choices):
            answer = in_terminal_language(choice.description)
            say(f"    {answer}{' (suggested)' if number == 0 else ''}:")
            for statement in choice.sql:
                typer.echo(f"        {statement};")


@db.command("sql")
def db_sql(
    first: Annotated[str | None, typer.Option("--from", metavar="ID", help="The first migration.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="ID", help="The last migration.")] = None,
    backwards: Annotated[bool, typer.Option("--backwards", help="Revert them, the newest first.")] = False,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Run the SQL of this file, or of standard input (-), instead."),
    ] = None,
    json: Json = False,
) -> None:
    """Print the migrations as a script for psql, which may run twice. Needs no database.

    With --run, run SQL in one transaction over all tenants, on a machine without psql, and print the rows.
    """
    if run is not None:
        if first or last or backwards:
            raise CommandError(
                "--run runs the SQL of a file, without --from, --to and --backwards; to apply or revert"
                " migrations, see: piccolo migrations forwards --help"
            )
        _run_sql(run, json=json)
        return
    from api.deploy.migrations.script import parts, script

    selected = parts(first, last, backwards=backwards)
    if json:
        print_json([asdict(part) for part in selected])
    else:
        sys.stdout.write(script(selected, backwards=backwards))


def _run_sql(file: Path, *, json: bool) -> None:
    from api.deploy.run_sql import run_sql

    if str(file) == "-":
        script = _decode(file, sys.stdin.buffer.read())
    else:
        with open_file(file) as opened:
            script = _decode(file, opened.read())
    result = _run(lambda: run_sql(script))
    if json:
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        print_json({"status": result.status, "rows": rows})
        return
    if result.rows:
        print_table(tuple(result.columns), result.rows)
    typer.echo(result.status)


def _decode(file: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8; convert it") from None


@db.command("forget")
def db_forget(
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking; it cannot be undone.")] = False,
    json: Json = False,
) -> None:
    """Erase the data that reverted migrations retain in the schema gatehouse_undone."""
    from api.deploy.migrations.retained_data import erase_retained_data

    if not yes:
        raise CommandError("this erases rows permanently; run: gatehouse db forget --yes")
    erased = _run(erase_retained_data)
    if json:
        print_json({"erased": [{"table": table, "rows": rows} for table, rows in erased.items()]})
    else:
        for table, rows in erased.items():
            say(f"erased {rows} rows of {table}")
        if not erased:
            say("no data of reverted migrations is retained")


@db.command("dump")
def db_dump(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file. Only its owner can read it.")],
    json: Json = False,
) -> None:
    """Write all tables to a file, as of one moment, while the server runs.

    The file holds password hashes and personal data: encrypt it before you store it elsewhere.
    """
    from api.deploy.backup.dump import dump

    with new_file(file) as output:
        result = _run(lambda: dump(output.buffer))
    for left_out in result.left_out:
        say(f"not in the dump: {left_out}", err=True)
    _print_rows(result.manifest, json=json)
    if not json:
        say(f"dumped to {file}")


@db.command("restore")
def db_restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `gatehouse db dump` wrote.")],
    json: Json = False,
) -> None:
    """Restore a dump into an empty database, all or nothing.

    Exit code 0: restored; 1: nothing was restored; 2: restored, and migrations are pending; 3: restored, and
    the tables differ from those that the migrations build, as those of the dumped database did.
    """
    from api.deploy.backup.restore import restore

    with open_file(file) as opened:
        result = _run(lambda: restore(opened))
    _print_rows(result.manifest, json=json)
    if result.differences:
        if not json:
            _print_differences(result.differences)
        raise typer.Exit(3)
    if result.pending:
        say(f"{len(result.pending)} migrations are pending; run: piccolo migrations forwards all", err=True)
        raise typer.Exit(2)


def _print_rows(manifest: "Manifest", *, json: bool) -> None:
    if json:
        print_json(asdict(manifest))
    else:
        for table in manifest.tables:
            say(f"{table.rows} rows of {table.schema}.{table.table}")


db.command("upgrade")(db_upgrade)
