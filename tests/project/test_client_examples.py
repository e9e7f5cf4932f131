"""docs/clients.md: its examples run against a real server, as the document shows them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from graphql import GraphQLSchema, build_schema, is_abstract_type, parse, validate

from tests.nodejs import check_lock, install, run_node
from tests.support import PASSWORD, ROOT, GatehouseProcess, hire, issue_key

EXAMPLES = ROOT / "docs" / "examples"

DOCUMENT = (ROOT / "docs" / "clients.md").read_text()

INVALID_EMAIL = ["INVALID_INPUT: Algunos campos no son válidos.", "  email INVALID_EMAIL: "]

REGISTERED = "ana@example.com of El Ahorro"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of docs/examples with its packages; the schema is where it is in the project."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "schema.graphql", project)
    return install(EXAMPLES, project / "docs" / "examples")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of one server for all examples."""
    gatehouse = GatehouseProcess(tmp_path_factory.mktemp("gatehouse") / "log")
    gatehouse.start(wait=False)
    gatehouse.wait_until_up(90)
    yield f"{gatehouse.url}/graphql"
    gatehouse.stop()


@pytest.mark.parametrize(
    "name", [pytest.param("apollo.mjs", marks=pytest.mark.slow), "urql.mjs", "graphql-request.mjs"]
)
async def test_an_example_shows_invalid_fields_then_registers(
    examples: Path, url: str, database: asyncpg.Connection, name: str
) -> None:
    code, output = run_node(name, url, await issue_key(database), cwd=examples)

    summary, field, viewer = output.splitlines()
    assert (code, summary, viewer) == (0, INVALID_EMAIL[0], REGISTERED)
    assert field.startswith(INVALID_EMAIL[1])


@pytest.mark.parametrize(
    ("name", "configured", "default"),
    [
        ("apollo.mjs", "new InMemoryCache({ possibleTypes })", "new InMemoryCache()"),
        ("urql.mjs", "cacheExchange({ schema, keys })", "cacheExchange({ keys })"),
    ],
)
async def test_without_the_possible_types_a_cache_loses_the_fields_of_errors(
    examples: Path, url: str, database: asyncpg.Connection, name: str, configured: str, default: str
) -> None:
    """As the document says. If this fails, a client library has changed, and that section can go."""
    example = (examples / name).read_text()
    assert configured in example
    (examples / f"default-{name}").write_text(example.replace(configured, default))

    _, output = run_node(f"default-{name}", url, await issue_key(database), cwd=examples)

    assert "undefined: undefined\n  email INVALID_EMAIL: " in output
    assert INVALID_EMAIL[0] not in output


async def test_a_registration_whose_answer_is_lost_is_repeated(
    examples: Path, url: str, database: asyncpg.Connection
) -> None:
    """A proxy that fails once after the server has committed: the client gets the same tenant."""
    lossy = (examples / "graphql-request.mjs").read_text().replace(
        "const client = new GraphQLClient(url, {",
        "let answers = 0;\n"
        "const lossy = async (...request) => {\n"
        "  const response = await fetch(...request);\n"
        "  if (++answers === 2) throw new TypeError('fetch failed');\n"
        "  return response;\n"
        "};\n"
        "const client = new GraphQLClient(url, { fetch: lossy,",
    )  # fmt: skip
    (examples / "lossy.mjs").write_text(lossy)

    code, output = run_node("lossy.mjs", url, await issue_key(database), cwd=examples)

    assert (code, output.splitlines()[-1]) == (0, REGISTERED)
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1
    assert await database.fetchval("SELECT count(*) FROM sessions") == 2


@pytest.mark.slow
async def test_the_python_example_issues_keys_and_lists_every_page(
    url: str, database: asyncpg.Connection
) -> None:
    from api.domain.accounts.passwords import hash_password

    operator = await hire(database, None, "SUPER_ADMIN", password=await hash_password(PASSWORD))

    def run(count: int, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, EXAMPLES / "gql_client.py", url, operator.email, str(count)]
        return subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, check=False)

    wrong = run(1, "wrong")
    assert (wrong.returncode, wrong.stderr) == (
        1,
        "WRONG_CREDENTIALS: The email address or the password is incorrect.\n",
    )
    invalid = run(0)
    assert invalid.returncode == 1
    assert "\n  count TOO_SMALL: " in invalid.stderr
    issued = run(150)
    assert issued.returncode == 0, issued.stderr
    keys = issued.stdout.splitlines()
    assert len(set(keys)) == 150
    assert all(re.fullmatch(r"BETA-\w{5}-\w{5} AVAILABLE 2099-01-31T12:00:00Z", key) for key in keys)


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    check_lock(EXAMPLES)


def test_the_document_contains_every_example_verbatim() -> None:
    shown = re.findall(r"^```(?:js|python)\n(.*?)^```$", DOCUMENT, re.M | re.S)
    files = sorted(EXAMPLES.glob("*.mjs")) + sorted(EXAMPLES.glob("*.py"))

    assert [path.name for path in files if path.read_text() not in shown] == []
    assert len(shown) == len(files)


def test_the_document_shows_the_possible_types_of_the_schema() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    (shown,) = re.findall(r"^```json\n(.*?)^```$", DOCUMENT, re.M | re.S)

    for name, members in json.loads(shown)["possibleTypes"].items():
        assert sorted(members) == _members(schema, name)


def test_the_document_explains_every_error() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())

    assert [error for error in _members(schema, "Error") if f"`{error}`" not in DOCUMENT] == []


def _members(schema: GraphQLSchema, name: str) -> list[str]:
    abstract = schema.type_map[name]
    assert is_abstract_type(abstract)
    return sorted(member.name for member in schema.get_possible_types(abstract))


def test_the_requests_of_the_document_are_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())

    for shown in re.findall(r"^```graphql\n(.*?)^```$", DOCUMENT, re.M | re.S):
        assert validate(schema, parse(shown)) == []
