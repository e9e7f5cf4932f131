"""PgBouncer between a test and its database."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from api.database.postgres_programs import system_user
from tests import debian
from tests.support import free_port

CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
{options}
logfile = {folder}/pgbouncer.log
"""


@contextmanager
def pgbouncer(dsn: str, folder: Path, mode: str, options: str = "") -> Iterator[str]:
    """PgBouncer in front of the server of `dsn`, in pool mode `mode`; yields the address of its database.

    `options` are further lines of its configuration.
    """
    program = debian.program("pgbouncer", "pgbouncer")
    address = urlsplit(dsn)
    query = parse_qs(address.query)
    port = free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(
            host=query["host"][0],
            port=query["port"][0],
            user=address.username,
            listen=port,
            mode=mode,
            folder=folder,
            options=options,
        )
    )
    arguments = [program, "-q", file]
    user = system_user()
    if user is not None:
        # It refuses to run as root.
        arguments[1:1] = ["-u", user.pw_name]
        os.chown(folder, user.pw_uid, user.pw_gid)
        for parent in folder.parents:
            if not parent.stat().st_mode & 1:
                parent.chmod(parent.stat().st_mode | 1)
    process = subprocess.Popen(arguments)
    try:
        _wait(port)
        yield f"postgresql://{address.username}@127.0.0.1:{port}{address.path}"
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("PgBouncer does not listen")
