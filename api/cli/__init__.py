"""`gatehouse …`: the commands for operators and deployers.

Exit codes: 0 done; 1 failed, and one line on standard error says why; 2 wrong usage. The help of each
`gatehouse db …` command lists its own.

Imports of this package: a command imports the code that it runs inside its function, never at the top of the
module. Most of that code imports `piccolo_conf`, which reads the settings, and it takes most of a second to
load; `gatehouse --help` must work without settings, and fast.
"""

import signal
import sys
from dataclasses import asdict
from importlib.metadata import version
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command

from api import typed_text
from api.cli.audit_events import audit
from api.cli.db import db
from api.cli.help import run
from api.cli.keys import keys
from api.cli.mails import mail
from api.cli.operators import operators
from api.cli.tenants import tenants
from api.cli.terminal import Json, print_finding, print_json, say
from api.cli.users import users
from api.command_error import CommandError
from api.domain.errors import DomainError, InvalidInput
from api.messages import message
from api.observability.error_descriptions import describe_error_chain, terminal_message
from api.terminal_language import in_terminal_language, terminal_language

if TYPE_CHECKING:
    from api.server.doctor.check import Finding

app = typer.Typer(
    name="gatehouse",
    help="Gatehouse, the registration of a closed beta: issue beta keys, manage tenants, run the server.",
    no_args_is_help=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # The names of options and the values to choose from, as they are pasted.
        "token_normalize_func": typed_text.fold,
    },
    pretty_exceptions_enable=False,
)
app.add_typer(db, name="db")
app.add_typer(keys, name="keys")
app.add_typer(mail, name="mail")
app.add_typer(operators, name="operators")
app.add_typer(tenants, name="tenants")
app.add_typer(users, name="users")
app.command()(audit)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"gatehouse {version('gatehouse')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, and exit."
        ),
    ] = False,
) -> None:
    # The options of `gatehouse` itself; its help is above.
    pass


def main() -> None:
    """Run a command. An expected failure is one line on standard error and exit code 1, never a traceback."""
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        # By default these end the process before the embedded server is stopped.
        signal.signal(signal_number, lambda number, _frame: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal or pipe in ASCII gets `\\xf1` for ñ, instead of a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(run(get_command(app)))
    except KeyboardInterrupt:
        sys.exit(130)
    except DomainError as error:
        _fail(_error_line(error))
    except Exception as error:  # noqa: BLE001
        if (line := terminal_message(error)) is None:
            # Python's own traceback would print the rows, with keys, that PostgreSQL adds to its errors.
            sys.stderr.write(describe_error_chain(error))
            sys.exit(1)
        _fail(line)


def _fail(text: str) -> None:
    sys.stderr.write(f"gatehouse: {in_terminal_language(' '.join(text.split()))}\n")
    sys.exit(1)


def _error_line(error: DomainError) -> str:
    language = terminal_language()
    if isinstance(error, InvalidInput):
        return "; ".join(
            f"{problem.name}: {message(problem.code, language, **problem.limits)}"
            for problem in error.problems
        )
    return message(error.message_code, language, **error.values)


@app.command()
def serve() -> None:
    """Run the server on HOST and PORT until Ctrl-C or SIGTERM."""
    from api.server.serve import serve

    serve()


@app.command()
def worker(beside_server: Annotated[bool, typer.Option(hidden=True)] = False) -> None:
    """Send mails and erase expired data until Ctrl-C or SIGTERM, for servers that run with WORKER=off."""
    from api.mail.worker import run as run_worker

    run_worker(beside_server=beside_server)


@app.command()
def health() -> None:
    """Check the server and the workers of this machine, for a container; exit code 1 if one does not work."""
    from api.server.health import find_problems

    if problems := find_problems():
        raise CommandError("; ".join(map(in_terminal_language, problems)))


@app.command()
def doctor(
    mail_to: Annotated[
        str | None, typer.Option("--mail-to", metavar="ADDRESS", help="Send a test mail there.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a check may take.")] = 15,
    json: Json = False,
) -> None:
    """Check everything that a deployed server needs: its settings, database, mail server and proxies.

    Exit code 0: all is well; 1: a check failed; 3: warnings only.
    """
    from api.server.doctor.run import run_doctor

    def show(finding: "Finding") -> None:
        if not json:
            print_finding(finding.status, finding.check, finding.message)

    findings = run_doctor(mail_to, timeout, show)
    if json:
        print_json({"checks": [asdict(finding) for finding in findings]})
    statuses = {finding.status for finding in findings}
    if statuses != {"ok"}:
        raise typer.Exit(1 if "failure" in statuses else 3)


@app.command()
def smoke(
    url: Annotated[str, typer.Argument(metavar="URL", help="Such as https://beta.example.com.")],
    json: Json = False,
) -> None:
    """Check a running server over HTTP; exit code 1 if a check fails."""
    from api.server.smoke import run_smoke

    checks = run_smoke(url)
    failures = [check.failure for check in checks if check.failure is not None]
    if json:
        print_json({"url": url, "ok": not failures, "checks": [check.as_json() for check in checks]})
    else:
        for line in failures or ["all is well"]:
            say(line)
        if failures:
            say("for the cause, on the machine of the server, run: gatehouse doctor")
    if failures:
        raise typer.Exit(1)
