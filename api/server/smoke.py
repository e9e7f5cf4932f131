"""`gatehouse smoke URL`: the runbook's checks of a running server, over HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from api.command_error import CommandError
from api.key_shape import UNISSUED_KEY

TIMEOUT = 10
"""Seconds for each response."""


def run_smoke(url: str) -> list[str]:
    """The failed checks of the server at `url`, one line each.

    Raises `CommandError` if `url` is not an HTTP URL.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"{url!r} is not an HTTP URL; write it like https://beta.example.com")
    base = url.rstrip("/")
    document = f'{{"query": "{{ validateBetaKey(key: \\"{UNISSUED_KEY}\\") {{ valid reason }} }}"}}'.encode()
    checks: dict[str, Callable[[], bool]] = {
        "/healthz does not answer ok": lambda: _get(f"{base}/healthz") == "ok",
        "/readyz does not answer ready": lambda: _get(f"{base}/readyz") == {"status": "ready"},
        f"/api/beta-keys/validate/{UNISSUED_KEY} does not answer valid: false": lambda: (
            _get(f"{base}/api/beta-keys/validate/{UNISSUED_KEY}")["valid"] is False
        ),
        f"/graphql does not answer that {UNISSUED_KEY} is NOT_FOUND": lambda: (
            _get(f"{base}/graphql", document)
            == {"data": {"validateBetaKey": {"valid": False, "reason": "NOT_FOUND"}}}
        ),
    }
    return [failure for name, check in checks.items() if (failure := _run_check(name, check))]


def _run_check(name: str, check: Callable[[], bool]) -> str | None:
    try:
        return None if check() else name
    except urllib.error.HTTPError as error:
        return f"{name}: {error.code} {error.read(500).decode(errors='replace')}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{name}: {error}"


def _get(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        text = response.read().decode()
    return text if response.headers.get_content_type() == "text/plain" else json.loads(text)
