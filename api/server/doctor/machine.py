"""The checks of this machine and of the limits store: versions, disk, and where limits are counted."""

import platform
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.rate_limit_store import REDIS_TIMEOUT
from api.server.doctor.check import Outcome
from api.settings import get_settings

DISK_WARNING, DISK_FAILURE = 500, 50
"""Free megabytes."""


async def check_versions() -> Outcome:
    return Outcome("ok", f"Gatehouse {version('gatehouse')}, Python {platform.python_version()}")


async def check_disk() -> Outcome:
    """The folder that Gatehouse writes to: GATEHOUSE_HOME, or the one for temporary files."""
    settings = get_settings()
    uses_home = settings.database_url is None or settings.outbox is not None
    folder = settings.gatehouse_home.absolute() if uses_home else Path(tempfile.gettempdir())
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        advice = "set GATEHOUSE_HOME to a folder that this user may write" if uses_home else "set TMPDIR"
        return Outcome("failure", f"{existing} cannot be written ({error.strerror}); {advice}")
    free = shutil.disk_usage(existing).free // 1_000_000
    text = f"{free:,} MB free in {existing}"
    if free < DISK_WARNING:
        return Outcome("failure" if free < DISK_FAILURE else "warning", f"{text}; free some disk space")
    return Outcome("ok", text)


async def check_limits_store() -> Outcome:
    settings = get_settings()
    if not settings.rate_limits:
        return Outcome("warning", "RATE_LIMITS is off, so passwords can be guessed; switch it on")
    if settings.rate_limit_storage is None:
        if settings.workers > 1:
            text = f"each of {settings.workers} WORKERS counts for itself; set RATE_LIMIT_STORAGE"
            return Outcome("warning", text)
        return Outcome("ok", "in memory; for several instances, set RATE_LIMIT_STORAGE")
    async with Redis.from_url(settings.rate_limit_storage.get_secret_value()) as store:
        started = time.perf_counter()
        try:
            # Limits are counted by scripts, which a server may forbid.
            await store.execute_command("EVAL", "return 1", 0)
        except (RedisError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            return Outcome("failure", f"nothing is limited ({reason}); check RATE_LIMIT_STORAGE")
        seconds = time.perf_counter() - started
    if seconds > REDIS_TIMEOUT:
        return Outcome(
            "warning", f"it takes {seconds:.1f} s to answer; after {REDIS_TIMEOUT} s nothing is limited"
        )
    return Outcome("ok", f"answers in {seconds * 1000:.0f} ms")
