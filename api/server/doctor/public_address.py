"""The checks of PUBLIC_URL: that it leads to this server, and which client address arrives there."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from httptools import HttpParserError, HttpResponseParser

from api.http.client import is_trusted, parse_address, parse_hop
from api.server.doctor.check import Outcome
from api.settings import get_settings

FORGED = "192.0.2.222"
"""The address that the request claims to come from. It is for documentation (RFC 5737): no client has it."""

MAX_RESPONSE = 20_000
"""Bytes."""


@dataclass(frozen=True)
class Answer:
    """The response of `/client-address`, and the addresses of this machine and of the other end."""

    status: int
    body: dict[str, Any]
    here: str
    there: str

    @property
    def is_gatehouse(self) -> bool:
        return self.status == 200 and "address" in self.body


async def check_public_url() -> Outcome:
    url = get_settings().public_url
    if url is None:
        return Outcome(
            "warning", "PUBLIC_URL is not set; set it to the address of this server for its clients"
        )
    answer = await _ask(url)
    if isinstance(answer, Outcome):
        return answer
    if url.startswith("http://") and parse_address(answer.there) is not None and _is_public(answer.there):
        return Outcome("warning", f"{url} sends passwords without TLS; use https")
    return Outcome("ok", f"{url} leads to Gatehouse")


async def check_trusted_proxies() -> Outcome:
    settings = get_settings()
    if settings.public_url is None:
        status = "TRUSTED_PROXIES is not set; " if settings.trusted_proxies is None else ""
        return Outcome("warning", f"{status}not checked, because PUBLIC_URL is not set")
    answer = await _ask(settings.public_url)
    if isinstance(answer, Outcome):
        return answer
    if "forwardedFor" in answer.body:
        return _judge_way(answer)
    return _judge_address(answer)


async def _ask(url: str) -> Answer | Outcome:
    """The answer of Gatehouse, or the failure."""
    try:
        answer = await _request(url)
    except (OSError, ValueError, HttpParserError) as error:
        reason = f"{type(error).__name__}: {error}"
        return Outcome("failure", f"{url} cannot be reached ({reason}); check PUBLIC_URL, DNS and the proxy")
    if not answer.is_gatehouse:
        return Outcome(
            "failure",
            f"{url}/client-address answers {answer.status} and not with an address; check that PUBLIC_URL"
            " leads to this version of Gatehouse, without a redirect",
        )
    return answer


async def _request(url: str) -> Answer:
    """Not by the standard library, whose HTTP client can be neither cancelled nor bounded in time."""
    address = urlsplit(url)
    is_tls = address.scheme == "https"
    token = get_settings().metrics_token
    # The token must not pass a network that can be read.
    authorization = (
        f"Authorization: Bearer {token.get_secret_value()}\r\n" if token and _may_send(url) else ""
    )
    reader, writer = await asyncio.open_connection(
        address.hostname,
        address.port or (443 if is_tls else 80),
        ssl=ssl.create_default_context() if is_tls else None,
    )
    try:
        writer.write(
            f"GET /client-address HTTP/1.1\r\nHost: {address.netloc}\r\nX-Forwarded-For: {FORGED}\r\n"
            f"{authorization}User-Agent: gatehouse-doctor\r\nConnection: close\r\n\r\n".encode()
        )
        response = _Response()
        parser = HttpResponseParser(response)
        while not response.complete and (part := await reader.read(65_536)):
            parser.feed_data(part)
            if len(response.body) > MAX_RESPONSE:
                break
        here, there = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
        return Answer(parser.get_status_code(), response.json(), here, there)
    finally:
        # `close` would wait for the other end of TLS.
        writer.transport.abort()


def _may_send(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    parsed = parse_address(host)
    return url.startswith("https://") or host == "localhost" or (parsed is not None and parsed.is_loopback)


class _Response:
    """Collects the body of a response."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True

    def json(self) -> dict[str, Any]:
        try:
            parsed = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


def _judge_way(answer: Answer) -> Outcome:
    """With METRICS_TOKEN the server tells the whole way: the client, then each proxy."""
    hops = [parse_hop(hop) or hop for hop in answer.body["forwardedFor"]]
    # A proxy either appends to the header or replaces it.
    appended = hops[hops.index(FORGED) + 1 :] if FORGED in hops else hops
    client, *proxies = [*appended, _normal(answer.body["peer"])]
    seen = _normal(answer.body["address"])
    if unknown := [proxy for proxy in proxies if not is_trusted(proxy)]:
        return Outcome(
            "failure",
            f"all clients count as {seen}, the address of a proxy; add to TRUSTED_PROXIES the networks of:"
            f" {', '.join(dict.fromkeys(reversed(unknown)))}",
        )
    if seen == FORGED:
        return _judge_forged(client, answer)
    if seen != client:
        return Outcome(
            "failure", f"{client} counts as {seen}; restart the server, whose TRUSTED_PROXIES are others"
        )
    way = {0: "without a proxy", 1: "through a proxy"}.get(len(proxies), f"through {len(proxies)} proxies")
    return Outcome("ok", f"this machine counts as {client}, {way}")


def _judge_forged(client: str, answer: Answer) -> Outcome:
    """The server believes an address that the client wrote."""
    if client == _normal(answer.here):
        return Outcome(
            "warning",
            f"{client}, this machine, is in TRUSTED_PROXIES, so it may write any address; run gatehouse"
            " doctor on another machine to check the address of clients",
        )
    return Outcome(
        "failure",
        f"a client can choose its address: {client} is in TRUSTED_PROXIES, and the proxy does not append the"
        " address of its client to X-Forwarded-For, or clients themselves have such addresses",
    )


def _judge_address(answer: Answer) -> Outcome:
    """Without METRICS_TOKEN only the address is known."""
    seen, here = _normal(answer.body["address"]), _normal(answer.here)
    if seen == FORGED:
        return _judge_forged(here if is_trusted(here) else "the proxy", answer)
    if seen != here and not _is_public(seen) and _is_public(answer.there):
        return Outcome(
            "failure", f"all clients count as {seen}, the address of a proxy; add it to TRUSTED_PROXIES"
        )
    if get_settings().trusted_proxies is None:
        return Outcome(
            "warning",
            f"TRUSTED_PROXIES is not set, and this machine counts as {seen}; if that is a proxy, set it to"
            " the network of the proxy, and to none if there is no proxy",
        )
    return Outcome(
        "ok", f"this machine counts as {seen}; with METRICS_TOKEN and https, every proxy would be checked"
    )


def _is_public(address: str) -> bool:
    parsed = parse_address(address)
    return parsed is not None and parsed.is_global


def _normal(address: str | None) -> str:
    return str(parse_address(address or "") or address)
