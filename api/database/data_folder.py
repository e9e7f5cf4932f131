"""The data folder of the embedded server: which major version made it, and whether it is being upgraded."""

from pathlib import Path

from api.database.postgres_programs import EmbeddedServerError

UPGRADE = "upgrade"
"""The folder in a home in which an upgrade to another major version works: see `api.deploy.upgrade`."""


def require_no_upgrade(home: Path) -> None:
    """Raises `EmbeddedServerError`: until the upgrade ends, a server would create an empty database."""
    if (home / UPGRADE).exists():
        raise EmbeddedServerError(
            f"an upgrade of the PostgreSQL in {home} runs or was interrupted; if none runs, run:"
            " gatehouse db upgrade"
        )


def data_version(data: Path) -> str:
    """Such as "18". Raises `EmbeddedServerError` if the folder is not one of PostgreSQL."""
    try:
        return (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedServerError(
            f"{data} is not a PostgreSQL folder: move it away, or set GATEHOUSE_HOME to another one"
        ) from None


def require_version(data: Path, version: str) -> None:
    """Raises `EmbeddedServerError` if another major version than `version` made the folder."""
    found = data_version(data)
    if found != version:
        is_older = found.isdecimal() and int(found) < int(version)
        advice = "run: gatehouse db upgrade" if is_older else "use the version of Gatehouse that made it"
        raise EmbeddedServerError(f"{data} was made by PostgreSQL {found} and this is {version}: {advice}")
