"""The check of the standbys that answer reads."""

import asyncio
import time
from typing import Literal

import asyncpg

from api.database.connection_checks import require_safe_role
from api.database.driver_errors import UnsafeRole
from api.database.engine import get_engine
from api.database.replicas import FAILED_READ, REPLAYED, SAMPLE
from api.database.roles import Role, connect
from api.server.doctor.check import Outcome

State = Literal["ok", "away", "behind", "primary"]

TIMEOUT = 3.0
"""Seconds that a standby may take to connect, and seconds to replay what the primary has written."""


async def check_replicas() -> Outcome:
    roles = get_engine().roles.replicas
    if not roles:
        return Outcome("ok", "the primary answers all reads; DATABASE_READ_URL is not set")
    async with get_engine().separate_connection() as connection:
        sample = await connection.fetchrow(SAMPLE)
    states = await asyncio.gather(*(_state_of(role, sample["position"]) for role in roles))
    hosts = {
        state: [role.host for role, each in zip(roles, states, strict=True) if each == state]
        for state in states
    }
    if away := hosts.get("away"):
        return Outcome("warning", f"do not answer, so that others are read: {', '.join(away)}")
    if primaries := hosts.get("primary"):
        return Outcome("warning", f"are no standbys; remove from DATABASE_READ_URL: {', '.join(primaries)}")
    if behind := hosts.get("behind"):
        return Outcome("warning", f"are over {TIMEOUT:g} s behind the primary: {', '.join(behind)}")
    return Outcome("ok", f"{len(roles)} standbys answer, and have what the primary has written")


async def _state_of(role: Role, position: int) -> State:
    connection: asyncpg.Connection | None = None
    try:
        async with asyncio.timeout(TIMEOUT):
            connection = await connect(role)
        await require_safe_role(connection, role.setting)
        deadline = time.monotonic() + TIMEOUT
        while True:
            row = await connection.fetchrow(REPLAYED, timeout=TIMEOUT)
            if row is None or not row["is_standby"]:
                return "primary"
            if row["position"] >= position:
                return "ok"
            if time.monotonic() > deadline:
                return "behind"
            await asyncio.sleep(0.1)
    except UnsafeRole:
        # Its message says what to do.
        raise
    except FAILED_READ:
        return "away"
    finally:
        if connection is not None:
            connection.terminate()
