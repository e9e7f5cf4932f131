"""What Gatehouse is compared with: the least that could be done, and what is done without a second thought.

All are ASGI applications for uvicorn. They take the same requests as Gatehouse and give the same answers.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from functools import cache
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
from api.domain.registration import RegistrationRequest, register
from api.domain.tenants import seats
from api.domain.viewer import SEEN_EVERY
from api.messages import message
from api.schema.pagination import write_cursor
from tables import BetaKey


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Parses the JSON, asks PostgreSQL as Gatehouse does, answers; no GraphQL and no framework."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    asked = orjson.loads(await _read(receive))
    refused = rejection(await find_key(asked["variables"]["key"]))
    await _answer(send, {"data": {"validateBetaKey": _validation(refused is None)}})


async def bare_viewer(scope: Scope, receive: Receive, send: Send) -> None:
    """The same for a signed-in user and the seats of the tenant: the two statements that Gatehouse sends."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    orjson.loads(await _read(receive))
    token = dict(scope["headers"])[b"authorization"].removeprefix(b"Bearer ")
    (row,) = await _fetch(_VIEWER, "gatehouse.scope", "platform", SEEN_EVERY, [sha256(token).digest()])
    tenant_id = row["t.id"]
    counted = await _fetch(_SEATS, "gatehouse.tenant_id", str(tenant_id), [tenant_id])
    used = {seats["role"]: seats["used"] for seats in counted}
    seats = [
        {"role": role, "used": used.get(role, 0), "max": row[f"t.max_{role.lower()}s"]}
        for role in ("ADMIN", "MANAGER", "CASHIER")
    ]
    tenant = {"businessName": row["t.business_name"], "seats": seats}
    await _answer(send, {"data": {"viewer": {"email": row["u.email"], "tenant": tenant}}})


_VIEWER, _SEATS = (
    scopes.scoped(query, arguments) for query, arguments in ((viewers._BY_TOKEN, 2), (seats._SEATS, 1))
)


async def bare_keys(scope: Scope, receive: Receive, send: Send) -> None:
    """A page of keys for a signed-in operator: the two look-ups that Gatehouse makes."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    orjson.loads(await _read(receive))
    token = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ").decode()
    viewer = await viewers.find_viewer(token, Client())
    if viewer is None:
        await _answer(send, {"errors": [{"message": "Please sign in first."}]})
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
    await _answer(send, {"data": {"betaKeys": {"edges": edges, "pageInfo": info}}})


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
        await _live(receive, send)
        return
    keys = orjson.loads(await _read(receive))["variables"].values()
    found = await asyncio.gather(*map(find_key, keys))
    answers = {f"a{number}": _validation(rejection(key) is None) for number, key in enumerate(found)}
    await _answer(send, {"data": answers})


async def bare_refusal(scope: Scope, receive: Receive, send: Send) -> None:
    """A registration that is refused for what is written in its fields."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    form = orjson.loads(await _read(receive))["variables"].get("input")
    if form is None:
        await _answer(send, {"errors": [{"message": "There is no form."}]})
        return
    try:
        await register(
            RegistrationRequest(**{_snake_case(name): value for name, value in form.items()}), Client()
        )
    except InvalidInput as error:
        fields = [
            {
                "field": problem.name,
                "code": problem.code,
                "message": message(problem.code, "en", **problem.limits),
            }
            for problem in error.problems
        ]
        told = {"code": error.code, "message": message(error.code, "en"), "fields": fields}
        await _answer(send, {"data": {"register": {"__typename": "InvalidInput", **told}}})


@cache
def _snake_case(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


async def collector(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes traces, and looks at none of them."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await _read(receive)
    await _answer(send, {})


async def _fetch(statement: str, *values: object) -> list[Any]:
    return await get_engine().fetch(statement, *values)


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    await get_engine().start_connection_pool()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await get_engine().close_connection_pool()
    await send({"type": "lifespan.shutdown.complete"})


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


async def _answer(send: Send, content: dict[str, object]) -> None:
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
"""Strawberry's own view over Piccolo's own query, each as its manual shows it."""
