"""A primary of PostgreSQL and its hot standby, which replays what the primary writes."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres_servers import PostgresServer

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
def running(server: PostgresServer) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()
