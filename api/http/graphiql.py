"""The page of GraphiQL, and the policy that lets a browser load its parts and nothing else."""

import base64
import hashlib
import re

from strawberry.http.ides import get_graphql_ide_html

from api.http.body import Headers
from api.http.response_headers import POLICY

_ELEMENT = re.compile(r"<(script|style)\b([^>]*)>(.*?)</\1>", re.DOTALL)

_ADDRESS = re.compile(r'\b(?:src|href)="(https://[^"]+)"')


def graphiql_page() -> tuple[bytes, Headers]:
    """The page of Strawberry, and its headers.

    It loads GraphiQL from unpkg.com, with the checksum of each file.
    """
    html = get_graphql_ide_html("graphiql")
    return html.encode(), ((POLICY, _policy(html).encode()),)


def _policy(html: str) -> str:
    """Scripts and style sheets of the page by their addresses, those inside it by their checksums."""
    scripts: list[str] = []
    styles: list[str] = []
    for name, attributes, content in _ELEMENT.findall(html):
        address = _ADDRESS.search(attributes)
        (scripts if name == "script" else styles).append(address.group(1) if address else _checksum(content))
    styles += [
        address.group(1)
        for link in re.findall(r"<link\b[^>]*>", html)
        if "stylesheet" in link and (address := _ADDRESS.search(link))
    ]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(scripts)}",
            f"style-src {' '.join(styles)}",
            "connect-src 'self'",
            "img-src data:",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _checksum(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
