"""`gatehouse smoke URL`: the runbook's checks of a server that runs, over HTTP alone."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from api.command_error import CommandError
from api.key_shape import UNISSUED_KEY

SECONDS = 10
"""How long each answer may take."""


def run_smoke(url: str) -> list[str]:
    """What is wrong with the server at `url`, one line each; nothing if all is well.

    Raises `CommandError` for what is no address of a server.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"{url!r} is no address; write it like https://beta.example.com")
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
    return [told for what, check in checks.items() if (told := _failure(what, check))]


def _failure(what: str, check: Callable[[], bool]) -> str | None:
    try:
        return None if check() else what
    except urllib.error.HTTPError as error:
        return f"{what}: {error.code} {error.read(500).decode(errors='replace')}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{what}: {error}"


def _get(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked)
    with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310
        text = response.read().decode()
    return text if response.headers.get_content_type() == "text/plain" else json.loads(text)
