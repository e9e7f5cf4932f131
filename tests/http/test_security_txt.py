"""/.well-known/security.txt (RFC 9116)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support import Api, make_app

pytestmark = pytest.mark.anyio

PATH = "/.well-known/security.txt"


async def get(settings: Callable[..., None], **values: str) -> httpx.Response:
    settings(**values)
    transport = httpx.ASGITransport(make_app("plans"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        return await client.get(PATH)


async def test_it_names_the_contacts_and_ends_within_a_year(settings: Callable[..., None]) -> None:
    contacts = "security@example.com, https://example.com/report"

    response = await get(settings, SECURITY_CONTACT=contacts, PUBLIC_URL="https://beta.example.com")

    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    first, second, expires, languages, canonical, *rest = response.text.split("\n")
    assert (first, second) == ("Contact: mailto:security@example.com", "Contact: https://example.com/report")
    ends = datetime.strptime(expires, "Expires: %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(days=90) < ends - datetime.now(UTC) < timedelta(days=365)
    assert languages == "Preferred-Languages: en, es"
    assert canonical == f"Canonical: https://beta.example.com{PATH}"
    assert rest == [""]


async def test_only_a_public_address_over_tls_is_canonical(settings: Callable[..., None]) -> None:
    response = await get(
        settings, SECURITY_CONTACT="security@example.com", PUBLIC_URL="http://beta.example.com"
    )

    assert "Canonical" not in response.text


async def test_without_a_contact_there_is_none(api: Api) -> None:
    assert (await api.http.get(PATH)).status_code == 404
