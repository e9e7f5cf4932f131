"""The headers that protect browsers, on every response that one may show."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from api.http.response_headers import ResponseHeaders
from tests.support import Api, GatehouseProcess

pytestmark = pytest.mark.anyio

REQUESTS = [
    ("GET", "/graphql"),
    ("GET", "/graphql?query={__typename}"),
    ("GET", "/graphql?query={"),
    ("GET", "/graphql/"),
    ("POST", "/graphql"),
    ("PUT", "/graphql"),
    ("OPTIONS", "/graphql"),
    ("GET", "/graphql/schema.graphql"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/client-address"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/<script>alert(1)</script>"),
    ("GET", "/api/beta-keys/validate/BETA-TEST-12345"),
    ("GET", "/api/beta-keys"),
    ("GET", "/api/auth/login"),
    ("POST", "/api/auth/login"),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_a_browser_runs_and_frames_no_response(api: Api, method: str, path: str) -> None:
    response = await api.http.request(method, path)

    assert response.headers.get_list("content-security-policy") == [
        "default-src 'none'; frame-ancestors 'none'"
    ]
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert response.headers.get_list("referrer-policy") == ["no-referrer"]
    assert "strict-transport-security" not in response.headers
    assert len(response.headers.get_list("x-request-id")) == 1


class _Parts(HTMLParser):
    """What a page loads, and what it contains inline."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[tuple[str, str, dict[str, str | None]]] = []
        self.inline: list[tuple[str, str]] = []
        self.attributes: set[str] = set()
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes |= values.keys()
        address = values.get("src") or (values.get("href") if values.get("rel") == "stylesheet" else None)
        self._open = tag if tag in ("script", "style") and not address else ""
        if address:
            self.loaded.append((tag, address, values))

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inline.append((self._open, data))
            self._open = ""


async def test_the_policy_of_graphiql_admits_the_parts_of_its_page_alone(api: Api) -> None:
    page = await api.http.get("/graphql", headers={"accept": "text/html"})

    (policy,) = page.headers.get_list("content-security-policy")
    directives = {name: values.split() for name, _, values in (d.partition(" ") for d in policy.split("; "))}
    parts = _Parts(page.text)
    expected: dict[str, set[str]] = {"script": set(), "style": set()}
    for tag, address, attributes in parts.loaded:
        assert str(attributes["integrity"]).startswith("sha384-")
        expected["script" if tag == "script" else "style"].add(address)
    for tag, content in parts.inline:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        expected[tag].add(f"'sha256-{digest}'")
    assert len(parts.loaded) == 7
    assert len(parts.inline) == 2
    assert {directive: set(directives[f"{directive}-src"]) for directive in expected} == expected
    assert directives["default-src"] == directives["frame-ancestors"] == directives["base-uri"] == ["'none'"]
    assert directives["connect-src"] == ["'self'"]
    assert "unsafe" not in policy
    # The policy would block an inline handler or style, which has no checksum.
    assert not {name for name in parts.attributes if name == "style" or name.startswith("on")}
    assert page.headers["x-content-type-options"] == "nosniff"


PROXIES = "10.0.0.0/8"


@pytest.mark.parametrize(
    ("peer", "scheme", "forwarded", "is_over_tls"),
    [
        ("203.0.113.5", "https", None, True),
        ("203.0.113.5", "http", None, False),
        ("203.0.113.5", "http", "https", False),
        ("10.0.0.9", "http", "https", True),
        ("10.0.0.9", "http", "HTTPS, http", True),
        ("10.0.0.9", "http", "http", False),
        ("10.0.0.9", "http", "http, https", False),
        ("10.0.0.9", "http", None, False),
    ],
)
async def test_hsts_needs_tls(
    settings: Callable[..., None], peer: str, scheme: str, forwarded: str | None, is_over_tls: bool
) -> None:
    """Direct, or to a trusted proxy: other clients may write any X-Forwarded-Proto."""
    settings(TRUSTED_PROXIES=PROXIES)

    async def respond(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    transport = httpx.ASGITransport(ResponseHeaders(respond), client=(peer, 4711))
    headers = {} if forwarded is None else {"x-forwarded-proto": forwarded}
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://gatehouse.test") as client:
        response = await client.get("/", headers=headers)

    expected = ["max-age=31536000"] if is_over_tls else []
    assert response.headers.get_list("strict-transport-security") == expected


async def test_a_response_to_an_unexpected_exception_has_the_headers_too() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    transport = httpx.ASGITransport(ResponseHeaders(fail), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        response = await client.get("/")

    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "x-request-id" in response.headers


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_refusals_of_the_server_have_hsts_behind_a_proxy_with_tls(
    gatehouse: GatehouseProcess, scheme: str
) -> None:
    gatehouse.environment["TRUSTED_PROXIES"] = "127.0.0.1"
    gatehouse.start()
    forwarded = {"x-forwarded-proto": scheme}
    async with httpx.AsyncClient(base_url=gatehouse.url, headers=forwarded) as client:
        refused = [
            await client.get("/healthz", headers={"host": "<script>"}),
            await client.get("/healthz", headers={"x-long": "x" * 70_000}),
        ]

    assert [response.status_code for response in refused] == [400, 431]
    for response in refused:
        assert ("strict-transport-security" in response.headers) == (scheme == "https")


async def test_a_server_sends_them_with_what_it_refuses_by_itself(serving: GatehouseProcess) -> None:
    async with httpx.AsyncClient(base_url=serving.url) as client:
        served = await client.get("/healthz")
        refused = await client.get("/healthz", headers={"host": "<script>"})

    assert (served.status_code, refused.status_code) == (200, 400)
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert re.fullmatch(".+", served.headers[name])
        assert served.headers[name] == refused.headers[name]
