"""The baselines of Gatehouse: bare ASGI functions, and Strawberry and Piccolo as their manuals show them.

All are ASGI applications for uvicorn. They give the same responses as Gatehouse to the same requests.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import orjson
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL

from api.database import scopes
from api.database.engine import get_engine
from api.domain import viewer as viewers
from api.domain.accounts.operators import as_operator
from api.domain.actors import Client
from api.domain.beta_keys.listing import KeyFilter, ListedKey, list_keys
from api.domain.beta_keys.lookup import find_key, rejection
from api.domain.errors import InvalidInput
from api.domain.pagination import Position
from api.domain.registration import register
from api.domain.tenants import seats
from api.domain.viewer import LAST_SEEN_PRECISION
from api.messages import message
from api.schema.pagination import write_cursor
from tables import BetaKey


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """One key look-up: parses the JSON and sends the same query as Gatehouse, without a framework."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    body = orjson.loads(await _read_body(receive))
    reason = rejection(await find_key(body["variables"]["key"]))
    await _respond(send, {"data": {"validateBetaKey": _validation(reason is None)}})


async def bare_viewer(scope: Scope, receive: Receive, send: Send) -> None:
    """A signed-in user and the seats of the tenant, with the two statements that Gatehouse sends."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    orjson.loads(await _read_body(receive))
    token = dict(scope["headers"])[b"authorization"].removeprefix(b"Bearer ")
    (row,) = await _fetch(
        _VIEWER, "gatehouse.scope", "platform", LAST_SEEN_PRECISION, [sha256(token).digest()]
    )
    tenant_id = row["t.id"]
    counted = await _fetch(_SEATS, "gatehouse.tenant_id", str(tenant_id), [tenant_id])
    used = {seats["role"]: seats["used"] for seats in counted}
    seats = [
        {"role": role, "used": used.get(role, 0), "max": row[f"t.max_{role.lower()}s"]}
        for role in ("ADMIN", "MANAGER", "CASHIER")
    ]
    tenant = {"businessName": row["t.business_name"], "seats": seats}
    await _respond(send, {"data": {"viewer": {"email": row["u.email"], "tenant": tenant}}})


_VIEWER, _SEATS = (
    scopes.scoped(query, arguments) for query, arguments in ((viewers._BY_TOKEN, 2), (seats._SEATS, 1))
)


async def bare_keys(scope: Scope, receive: Receive, send: Send) -> None:
    """A page of keys for a signed-in operator, with the two queries that Gatehouse makes."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    orjson.loads(await _read_body(receive))
    token = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ").decode()
    viewer = await viewers.find_viewer(token, Client())
    if viewer is None:
        await _respond(send, {"errors": [{"message": "Please sign in first."}]})
        return
    as_operator(viewer)
    page = await list_keys(KeyFilter(), 100)
    edges = [
        {"cursor": write_cursor(Position(key.row.created_at, key.row.id)), "node": _key(key)}
        for key in page.items
    ]
    info = {
        "hasNextPage": page.has_next,
        "hasPreviousPage": False,
        "startCursor": edges[0]["cursor"],
        "endCursor": edges[-1]["cursor"],
    }
    await _respond(send, {"data": {"betaKeys": {"edges": edges, "pageInfo": info}}})


def _key(listed: ListedKey) -> dict[str, object]:
    row = listed.row
    return {
        "id": str(row.id),
        "key": row.key,
        "status": listed.status,
        "notes": row.notes,
        "batch": row.batch,
        "recipientEmail": row.recipient_email,
        "expiresAt": row.expires_at,
        "sentAt": row.sent_at,
        "usedAt": row.used_at,
        "usedBy": None,
        "revokedAt": row.revoked_at,
        "revokedReason": row.revoked_reason,
        "createdAt": row.created_at,
    }


async def bare_ten(scope: Scope, receive: Receive, send: Send) -> None:
    """Ten look-ups in one request."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    keys = orjson.loads(await _read_body(receive))["variables"].values()
    found = await asyncio.gather(*map(find_key, keys))
    answers = {f"a{number}": _validation(rejection(key) is None) for number, key in enumerate(found)}
    await _respond(send, {"data": answers})


async def bare_invalid(scope: Scope, receive: Receive, send: Send) -> None:
    """A registration with invalid fields."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    form = orjson.loads(await _read_body(receive))["variables"].get("input")
    if form is None:
        await _respond(send, {"errors": [{"message": "The form is missing."}]})
        return
    try:
        await register(form, Client())
    except InvalidInput as error:
        fields = [
            {
                "field": problem.name,
                "code": problem.code,
                "message": message(problem.code, "en", **problem.limits),
            }
            for problem in error.problems
        ]
        content = {"code": error.code, "message": message(error.code, "en"), "fields": fields}
        await _respond(send, {"data": {"register": {"__typename": "InvalidInput", **content}}})


async def collector(scope: Scope, receive: Receive, send: Send) -> None:
    """An OpenTelemetry collector that discards all spans."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    await _read_body(receive)
    await _respond(send, {})


async def _fetch(statement: str, *values: object) -> list[Any]:
    return await get_engine().fetch(statement, *values)


async def _run_lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await get_engine().start_connection_pool()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await get_engine().close_connection_pool()
    await send({"type": "lifespan.shutdown.complete"})


async def _read_body(receive: Receive) -> bytes:
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


async def _respond(send: Send, content: dict[str, object]) -> None:
    body = orjson.dumps(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _validation(valid: bool) -> dict[str, object]:
    message = "This beta key is valid." if valid else "This beta key does not exist."
    return {"valid": valid, "message": message}


@strawberry.type
class BetaKeyValidation:
    valid: bool
    message: str


@strawberry.type
class Query:
    @strawberry.field
    async def validate_beta_key(self, key: str) -> BetaKeyValidation:
        found = await BetaKey.select().where(BetaKey.key == key).first()
        valid = found is not None and not found["isUsed"]
        return BetaKeyValidation(
            valid=valid, message="This beta key is valid." if valid else "This beta key does not exist."
        )


@contextlib.asynccontextmanager
async def _pool(_app: Starlette) -> AsyncIterator[None]:
    await get_engine().start_connection_pool()
    try:
        yield
    finally:
        await get_engine().close_connection_pool()


stock = Starlette(
    routes=[Route("/graphql", GraphQL(strawberry.Schema(query=Query)))],
    lifespan=_pool,
)
"""Strawberry's own view and Piccolo's own query, as their manuals show them."""
