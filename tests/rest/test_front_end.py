"""The requests of the old system's web front end, in the order of its pages, from `front_end.json`.

`shape` has each field of the response that the front end reads: its value, or the kind of value that it is.
A response may have more fields.
"""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from starlette.routing import Match

from api.rest.routes import routes
from tests.domain.accounts.codes import other_than
from tests.support import Api, Settings, hire, issue_key

pytestmark = pytest.mark.anyio

REQUESTS: list[dict[str, Any]] = orjson.loads((Path(__file__).parent / "front_end.json").read_bytes())

KINDS = {"text": str, "uuid": UUID, "time": datetime.fromisoformat}
"""What reads each kind of value; it raises for another one."""


def filled(value: Any, known: dict[str, str]) -> Any:
    """`value` with the known values in its placeholders."""
    if isinstance(value, str):
        return value.format(**known)
    if isinstance(value, dict):
        return {name: filled(inner, known) for name, inner in value.items()}
    return [filled(inner, known) for inner in value] if isinstance(value, list) else value


def check_shape(value: Any, shape: Any, place: str) -> None:
    """Fail unless `value` has the shape. The first of a list stands for all."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), place
        for name, inner in shape.items():
            assert name in value, f"{place}.{name}"
            check_shape(value[name], inner, f"{place}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), place
        assert bool(value) == bool(shape), place
        for number, inner in enumerate(value):
            check_shape(inner, shape[0], f"{place}.{number}")
    elif shape in KINDS:
        assert isinstance(value, str), place
        assert KINDS[shape](value), place
    else:
        assert value == shape, place
        assert type(value) is type(shape), place


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step) if step.isdecimal() else step]
    return value


async def test_each_request_is_answered_as_the_front_end_expects(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(REQUIRE_VERIFIED_EMAIL="true")
    operator = await hire(database, None, "SUPER_ADMIN")
    key = await issue_key(database)
    known = {"key": key, "operator_token": operator.token, "operator_email": operator.email}
    known["key_id"] = str(await database.fetchval("SELECT id FROM beta_keys"))

    for request in REQUESTS:
        headers = {"accept-language": "es-CO,es;q=0.9"}
        if "token" in request:
            headers["authorization"] = f"Bearer {filled(request['token'], known)}"
        if "body" not in request:
            # The front end sends this header without a body too.
            headers["content-type"] = "application/json"
        body = filled(request["body"], known) if "body" in request else None
        response = await api.http.request(
            request["method"], filled(request["path"], known), json=body, headers=headers
        )
        assert response.status_code == request["status"], (request["shows"], response.text)
        check_shape(response.json(), filled(request["shape"], known), request["shows"])
        known |= {name: at(response.json(), path) for name, path in request.get("keeps", {}).items()}
        code = await database.fetchval(
            """SELECT "values"->>'code' FROM mails WHERE "values" ? 'code'
                ORDER BY "createdAt" DESC LIMIT 1"""
        )
        known |= {} if code is None else {"code": code, "wrong_code": other_than(code)}


def test_the_recorded_requests_cover_every_endpoint() -> None:
    endpoints = routes(max_seconds=1)
    scopes = [
        {"type": "http", "method": request["method"], "path": request["path"], "headers": []}
        for request in REQUESTS
    ]
    for route in endpoints:
        assert any(route.matches(scope)[0] is Match.FULL for scope in scopes), route
