"""The checks of graphql-cop, a scanner of GraphQL servers, on a server with the settings of a deployment.

It is no package that could be installed, so these tests send requests of the same kinds.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.support import Api, make_app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def deployed(settings: Callable[..., None], pool: None) -> AsyncIterator[Api]:
    """The application with the defaults of a server that has DATABASE_URL."""
    settings(INTROSPECTION="", GRAPHIQL="")
    transport = httpx.ASGITransport(make_app("plans"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as client:
        yield Api(client)


def codes(answer: dict[str, Any]) -> list[str | None]:
    """The codes of the errors of an answer without data."""
    assert answer.keys() == {"errors"}
    return [error.get("extensions", {}).get("code") for error in answer["errors"]]


async def test_alias_overloading_is_refused(deployed: Api) -> None:
    aliases = " ".join(f"alias{number}: __typename" for number in range(101))

    answer = await deployed.post(f"query cop {{ {aliases} }}")

    assert answer["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": "aliases", "max": 15}
    assert codes(answer) == ["LIMIT_EXCEEDED"]


async def test_batches_are_refused(deployed: Api) -> None:
    response = await deployed.http.post("/graphql", json=[{"query": "query cop { __typename }"}] * 10)

    assert response.status_code == 400
    assert len(response.json()["errors"]) == 1


@pytest.mark.parametrize("directive", ["@aa", "@include(if: true)"])
async def test_directive_overloading_is_refused(deployed: Api, directive: str) -> None:
    """graphql-cop takes an error for each of ten directives as a sign that each of them is examined."""
    places = [
        "query cop { __typename %s }",
        "query cop %s { __typename }",
        "query cop($key: String! %s) { validateBetaKey(key: $key) { valid } }",
        "query cop { ... %s { __typename } }",
        "query cop { ...cop %s } fragment cop on Query { __typename }",
        "query cop { ...cop } fragment cop on Query { __typename %s }",
        "query cop { ...cop } fragment cop on Query %s { __typename }",
    ]

    for place in places:
        answer = await deployed.post(place % (directive * 10))
        assert answer["errors"][0]["extensions"] == {
            "code": "LIMIT_EXCEEDED",
            "limit": "directives",
            "max": 5,
        }
        assert codes(answer) == ["LIMIT_EXCEEDED"]


async def test_circular_introspection_is_refused(deployed: Api, api: Api) -> None:
    """Also where introspection is on."""
    document = "{ type { fields { type { fields { type { fields { type { name } } } } } } } }"

    for server in (deployed, api):
        answer = await server.post(f"query cop {{ __schema {{ types {{ fields {document} }} }} }}")
        assert [error["message"] for error in answer["errors"]] == ["Maximum introspection depth exceeded"]
        assert "data" not in answer


async def test_introspection_is_refused(deployed: Api) -> None:
    answer = await deployed.post("query cop { __schema { types { name fields { name } } } }")

    assert codes(answer) == ["INTROSPECTION_DISABLED"]


async def test_fields_are_not_suggested(deployed: Api) -> None:
    answer = await deployed.post("query cop { __schema { directive } }")
    others = await deployed.post("query cop { viewe { id } }")

    assert "Did you mean" not in str(answer)
    assert "Did you mean" not in str(others)


async def test_repeated_fields_are_refused(deployed: Api) -> None:
    """A check that graphql-cop has switched off: https://github.com/dolevf/graphql-cop/issues/43."""
    for field, number in (("__typename", 500), ("viewer { id }", 200)):
        answer = await deployed.post(f"query cop {{ {f'{field} ' * number} }}")
        assert codes(answer) == ["LIMIT_EXCEEDED"]


@pytest.mark.parametrize("document", ["mutation cop { __typename }", "mutation cop { logout { message } }"])
async def test_mutations_over_get_are_refused(deployed: Api, document: str) -> None:
    response = await deployed.http.get("/graphql", params={"query": document})

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert "data" not in response.json()


async def test_queries_over_get_are_answered_to_their_sender_alone(deployed: Api) -> None:
    """GraphQL over HTTP allows them. No cookie signs in, so a foreign page gets what strangers get."""
    response = await deployed.http.get(
        "/graphql",
        params={"query": "query cop { __typename viewer { id } }"},
        headers={"cookie": "session=1", "origin": "https://evil.example"},
    )

    assert response.json()["data"] == {"__typename": "Query", "viewer": None}
    assert "access-control-allow-origin" not in response.headers
    assert "set-cookie" not in response.headers


async def test_forms_are_refused(deployed: Api) -> None:
    """A foreign page can post one without a CORS preflight request."""
    response = await deployed.http.post("/graphql", data={"query": "query cop { __typename }"})

    assert response.status_code == 415
    assert "data" not in response.json()


async def test_answers_have_no_traces(deployed: Api) -> None:
    for document in ("query cop { __typename }", "query cop { abc }", "query cop { viewer { id } }"):
        answer = await deployed.post(document)
        assert "extensions" not in answer
        assert "tracing" not in str(answer).lower()


async def test_graphiql_is_not_served(deployed: Api) -> None:
    response = await deployed.http.get("/graphql", headers={"accept": "text/html"})

    assert "html" not in response.headers["content-type"]
    assert "graphiql" not in response.text.lower()
    assert "playground" not in response.text.lower()


async def test_errors_have_no_exceptions(deployed: Api) -> None:
    answer = await deployed.post("qwerty cop { abc }")

    assert len(answer["errors"]) == 1
    assert "exception" not in str(answer).lower()
    assert "Traceback" not in str(answer)
