"""render.yaml and predeploy.sh, tested without Render."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import yaml

from api.deploy.paths import MIGRATIONS
from api.settings import Settings
from tests.project.dockerfile import image_environment
from tests.project.programs import write_programs
from tests.support import ROOT, Api, GatehouseProcess

pytestmark = pytest.mark.anyio

BLUEPRINT = yaml.safe_load((ROOT / "render.yaml").read_text())
(SERVICE,) = BLUEPRINT["services"]
(DATABASE,) = BLUEPRINT["databases"]

SETTINGS = {name.upper() for name in Settings.model_fields}

BIN = Path(sys.executable).parent


# Before a deploy


def predeploy(dsn: str, forked: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the pre-deploy command as Render does: without a shell.

    `forked` is a new folder for programs that are forked, instead of the installed ones.
    """
    words = shlex.split(SERVICE["preDeployCommand"])
    return subprocess.run(
        words,
        cwd=ROOT,
        env={
            "PATH": f"{forked or BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": dsn,
        },
        pass_fds=[write_programs(forked)] if forked else [],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
async def test_the_command_before_a_deploy_migrates_and_verifies(empty_database: str) -> None:
    """Twice, because a deploy may be repeated."""
    first, second = predeploy(empty_database), predeploy(empty_database)

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + first.stderr
    connection = await asyncpg.connect(empty_database)
    applied = await connection.fetchval("SELECT count(*) FROM migration")
    await connection.close()
    assert applied == len(list(MIGRATIONS.glob("gatehouse_*.py")))


async def test_a_failed_migration_ends_the_deploy(empty_database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE users (id int)")
    await connection.close()

    done = predeploy(empty_database, tmp_path / "bin")

    assert done.returncode == 1
    assert "gatehouse: " in done.stderr


@pytest.mark.slow
async def test_an_unexpected_schema_ends_the_deploy(empty_database: str, tmp_path: Path) -> None:
    """Even if no migration is pending."""
    assert predeploy(empty_database, tmp_path / "first").returncode == 0
    connection = await asyncpg.connect(empty_database)
    await connection.execute("DROP INDEX beta_keys_key")
    await connection.close()

    done = predeploy(empty_database, tmp_path / "second")

    assert done.returncode == 3
    assert "beta_keys" in done.stdout


@pytest.mark.slow
async def test_a_version_older_than_the_database_can_be_deployed(empty_database: str, tmp_path: Path) -> None:
    """This is a rollback: the applied migrations of the newer version have no file."""
    assert predeploy(empty_database, tmp_path / "first").returncode == 0
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        "INSERT INTO migration (name, app_name, ran_on) VALUES ('2099-01-01T00:00:00:0', 'gatehouse', now())"
    )
    await connection.close()

    assert predeploy(empty_database, tmp_path / "second").returncode == 0


# The settings of a deployed server

DEPLOYED = ("TRUSTED_PROXIES", "SMTP_URL", "MAIL_FROM", "PUBLIC_URL")


def test_every_deploy_file_names_the_settings_of_a_deployed_server() -> None:
    for file in ("render.yaml", "Dockerfile", "docs/deploy.md"):
        text = (ROOT / file).read_text()
        assert [name for name in DEPLOYED if name not in text] == [], file


def _trusted_proxies() -> dict[str, str]:
    render = {item["key"]: item.get("value", "") for item in SERVICE["envVars"]}
    return {"render": render["TRUSTED_PROXIES"], "image": image_environment()["TRUSTED_PROXIES"]}


@pytest.mark.parametrize(
    ("host", "proxy", "appended"),
    [
        # Cloudflare, then Render's own proxy.
        ("render", "10.21.157.68", ", 104.22.17.40"),
        ("render", "10.21.157.68", ", 2606:4700::6810:1"),
        ("image", "172.17.0.1", ""),
        ("image", "100.64.0.3", ""),
    ],
)
async def test_each_client_behind_the_proxies_of_the_host_has_limits_of_its_own(
    api: Api, settings: Callable[..., None], host: str, proxy: str, appended: str
) -> None:
    """A client that invents addresses counts as one."""
    settings(TRUSTED_PROXIES=_trusted_proxies()[host], RATE_LIMITS="on", RATE_LIMIT_WRONG_PASSWORDS="99/hour")
    behind = api.at(proxy)

    async def sign_in(forwarded: str) -> str:
        behind.http.headers["x-forwarded-for"] = f"{forwarded}{appended}"
        return (await behind.login("ana@example.com"))["__typename"]

    others = [await sign_in(f"198.51.100.{number}") for number in range(13)]
    spoofer = [await sign_in(f"10.0.0.{number}, 203.0.113.{number}, 192.0.2.1") for number in range(13)]
    direct = api.at("203.0.113.77")
    direct.http.headers["x-forwarded-for"] = "192.0.2.1"

    assert set(others) == {"WrongCredentials"}
    assert spoofer == ["WrongCredentials"] * 10 + ["RateLimited"] * 3
    assert (await direct.login("ana@example.com"))["__typename"] == "WrongCredentials"


@pytest.mark.slow
@pytest.mark.parametrize(
    "unset",
    [
        pytest.param(DEPLOYED, id="all", marks=pytest.mark.slow),
        pytest.param(DEPLOYED[:1], id="one"),
        pytest.param((), id="none", marks=pytest.mark.slow),
    ],
)
async def test_a_server_warns_once_about_the_settings_that_are_not_set(
    gatehouse: GatehouseProcess, unset: tuple[str, ...]
) -> None:
    values = ("none", "smtp://127.0.0.1:9", "beta@example.com", "https://beta.example.com")
    gatehouse.environment |= dict(zip(DEPLOYED, values, strict=True)) | dict.fromkeys(unset, "")
    gatehouse.environment["WORKERS"] = "2"

    await asyncio.to_thread(gatehouse.start)

    warnings = [line for line in gatehouse.log.read_text().splitlines() if "not set: " in line]
    assert len(warnings) == bool(unset)
    for warning in warnings:
        assert f"not set: {', '.join(unset)}; " in warning
        assert ("no mail is sent" in warning) == ("SMTP_URL" in unset)


# Render


def test_the_build_of_render_checks_the_lock() -> None:
    lock, project = SERVICE["buildCommand"].split(" && ")

    assert {"--require-hashes", "requirements-server.lock"} <= set(shlex.split(lock))
    assert {"--no-deps", "."} <= set(shlex.split(project))


@pytest.fixture
def on_render(tmp_path: Path, database: asyncpg.Connection) -> Iterator[GatehouseProcess]:
    """The server with the environment of the blueprint, on the database of the tests."""
    environment = {item["key"]: item["value"] for item in SERVICE["envVars"] if "value" in item}
    process = GatehouseProcess(tmp_path / "gatehouse.log", **environment)
    yield process
    if hasattr(process, "process"):
        process.stop()


async def test_the_server_of_render_passes_its_health_check(on_render: GatehouseProcess) -> None:
    assert shlex.split(SERVICE["startCommand"]) == ["gatehouse", "serve"]
    await asyncio.to_thread(on_render.start)

    async with httpx.AsyncClient(base_url=on_render.url) as http:
        assert (await http.get(SERVICE["healthCheckPath"])).status_code == 200
    # With 127.0.0.1, nothing outside of the container could reach the server.
    assert on_render.environment["HOST"] == "0.0.0.0"


def test_every_variable_is_a_setting() -> None:
    named = {item["key"] for item in SERVICE["envVars"]}

    # This variable is Render's.
    assert named - {"PYTHON_VERSION"} <= SETTINGS
    assert "DATABASE_URL" in named


def test_the_address_of_the_database_comes_from_render() -> None:
    (address,) = [item for item in SERVICE["envVars"] if item["key"] == "DATABASE_URL"]

    assert address["fromDatabase"] == {"name": DATABASE["name"], "property": "connectionString"}
    assert DATABASE["ipAllowList"] == []


def secrets_in(blueprint: Any) -> list[str]:
    """Values that look like secrets: an address with a password, or a long run of random letters."""
    if isinstance(blueprint, dict):
        return [found for value in blueprint.values() for found in secrets_in(value)]
    if isinstance(blueprint, list):
        return [found for value in blueprint for found in secrets_in(value)]
    text = str(blueprint)
    words = re.findall(r"[A-Za-z0-9+/=_-]{16,}", text)
    random = [word for word in words if re.search(r"\d", word) and re.search(r"[A-Za-z]", word)]
    return [text] if "://" in text or random else []


def test_no_secret_is_in_the_blueprint() -> None:
    assert secrets_in(BLUEPRINT) == []


@pytest.mark.parametrize(
    "value", ["postgresql://u:p@host/d", "sk_live_51HxY2eZvKYlo2C", "n4bQgYhMfWWaL+qgxVrQ"]
)
def test_secrets_are_detected(value: str) -> None:
    """The check above can fail."""
    assert secrets_in({"services": [{"envVars": [{"key": "X", "value": value}]}]}) == [value]
