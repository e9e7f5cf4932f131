"""`piccolo migrations …` in processes of its own, and rows that it must not lose."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from api.deploy.paths import MIGRATIONS
from tests.commands import PipedCommand, run_command
from tests.support import ROOT

TENANTS = "2026-11-24T00:04:52:117630"

COUNT = len(list(MIGRATIONS.glob("gatehouse_*.py")))


def start(dsn: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> PipedCommand:
    words = ["piccolo", "migrations", *arguments]
    return PipedCommand(words, {**os.environ, "DATABASE_URL": dsn, **environment}, cwd)


async def ended(process: PipedCommand | subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and the output, once the process has ended."""
    output, _ = await asyncio.to_thread(lambda: process.communicate())
    assert process.returncode is not None
    return process.returncode, output


async def run(dsn: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> tuple[int, str]:
    command = await asyncio.to_thread(
        run_command, "piccolo", "migrations", *arguments, cwd=cwd, **{"DATABASE_URL": dsn, **environment}
    )
    return command.returncode, command.stdout + command.stderr


async def until(connection: asyncpg.Connection, condition: str) -> None:
    async with asyncio.timeout(20):
        while not await connection.fetchval(f"SELECT {condition}"):
            await asyncio.sleep(0.01)


WAITS_FOR_USERS = """EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass)"""


@asynccontextmanager
async def waiting_for_users(
    dsn: str, connection: asyncpg.Connection, *arguments: str
) -> AsyncIterator[tuple[PipedCommand, asyncpg.Connection]]:
    """A command that waits for a lock on `users` as long as the block lasts, and a connection to watch it."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        process = start(dsn, *arguments)
        watcher = await asyncpg.connect(dsn)
        try:
            await until(watcher, WAITS_FOR_USERS)
            yield process, watcher
        finally:
            await watcher.close()


async def every_row(connection: asyncpg.Connection) -> dict[str, list[Any]]:
    tables = ["users", "tenants", "beta_keys", "sessions", "audit_events", "mails", "one_time_codes"]
    async with connection.transaction():
        await connection.execute("SET LOCAL gatehouse.scope = 'platform'")
        return {
            table: [
                row[0] for row in await connection.fetch(f"SELECT to_jsonb(t) FROM {table} t ORDER BY id")
            ]
            for table in tables
        }


async def fill(connection: asyncpg.Connection, tenants: int = 20) -> None:
    async with connection.transaction():
        await connection.execute(f"""
            SET LOCAL gatehouse.scope = 'platform';
            INSERT INTO tenants ("businessName", nit, "businessType", address, "suspendedReason")
                SELECT 'b', 'n' || n, 'OTRO', 'x', CASE WHEN n % 2 = 0 THEN 'unpaid' END
                  FROM generate_series(1, {tenants}) n;
            INSERT INTO users (email, password, "firstName", "lastName", "tenantId", "isOwner", "documentId")
                SELECT nit || '@example.com', 'p', 'f', 'l', id, true, nit FROM tenants;
            INSERT INTO users (email, password, "firstName", "lastName", role)
                VALUES ('root@example.com', 'p', 'f', 'l', 'SUPER_ADMIN');
            INSERT INTO beta_keys (key, "isUsed", "usedByTenantId", "expiresAt")
                SELECT 'k' || nit, true, id, now() FROM tenants;
            INSERT INTO beta_keys (key) VALUES ('free');
            INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
                SELECT id, sha256(email::bytea), now() FROM users;
            INSERT INTO audit_events (action, "tenantId") SELECT 'x', id FROM tenants;
            INSERT INTO mails (template, recipient, language) SELECT 'x', email, 'en' FROM users;
            INSERT INTO one_time_codes (purpose, email, "userId", "tenantId", "codeDigest", "expiresAt")
                SELECT 'x', email, id, "tenantId", 'x', now() FROM users;
        """)
