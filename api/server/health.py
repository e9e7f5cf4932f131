"""`gatehouse health`: whether the server and workers of this machine work. The image runs it regularly."""

import urllib.error
import urllib.request

from api.mail.heartbeat import silences
from api.settings import get_settings

TIMEOUT = 4.0
"""Seconds that the server may take to answer."""

MAX_SILENCE = 120.0
"""Seconds. A worker that works looks for mails at least once a minute, also while the database is away."""

# A proxy of the environment variable http_proxy could not reach this machine.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def find_problems() -> list[str]:
    """What is wrong, in sentences; empty if a server or a worker runs, and each that runs works."""
    settings = get_settings()
    first = settings.host.split(",")[0]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(first, first)  # noqa: S104
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz"
    workers = silences()
    problems = [
        f"a worker has not looked for mails for {silence:.0f} s"
        for silence in workers
        if silence > MAX_SILENCE
    ]
    try:
        _open(url, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        problems.append(f"{url} answers {error.code}")
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if not isinstance(reason, ConnectionRefusedError):
            problems.append(f"{url} does not answer within {TIMEOUT:g} s ({reason})")
        elif not workers:
            problems.append(f"no server answers at {url}, and no worker runs")
    return problems
