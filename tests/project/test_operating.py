"""docs/operating.md: every command in it is typed, in its order, and does what the text says."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.project.reader import Reader, commands_by_section
from tests.support import REGISTER, ROOT, registration

DOCUMENT = (ROOT / "docs" / "operating.md").read_text()

COMMANDS = commands_by_section(DOCUMENT)

EXPECTED = {
    "gatehouse operators add": "password: ",
    "gatehouse operators list": "you@example.com",
    "gatehouse operators reset-password": "password: ",
    "gatehouse operators deactivate": "colleague@example.com deactivated",
    "gatehouse operators reactivate": "colleague@example.com reactivated",
    "gatehouse operators remove": "colleague@example.com removed",
    "gatehouse keys issue --count 3": "trade fair",
    "gatehouse keys list": "trade fair",
    "gatehouse keys show": "trade fair",
    "gatehouse keys update": "hall 2",
    "gatehouse keys stats": "available",
    "gatehouse keys invite": "ana@example.com",
    "gatehouse keys revoke": "revoked",
    "gatehouse keys issue --count 1000": "1000 keys",
    "gatehouse keys send": "luz@example.com: sent",
    "gatehouse keys export": "",
    "gatehouse keys import": "1",
    "gatehouse tenants list": "El Ahorro",
    "gatehouse tenants show": "El Ahorro",
    "gatehouse tenants seats": "cashier 0/5",
    "gatehouse tenants suspend": "suspended: unpaid",
    "gatehouse tenants reactivate": "El Ahorro",
    "gatehouse tenants delete": "deleted",
    "gatehouse tenants restore": "El Ahorro",
    "gatehouse users list": "early@example.com",
    "gatehouse users attach": "MANAGER",
    "gatehouse users remove": "user unused@example.com removed",
    "gatehouse audit --limit": "tenant.restored",
    "gatehouse audit --tenant": "tenant.registered",
    "gatehouse audit --action": '"reason":"unpaid"',
    "gatehouse mail failed": "",
    "gatehouse smoke": "all is well",
}
"""What each command prints, by its beginning."""


@pytest.fixture
def reader(server: EmbeddedServer, tmp_path: Path) -> Iterator[Reader]:
    """A migrated database, a running server and a registered business."""
    reader = Reader(server, tmp_path)
    reader.environment["COLUMNS"] = "250"
    reader.psql("-c", "CREATE ROLE beta LOGIN", database="postgres")
    reader.psql("-c", "CREATE DATABASE beta OWNER beta", database="postgres")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    (tmp_path / "addresses.csv").write_text("email\nluz@example.com\n")
    (tmp_path / "old-keys.csv").write_text("key,notes\nOLD-KEY-1,fair\n")
    for command in next(iter(COMMANDS.values())):
        assert reader.type(command) == (0, "")
    assert reader.type("piccolo migrations forwards all")[0] == 0
    reader.serve("gatehouse serve")
    yield reader
    reader.close()


@pytest.mark.slow
def test_every_command_does_what_the_text_says(reader: Reader) -> None:
    _, key = reader.type("gatehouse keys issue | grep -o 'BETA-[0-9A-Z]*-[0-9A-Z]*'")
    _register(reader, key.strip())
    reader.psql("-c", "SET gatehouse.scope = 'platform'", "-c", USERS_WITHOUT_TENANT)

    for commands in [*COMMANDS.values()][1:]:
        for command in commands:
            typed = command.replace("BETA-XXXXX-XXXXX", key.strip())
            code, output = reader.type(typed)
            assert code == 0, f"{command}\n{output}"
            assert _expected(command) in output, f"{command}\n{output}"
            if "--count 3 " in command:
                key = re.findall(r"BETA-[0-9A-Z]{5}-[0-9A-Z]{5}", output)[0]


USERS_WITHOUT_TENANT = """
INSERT INTO users (email, password, "firstName", "lastName") SELECT name || '@example.com', '', name, ''
  FROM unnest(ARRAY['early', 'unused']) name
"""


def _register(reader: Reader, key: str) -> None:
    form = registration(key, businessName="El Ahorro", nit="900123456")
    answer = httpx.post(
        f"http://127.0.0.1:{reader.port}/graphql", json={"query": REGISTER, "variables": {"i": form}}
    ).json()
    assert answer["data"]["register"]["__typename"] == "Registration"


def _expected(command: str) -> str:
    """Raises `KeyError` for a command that is new in the text."""
    matching = [beginning for beginning in EXPECTED if command.startswith(beginning)]
    return EXPECTED[max(matching, key=len, default=command)]


def test_every_audit_action_is_listed() -> None:
    listed = re.findall(r"`([a-z_]+\.[a-z_]+)`", DOCUMENT[DOCUMENT.index("| about | actions |") :])
    features = "beta_key|tenant|staff|operator|user|session|second_factor|password|email"
    recorded = {
        action
        for file in (ROOT / "api").rglob("*.py")
        for action in re.findall(rf'"((?:{features})\.[a-z_]+)"', file.read_text())
    }

    assert {action for action in listed if re.fullmatch(rf"(?:{features})\..+", action)} == recorded
