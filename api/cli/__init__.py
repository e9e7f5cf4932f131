"""`gatehouse …`: what operators and deployers type.

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage; those of `gatehouse db …`
are told with each of them.

Commands import what they need when they run: the database settings are read by importing `piccolo_conf`,
and `gatehouse --help` should neither need them nor wait for them.
"""

import signal
import sys
from typing import Annotated

import typer

from api.cli.audit_events import audit
from api.cli.db import db
from api.cli.key_files import key_files
from api.cli.keys import keys
from api.cli.mails import mail
from api.cli.operators import operators
from api.cli.tenants import tenants
from api.domain.errors import DomainError, InvalidInput
from api.messages import message
from api.observability.error_descriptions import describe_error_chain, terminal_message

app = typer.Typer(
    name="gatehouse",
    help="The door of a closed beta.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(db, name="db")
app.add_typer(keys, name="keys")
keys.add_typer(key_files)
app.add_typer(mail, name="mail")
app.add_typer(operators, name="operators")
app.add_typer(tenants, name="tenants")
app.command()(audit)


def main() -> None:
    """Run a command; every foreseeable failure is one line and exit code 1, never a traceback."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        # By default these end the process before the embedded server is stopped.
        signal.signal(ending, lambda number, _frame: sys.exit(128 + number))
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except DomainError as error:
        _fail(_tell(error))
    except Exception as error:  # noqa: BLE001
        if (told := terminal_message(error)) is None:
            # Python's own traceback would repeat the rows that PostgreSQL repeats, keys and all.
            sys.stderr.write(describe_error_chain(error))
            sys.exit(1)
        _fail(told)


def _fail(told: str) -> None:
    sys.stderr.write(f"gatehouse: {' '.join(told.split())}\n")
    sys.exit(1)


def _tell(error: DomainError) -> str:
    if isinstance(error, InvalidInput):
        return "; ".join(
            f"{problem.name}: {message(problem.code, 'en', **problem.limits)}" for problem in error.problems
        )
    return message(error.message_code, "en", **error.values)


@app.command()
def serve() -> None:
    """Serve the API on HOST and PORT until it is told to stop."""
    from api.server.serve import serve as run

    run()


@app.command()
def worker(beside_server: Annotated[bool, typer.Option(hidden=True)] = False) -> None:
    """Send mails and clean up until it is told to stop; for servers that run with WORKER=off."""
    from api.mail.worker import run

    run(beside_server=beside_server)


@app.command()
def smoke(url: str) -> None:
    """Check a server that runs at URL; say what is wrong with it, and exit with 1 if anything is."""
    from api.server.smoke import run_smoke

    failed = run_smoke(url)
    for what in failed:
        typer.echo(what)
    if failed:
        raise typer.Exit(1)
    typer.echo("all is well")
