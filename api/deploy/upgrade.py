"""`gatehouse db upgrade`: the data of the embedded PostgreSQL, for its new major version.

The old server is dumped, and the dump restored on a new one. This happens in the folder `upgrade` of the
home. Beside it no server starts, and a run after one that was killed continues:

    version     the old version
    old/pg      the old data; only its own server writes there
    new/pg      the new data
    complete    exists when the new data is whole: what is left is to rename both folders
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.command_error import CommandError
from api.database.data_folder import UPGRADE, data_version
from api.database.embedded import EmbeddedServer
from api.database.file_lock import lock_file
from api.database.postgres_programs import TIMEOUT, VERSION
from api.settings import Settings

# Of Debian, Red Hat, and Homebrew on both processors of Macs.
PROGRAMS = (
    "/usr/lib/postgresql/{}/bin",
    "/usr/pgsql-{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
    "/usr/local/opt/postgresql@{}/bin",
)


REMOVE_OLD = "gatehouse db upgrade --remove-old --yes"


class StillRunningError(CommandError):
    """Processes of an upgrade that was interrupted use its folders."""


@dataclass(frozen=True)
class Upgrade:
    old_version: str
    old_data: Path


def upgrade(settings: Settings, programs: Path | None) -> Upgrade:
    """`programs` is the folder of pg_ctl and postgres of the old version; None looks for it.

    Raises `CommandError`; the data is then as it was.
    """
    if settings.database_url is not None:
        raise CommandError(
            "DATABASE_URL is set, and this command upgrades the embedded PostgreSQL; upgrade that server with"
            " its own tools, or unset DATABASE_URL"
        )
    home = settings.gatehouse_home.absolute()
    work = home / UPGRADE
    if not (home / "pg").exists() and not work.exists():
        raise CommandError(f"{home} has no data to upgrade; check GATEHOUSE_HOME")
    with EmbeddedServer(home).alone():
        if not (work / "complete").exists():
            old = _begin(home, work, programs)
            with _undone_if_it_fails(home, work):
                _copy(work, old)
        return _finish(home, work)


def _begin(home: Path, work: Path, programs: Path | None) -> EmbeddedServer:
    """The old server, whose data is moved into `work`."""
    moved = work / "old" / "pg"
    data = moved if moved.exists() else home / "pg"
    version = data_version(data)
    if not version.isdecimal() or int(version) >= int(VERSION):
        raise CommandError(
            f"PostgreSQL {version} made {data}, and this is {VERSION}; there is nothing to upgrade"
        )
    if _kept(home, version).exists():
        raise CommandError(f"{_kept(home, version)} exists; move it away, or run: {REMOVE_OLD}")
    programs = programs or _find_programs(version, data)
    _require_version(programs, version)
    work.mkdir(mode=0o700, exist_ok=True)
    (work / "old").mkdir(mode=0o700, exist_ok=True)
    (work / "version").write_text(version)
    if data != moved:
        data.rename(moved)
    return EmbeddedServer(work / "old", version, programs)


def _kept(home: Path, version: str) -> Path:
    return home / f"pg-{version}"


def _find_programs(version: str, data: Path) -> Path:
    for pattern in PROGRAMS:
        folder = Path(pattern.format(version))
        if (folder / "pg_ctl").exists():
            return folder
    raise CommandError(
        f"{data} was made by PostgreSQL {version}, whose programs are not on this machine; install them"
        f" (Debian: postgresql-{version}), or name their folder: gatehouse db upgrade --programs FOLDER"
    )


def _require_version(programs: Path, version: str) -> None:
    try:
        answer = subprocess.run(  # noqa: S603 (the folder is the operator's)
            [programs / "postgres", "--version"], check=True, capture_output=True, text=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        raise CommandError(
            f"{programs} has no program postgres; name the folder of PostgreSQL {version}"
        ) from None
    found = re.search(r"PostgreSQL\) (\d+)", answer)
    if found is None or found[1] != version:
        raise CommandError(
            f"{programs} has {answer.strip()}, and the data was made by PostgreSQL {version}; name the folder"
            " of that version"
        )


@contextmanager
def _undone_if_it_fails(home: Path, work: Path) -> Iterator[None]:
    try:
        yield
    except StillRunningError:
        raise
    except (CommandError, OSError) as error:
        for log in work.glob("*/postgres.log"):
            log.rename(home / f"upgrade-{log.parent.name}.log")
        (work / "old" / "pg").rename(home / "pg")
        shutil.rmtree(work)
        log_file = rf"{re.escape(str(work))}/(old|new)/postgres\.log"
        reason = re.sub(log_file, lambda found: f"{home}/upgrade-{found[1]}.log", str(error))
        raise CommandError(f"the upgrade failed, and the data is as it was: {reason}") from None


def _copy(work: Path, old: EmbeddedServer) -> None:
    """Dump the old server, and restore on a new one. Stopping them writes all to the disk."""
    # The processes that it starts inherit the lock, because they go on if this one is killed.
    lock = lock_file(work / "lock", fcntl.LOCK_EX, TIMEOUT)
    if lock is None:
        raise StillRunningError(
            f"an upgrade of {work.parent} that was interrupted has not ended yet; run this again later"
        )
    try:
        _copy_alone(work, old, lock)
    finally:
        os.close(lock)


def _copy_alone(work: Path, old: EmbeddedServer, lock: int) -> None:
    dump = work / "dump"
    dump.unlink(missing_ok=True)
    shutil.rmtree(work / "new", ignore_errors=True)
    old.start()
    try:
        _run("dump", dump, lock, DATABASE_URL=old.dsn())
    finally:
        old.stop()
    # 2: migrations are pending; 3: the tables differ from those of the migrations, as they did before.
    _run("restore", dump, lock, allowed=(0, 2, 3), GATEHOUSE_HOME=str(work / "new"))
    (work / "complete").touch()
    _sync(work)


def _run(command: str, dump: Path, lock: int, allowed: tuple[int, ...] = (0,), **environment: str) -> None:
    """A process of its own, because the engine and its settings are those of one database."""
    others = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "GATEHOUSE_HOME"}
    ended = subprocess.run(  # noqa: S603 (the arguments are ours)
        [sys.executable, "-m", "api.cli", "db", command, str(dump)],
        env={name: value for name, value in os.environ.items() if name not in others} | environment,
        pass_fds=[lock],
        check=False,
        capture_output=True,
        text=True,
    )
    if ended.returncode not in allowed:
        raise CommandError((ended.stderr.strip().splitlines() or ["it gave no reason"])[-1])


def _finish(home: Path, work: Path) -> Upgrade:
    """Rename what is not renamed yet."""
    version = (work / "version").read_text()
    kept = _kept(home, version)
    if (work / "old" / "pg").exists():
        (work / "old" / "pg").rename(kept)
    if (work / "new" / "pg").exists():
        (work / "new" / "pg").rename(home / "pg")
    _sync(home)
    shutil.rmtree(work)
    return Upgrade(version, kept)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def remove_old_data(settings: Settings) -> list[Path]:
    """Remove what upgrades have left in the home, and return the folders."""
    home = settings.gatehouse_home.absolute()
    if (home / UPGRADE).exists():
        raise CommandError("an upgrade was interrupted; first run: gatehouse db upgrade")
    folders = sorted(folder for folder in home.glob("pg-*") if re.fullmatch(r"pg-\d+", folder.name))
    for folder in folders:
        shutil.rmtree(folder)
    return folders
