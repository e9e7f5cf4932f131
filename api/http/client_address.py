"""GET /client-address: the address that the server takes its client for, so that proxies can be checked."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.http.client import client_of, forwarded_for, has_metrics_token


async def client_address(request: Request) -> Response:
    """To strangers their own address only; with METRICS_TOKEN also how it was found."""
    answer: dict[str, object] = {"address": client_of(request.scope).ip_address}
    if has_metrics_token(request.scope):
        peer = request.scope.get("client")
        answer["peer"] = peer[0] if peer else None
        answer["forwardedFor"] = [hop.strip() for hop in forwarded_for(request.scope) if hop.strip()]
    headers = {"cache-control": "no-store"}
    return Response(orjson.dumps(answer), headers=headers, media_type="application/json")
