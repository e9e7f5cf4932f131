"""A shell that types the commands of a document, with the addresses of the test."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from api.database.embedded import EmbeddedServer
from api.database.postgres_programs import programs_folder
from tests.project.programs import write_programs
from tests.support import ROOT, free_port

PROGRAMS = programs_folder()
"""psql and pg_dump."""

ROLES = ("beta", "old_system")


class Reader:
    """Types the commands of a document into a shell, in a folder of the test.

    `gatehouse` and `piccolo` are forked; the tests of the README start them as new programs.
    """

    def __init__(self, server: EmbeddedServer, home: Path) -> None:
        shutil.copy(ROOT / "predeploy.sh", home)
        self.server = server
        self.home = home
        self.port = free_port()
        self.smtp_port = free_port()
        self.mail_server: Controller | None = None
        self.recipients: list[str] = []
        self.blocker: subprocess.Popen[str] | None = None
        self.serving: subprocess.Popen[str] | None = None
        self.pid = ""
        self.shell = home / "shell"
        self.shell.touch()
        self.requests = write_programs(home / "bin")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "PATH": f"{home / 'bin'}:{PROGRAMS}:{os.environ['PATH']}",
            "PORT": str(self.port),
        }

    def type(self, command: str) -> tuple[int, str]:
        """The exit code and all output. A variable that a command exports is set for the next ones."""
        script = f'. "{self.shell}"\n{self.fill_in(command)}\ncode=$?; export -p > "{self.shell}"; exit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.home,
            env=self.environment,
            pass_fds=[self.requests],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def fill_in(self, command: str) -> str:
        """The command, with the addresses of this test instead of those of the document."""
        for database in ("beta", "postgres", "restored", "rehearsal"):
            for user in ("beta", "beta_app", "postgres"):
                dsn = self.server.dsn(user=user, database=database)
                command = command.replace(
                    f"postgresql://{user}:…@db.example.com/{database}", shlex.quote(dsn)
                )
        command = command.replace("https://beta.example.com", f"http://127.0.0.1:{self.port}")
        command = command.replace("smtps://beta:…@smtp.example.com:465", f"smtp://127.0.0.1:{self.smtp_port}")
        assert "example.com/" not in command, command
        return command.replace("PORT=8000", f"PORT={self.port}").replace("4711", self.pid)

    def serve(self, command: str) -> None:
        """Stop the server, start it with this command, and wait until it is ready."""
        self.stop()
        with (self.home / "serve.log").open("w") as log:
            self.serving = subprocess.Popen(
                ["bash", "-c", f'. "{self.shell}"\n{self.fill_in(command)}'],
                cwd=self.home,
                env=self.environment,
                pass_fds=[self.requests],
                stdout=log,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.serving.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError((self.home / "serve.log").read_text())

    def start_mail_server(self) -> None:
        """It accepts every mail, and lists the recipients."""
        self.mail_server = Controller(self, hostname="127.0.0.1", port=self.smtp_port)
        self.mail_server.start()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def stop(self) -> None:
        if self.serving is not None:
            os.killpg(self.serving.pid, signal.SIGTERM)
            self.serving.wait(20)
            self.serving = None

    def psql(self, *arguments: str, user: str = "postgres", database: str = "beta") -> str:
        """Run psql as the administrator or another role; returns its output."""
        dsn = self.server.dsn(user=user, database=database)
        done = subprocess.run(
            [PROGRAMS / "psql", dsn, "-XAtq", "-v", "ON_ERROR_STOP=1", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def close(self) -> None:
        self.stop()
        if self.mail_server is not None:
            self.mail_server.stop()
        if self.blocker is not None:
            self.blocker.kill()
            self.blocker.communicate()
        self.psql("-c", "DROP DATABASE IF EXISTS beta WITH (FORCE)", database="postgres")
        for role in (*ROLES, "beta_app"):
            self.psql("-c", f"DROP ROLE IF EXISTS {role}", database="postgres")


def commands_by_section(text: str) -> dict[str, list[str]]:
    """Each line of each block of shell, by the title of its section."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", text, flags=re.M):
        title, _, body = section.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```$", body, re.M | re.S)
        if lines := [line for block in blocks for line in block.splitlines() if line]:
            found[title] = lines
    return found
