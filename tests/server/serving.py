"""Servers in processes of their own, and their responses."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.support import Api, GatehouseProcess

VALIDATE = '{ validateBetaKey(key: "BETA-TEST-12345") { valid reason } }'

Start = Callable[..., GatehouseProcess]


class Registered(NamedTuple):
    """The home of an embedded server whose first start has registered a business."""

    home: Path
    output: str
    key: str
    answer: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": "", "GATEHOUSE_HOME": str(self.home)}

    @property
    def token(self) -> str:
        return self.answer["accessToken"]


@asynccontextmanager
async def client(process: GatehouseProcess) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as http:
        yield Api(http)


def refusal(process: GatehouseProcess) -> str:
    """The one line that a failed start prints; its exit code is 1."""
    assert process.process.wait(20) == 1
    (line,) = process.log.read_text().splitlines()
    return line


async def ready_status(api: Api) -> int:
    return (await api.http.get("/readyz")).status_code


async def until_ready(api: Api, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while await ready_status(api) != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def ask(api: Api, query: str, token: str | None = None, **variables: Any) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return await api.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def assert_masked(response: httpx.Response, code: str) -> None:
    """Check that the response is one GraphQL error of that code, without internal details."""
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": code}
    assert_tells_nothing(response.text)


def assert_tells_nothing(text: str) -> None:
    inside = [
        "127.0.0.1",
        "hunter2",
        "beta_keys",
        "users",
        "sessions",
        ".py",
        "/",
        "Error:",
        "asyncpg",
        "Errno",
    ]
    assert [word for word in inside if word in text] == []


def lines_of(process: GatehouseProcess, request_id: str) -> list[str]:
    return [line for line in process.log.read_text().splitlines() if f"[{request_id}]" in line]
