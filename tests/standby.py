"""A primary of PostgreSQL and its hot standby, which replays what the primary writes."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.postgres_servers import PostgresServer
from tests.support import migrate

VERSION = "15.20"


@contextmanager
def primary_and_standby(folder: Path, *options: str) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Both started; `options` are further settings of the standby."""
    primary = PostgresServer(folder / "primary", VERSION, "--wal_level=replica")
    primary.home.mkdir()
    primary.start()
    primary.stop()
    source = f"--primary_conninfo=host={primary.home} port={primary.port} user=postgres"
    standby = PostgresServer(folder / "standby", VERSION, source, *options)
    subprocess.run(["cp", "--archive", primary.home, standby.home], check=True)
    (standby.home / "pg" / "standby.signal").touch()
    with running(primary), running(standby):
        yield primary, standby


@contextmanager
def primary_and_standbys(folder: Path, count: int) -> Iterator[tuple[PostgresServer, list[PostgresServer]]]:
    """A started primary with all migrations, and that many started standbys, which stream from it."""
    primary = PostgresServer(folder / "primary", VERSION, "--wal_level=replica")
    primary.home.mkdir()
    with ExitStack() as stack:
        stack.enter_context(running(primary))
        migrate(primary.dsn())
        primary.stop()
        standbys = [
            PostgresServer(
                folder / f"standby-{number}",
                VERSION,
                f"--primary_conninfo=host={primary.home} port={primary.port} user=postgres",
            )
            for number in range(count)
        ]
        for standby in standbys:
            subprocess.run(["cp", "--archive", primary.home, standby.home], check=True)
            (standby.home / "pg" / "standby.signal").touch()
        primary.start()
        for standby in standbys:
            stack.enter_context(running(standby))
        yield primary, standbys


@contextmanager
def running(server: PostgresServer) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()
