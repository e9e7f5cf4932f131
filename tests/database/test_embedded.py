"""The embedded server with real processes, real kills and real folders."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer, EmbeddedServerError
from api.database.private_folder import create_home
from tests.support import is_running, kill_postgres

ROOT = Path(__file__).parents[2]

USER = """
import sys
from pathlib import Path
from api.database.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
"""

WAITING = f"""{USER}
print(server.dsn(), flush=True)
sys.stdin.read()
"""

INTERRUPTED = f"""{USER}
import asyncio, asyncpg
try:
    print(server.dsn(), flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    async def answer():
        connection = await asyncpg.connect(server.dsn())
        print(await connection.fetchval("SELECT 'still here'"))
        await connection.close()
    asyncio.run(answer())
"""

FORKING = f"""{USER}
import os
print(server.dsn(), flush=True)
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
print("the child has left", flush=True)
sys.stdin.read()
"""

Run = Callable[..., "User"]
Move = Callable[[Path], Path]


class User:
    """A process that uses the server of a home until its standard input ends."""

    def __init__(self, home: Path, program: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        if not line:
            raise AssertionError(self.process.communicate(timeout=10)[1])
        return line

    def leave(self) -> str:
        """End the process like Ctrl-D; returns the rest of its output, of both streams."""
        output, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        return output + errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a database; the tests share it because each initdb would take a second."""
    home = tmp_path_factory.mktemp("shared") / "home"
    server = EmbeddedServer(home)
    server.start()
    server.stop()
    yield home
    shutil.rmtree(home)


@pytest.fixture
def move(home: Path) -> Iterator[Move]:
    """Moves the shared home to another place during the test."""
    places: list[Path] = []

    def to(place: Path) -> Path:
        place.parent.mkdir(exist_ok=True)
        places.append(home.rename(place))
        return place

    yield to
    for place in places:
        place.rename(home)


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts users of a home; after the test, their processes and servers are ended."""
    users: list[User] = []

    def start(home: Path, program: str = WAITING) -> User:
        users.append(User(home, program))
        return users[-1]

    yield start
    for user in users:
        user.kill()
    for home in {user.home for user in users}:
        if is_running(home):
            kill_postgres(home)


def postmaster(home: Path) -> int:
    return int((home / "pg" / "postmaster.pid").read_text().split()[0])


def ask(dsn: str, *statements: str) -> Any:
    """The result of the last statement."""

    async def execute() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(execute())


def keep_a_row(dsn: str) -> None:
    ask(dsn, "DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT 'kept' AS word")


def kept_row(dsn: str) -> str:
    return ask(dsn, "SELECT word FROM kept")


def refusal(home: Path) -> str:
    """The one line that a failed start prints, for any cause."""
    with pytest.raises(EmbeddedServerError) as refused:
        EmbeddedServer(home).start()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_first_start_creates_the_home_and_the_next_one_finds_its_data(new_home: Path, run: Run) -> None:
    first = run(new_home)
    keep_a_row(first.line())
    assert first.leave() == ""
    assert not is_running(new_home)
    assert kept_row(run(new_home).line()) == "kept"


def test_the_role_owns_its_database_and_has_no_other_privilege(home: Path, run: Run) -> None:
    dsn = run(home).line()
    power = "rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication"
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
    assert ask(dsn, f"SELECT {power} FROM pg_roles WHERE rolname = current_user") is False
    assert ask(dsn, owner) == "gatehouse"
    assert ask(dsn, "SELECT lower('BÜRO Ñ')") == "büro ñ"


def test_commits_are_durable_and_the_server_listens_on_no_port(home: Path, run: Run) -> None:
    dsn = run(home).line()
    assert ask(dsn, "SHOW fsync") == "on"
    assert ask(dsn, "SHOW data_checksums") == "on"
    assert ask(dsn, "SHOW listen_addresses") == ""


def test_only_the_last_user_stops_the_server(home: Path, run: Run) -> None:
    first, second = run(home), run(home)
    first.line()
    dsn = second.line()
    assert first.leave() == ""
    assert ask(dsn, "SELECT 1") == 1
    assert second.leave() == ""
    assert not is_running(home)


def test_a_killed_user_does_not_count(home: Path, run: Run) -> None:
    killed = run(home)
    killed.line()
    killed.kill()
    assert is_running(home)
    last = run(home)
    last.line()
    last.leave()
    assert not is_running(home)


def test_a_forked_child_that_ends_leaves_the_server_to_its_parent(home: Path, run: Run) -> None:
    parent = run(home, FORKING)
    dsn = parent.line()
    assert parent.line() == "the child has left"
    assert ask(dsn, "SELECT 1") == 1
    parent.leave()
    assert not is_running(home)


@pytest.mark.parametrize("user_too", [False, True], ids=["postgres alone", "postgres and its user"])
def test_a_start_after_a_kill_finds_the_committed_data(home: Path, run: Run, user_too: bool) -> None:
    user = run(home)
    keep_a_row(user.line())
    if user_too:
        user.kill()
    kill_postgres(home)
    assert kept_row(run(home).line()) == "kept"


def test_a_second_start_of_a_user_restarts_a_killed_server(home: Path) -> None:
    server = EmbeddedServer(home)
    server.start()
    keep_a_row(server.dsn())
    kill_postgres(home)
    server.start()
    assert kept_row(server.dsn()) == "kept"
    server.stop()
    assert not is_running(home)


def test_a_start_right_after_the_postmaster_died_waits_for_its_children(home: Path, run: Run) -> None:
    keep_a_row(run(home).line())
    os.kill(postmaster(home), signal.SIGKILL)
    assert kept_row(run(home).line()) == "kept"


def test_a_killed_initdb_is_repeated(new_home: Path, run: Run) -> None:
    killed = run(new_home)
    while not (new_home / "pg.new" / "PG_VERSION").exists():
        assert killed.process.poll() is None
    killed.kill()
    assert not (new_home / "pg").exists()
    assert ask(run(new_home).line(), "SELECT 1") == 1
    assert not (new_home / "pg.new").exists()


def test_a_start_that_was_killed_before_creating_the_role_is_completed(home: Path, run: Run) -> None:
    killed = run(home)
    killed.line()
    superuser = EmbeddedServer(home).dsn(user="postgres", database="postgres")
    ask(superuser, "DROP DATABASE gatehouse", "DROP ROLE gatehouse")
    killed.kill()
    assert ask(run(home).line(), "SELECT current_user") == "gatehouse"


def test_four_concurrent_starts_share_one_server(new_home: Path, run: Run) -> None:
    users = [run(new_home) for _ in range(4)]
    started = {ask(user.line(), "SELECT pg_postmaster_start_time()") for user in users}
    assert len(started) == 1
    assert [user.leave() for user in users] == ["", "", "", ""]
    assert not is_running(new_home)


@pytest.mark.parametrize("name", ['it\'s a "home" for $HOME', "one, two %41 é", "long" * 50])
def test_a_home_may_have_any_name(tmp_path: Path, move: Move, run: Run, name: str) -> None:
    home = move(tmp_path / name / "home")
    user = run(home)
    assert ask(user.line(), "SELECT 1") == 1
    assert user.leave() == ""
    assert not is_running(home)


def test_a_socket_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 50)
    home.mkdir()
    folder = EmbeddedServer(home)._socket_folder()
    folder.mkdir(mode=0o755)
    try:
        assert refusal(home) == f"{folder} must be a folder that only its owner can enter: remove it"
    finally:
        folder.rmdir()


def test_a_stale_pid_of_another_process_does_not_prevent_a_start(home: Path, run: Run) -> None:
    user = run(home)
    keep_a_row(user.line())
    kill_postgres(home)
    user.kill()
    # PostgreSQL checks the stale pid only for processes of its own user.
    owner = (home / "pg").stat().st_uid
    bystander = subprocess.Popen(["sleep", "60"], user=owner)
    try:
        for file in (home / "pg" / "postmaster.pid", *home.rglob(".s.PGSQL.5432.lock")):
            _, rest = file.read_text().split("\n", 1)
            file.write_text(f"{bystander.pid}\n{rest}")
        user = run(home)
        assert kept_row(user.line()) == "kept"
        user.leave()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_ctrl_c_reaches_the_application_and_not_its_server(home: Path, run: Run) -> None:
    user = run(home, INTERRUPTED)
    user.line()
    os.killpg(user.process.pid, signal.SIGINT)
    assert user.leave() == "still here\n"
    assert not is_running(home)


def test_only_the_owner_can_read_the_home(tmp_path: Path, home: Path, move: Move, run: Run) -> None:
    """Also one that an older version made, while its server runs. As root, PostgreSQL passes through it."""
    moved = move(tmp_path / "moved")
    moved.chmod(0o755)

    dsn = run(moved).line()
    assert not stat.S_IMODE(moved.stat().st_mode) & 0o076
    moved.chmod(0o775)
    assert run(moved).line() == dsn

    assert not stat.S_IMODE(moved.stat().st_mode) & 0o076
    assert ask(dsn, "SELECT 1") == 1


def test_a_new_home_is_for_its_owner_alone(new_home: Path) -> None:
    create_home(new_home / "below")

    assert stat.S_IMODE((new_home / "below").stat().st_mode) == 0o700


def test_a_home_with_other_files_is_named_and_not_restricted(
    new_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its mode may be on purpose, as that of /tmp."""
    new_home.mkdir()
    new_home.chmod(0o1777)
    (new_home / "page.html").touch()

    create_home(new_home)

    assert stat.S_IMODE(new_home.stat().st_mode) == 0o1777
    assert [record.getMessage() for record in caplog.records] == [
        f"Other users can read the folder GATEHOUSE_HOME {new_home} (mode 1777)"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_the_system_user_can_pass_the_folders_above_but_not_list_them(
    tmp_path: Path, move: Move, run: Run
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert ask(run(move(closed / "home")).line(), "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_files_with_another_user_id_is_changed(home: Path, run: Run) -> None:
    for path in (home / "pg", *(home / "pg").rglob("*")):
        os.chown(path, 65534, 65534)
    assert ask(run(home).line(), "SELECT 1") == 1


@pytest.mark.parametrize(
    ("version", "advice"),
    [("16", "run: gatehouse db upgrade"), ("99", "use the version of Gatehouse that made it")],
)
def test_a_folder_of_another_major_version_is_refused(new_home: Path, version: str, advice: str) -> None:
    (new_home / "pg").mkdir(parents=True)
    (new_home / "pg" / "PG_VERSION").write_text(f"{version}\n")
    assert refusal(new_home).endswith(f"was made by PostgreSQL {version} and this is 18: {advice}")


def test_a_copy_that_was_made_while_the_server_ran_is_named(home: Path, run: Run, tmp_path: Path) -> None:
    """Its log was copied before a checkpoint, and the file that refers to the checkpoint after it."""
    user = run(home)
    dsn = user.line()
    ask(dsn.replace("gatehouse@/gatehouse", "postgres@/postgres"), "SELECT 1")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "--archive", home, copy], check=True)
    for sql in ("CREATE TABLE late AS SELECT 1", "SELECT pg_switch_wal()", "CHECKPOINT"):
        ask(dsn.replace("//gatehouse@", "//postgres@"), sql)
    control = Path("pg", "global", "pg_control")
    subprocess.run(["cp", "--archive", home / control, copy / control], check=True)

    message = refusal(copy)

    assert "checkpoint" in message
    assert "a copy of the folder that was made while its server ran; restore a dump" in message


def test_a_folder_that_is_not_a_database_is_refused(new_home: Path) -> None:
    (new_home / "pg").mkdir(parents=True)
    (new_home / "pg" / "holiday.jpg").touch()
    assert "is not a PostgreSQL folder: move it away" in refusal(new_home)
    assert (new_home / "pg" / "holiday.jpg").exists()


def test_a_home_that_cannot_be_a_folder_is_refused(new_home: Path) -> None:
    new_home.touch()
    assert refusal(new_home).endswith(f"(File exists: {new_home}): set GATEHOUSE_HOME to a folder")


def test_a_failed_start_reports_the_reason_and_the_log_file(home: Path) -> None:
    settings = home / "pg" / "postgresql.auto.conf"
    settings.write_text("no_such_setting = on\n")
    message = refusal(home)
    settings.write_text("")
    assert message.startswith("PostgreSQL did not start (")
    assert message.endswith(f"see {home / 'postgres.log'}")
