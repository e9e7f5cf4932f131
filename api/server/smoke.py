"""`gatehouse smoke URL`: the runbook's checks of a running server, over HTTP."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from api.command_error import CommandError
from api.key_shape import UNISSUED_KEY

TIMEOUT = 10
"""Seconds for each response."""


@dataclass(frozen=True)
class SmokeCheck:
    path: str
    failure: str | None
    """One line; None if the check passed."""

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "ok": self.failure is None, "failure": self.failure}


def run_smoke(url: str) -> list[SmokeCheck]:
    """The checks of the server at `url`.

    Raises `CommandError` if `url` is not an HTTP URL.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"{url!r} is not an HTTP URL; write it like https://beta.example.com")
    base = url.rstrip("/")
    document = f'{{"query": "{{ validateBetaKey(key: \\"{UNISSUED_KEY}\\") {{ valid reason }} }}"}}'.encode()
    validate = f"/api/beta-keys/validate/{UNISSUED_KEY}"
    not_found = {"data": {"validateBetaKey": {"valid": False, "reason": "NOT_FOUND"}}}
    checks: list[tuple[str, str, Callable[[], bool]]] = [
        ("/healthz", "ok", lambda: _get(f"{base}/healthz") == "ok"),
        ("/readyz", "ready", lambda: _get(f"{base}/readyz") == {"status": "ready"}),
        (validate, "valid: false", lambda: _get(f"{base}{validate}")["valid"] is False),
        (
            "/graphql",
            f"that {UNISSUED_KEY} is NOT_FOUND",
            lambda: _get(f"{base}/graphql", document) == not_found,
        ),
    ]
    return [
        SmokeCheck(path, _run_check(f"{path} does not answer {answer}", check))
        for path, answer, check in checks
    ]


def _run_check(name: str, check: Callable[[], bool]) -> str | None:
    try:
        return None if check() else name
    except urllib.error.HTTPError as error:
        return " ".join(f"{name}: {error.code} {error.read(500).decode(errors='replace')}".split())
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        return " ".join(f"{name}: {error}".split())


def _get(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        text = response.read().decode()
    return text if response.headers.get_content_type() == "text/plain" else json.loads(text)
