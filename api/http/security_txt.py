"""GET /.well-known/security.txt: where to report a vulnerability (RFC 9116)."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.messages import LANGUAGES
from api.settings import Settings, get_settings

VALIDITY = timedelta(days=180)
"""From each day to that of `Expires`. RFC 9116 recommends less than a year."""


def security_txt_routes() -> list[Route]:
    """None without SECURITY_CONTACT."""
    return [Route("/.well-known/security.txt", security_txt)] if get_settings().security_contact else []


async def security_txt(_request: Request) -> Response:
    return PlainTextResponse(
        _text(get_settings(), datetime.now(UTC)), headers={"cache-control": "max-age=86400"}
    )


def _text(settings: Settings, now: datetime) -> str:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [f"Contact: {contact}" for contact in settings.security_contact]
    lines.append(f"Expires: {today + VALIDITY:%Y-%m-%dT%H:%M:%SZ}")
    lines.append(f"Preferred-Languages: {', '.join(LANGUAGES)}")
    if settings.public_url is not None and settings.public_url.startswith("https:"):
        lines.append(f"Canonical: {settings.public_url}/.well-known/security.txt")
    return "".join(f"{line}\n" for line in lines)
