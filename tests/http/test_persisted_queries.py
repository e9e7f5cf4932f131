"""Automatic persisted queries: a client sends the hash of a query in its place."""

from hashlib import sha256
from typing import Any

import pytest

from api.execution.cached_documents import HASH_BYTES
from api.execution.documents import DocumentCache
from tests.http.served import GRAPHQL_RESPONSE, PLAIN, SCHEMA, WORLD, Served, assert_refused

pytestmark = pytest.mark.anyio

HELLO = "query Hello { hello }"

NOT_FOUND = {
    "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
}


def digest(query: str) -> str:
    return sha256(query.encode()).hexdigest()


def extensions(query: str, **changes: Any) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(query), **changes}}


async def post(served: Served, accept: str = PLAIN, **parameters: Any) -> Any:
    response = await served.client.post("/graphql", json=parameters, headers={"accept": accept})
    assert response.status_code == 200
    return response.json()


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
async def test_a_hash_is_not_found_until_it_is_sent_with_its_query(served: Served, accept: str) -> None:
    hash_only = {"extensions": extensions(HELLO)}

    assert await post(served, accept, **hash_only) == NOT_FOUND
    assert await post(served, accept, query=HELLO, **hash_only) == WORLD
    assert await post(served, accept, **hash_only) == WORLD
    assert await post(served, accept, query=None, **hash_only) == WORLD
    assert await post(served, accept, query="", **hash_only) == WORLD


async def test_a_hash_works_with_variables_and_in_a_get(served: Served) -> None:
    query = "query($n: String!) { hello(name: $n) }"
    await post(served, query=query, variables={"n": "x"}, extensions=extensions(query))

    found = await served.get(
        extensions=f'{{"persistedQuery": {{"version": 1, "sha256Hash": "{digest(query).upper()}"}}}}',
        variables='{"n": "Ana"}',
    )

    assert found.json() == {"data": {"hello": "Hello, Ana!"}}
    assert (await post(served, variables={"n": 7}, extensions=extensions(query))).keys() == {"errors"}


async def test_a_browser_that_sends_a_hash_gets_its_answer() -> None:
    served = Served(graphiql=True)
    await post(served, query=HELLO, extensions=extensions(HELLO))

    response = await served.get(
        "text/html",
        extensions=f'{{"persistedQuery": {{"version": 1, "sha256Hash": "{digest(HELLO)}"}}}}',
    )

    assert_refused(response, 406, "Accept")


async def test_a_mutation_by_its_hash_needs_post(served: Served) -> None:
    query = 'mutation { say(word: "x") }'
    await post(served, query=query, extensions=extensions(query))

    response = await served.get(
        extensions=f'{{"persistedQuery": {{"version": 1, "sha256Hash": "{digest(query)}"}}}}'
    )

    assert_refused(response, 405, "POST")


async def test_a_query_under_the_hash_of_another_one_is_refused_and_not_stored(served: Served) -> None:
    body = {"query": "{ path }", "extensions": extensions(HELLO)}

    assert_refused(await served.client.post("/graphql", json=body), 400, "is not the SHA-256")
    assert await post(served, extensions=extensions(HELLO)) == NOT_FOUND


async def test_an_invalid_query_is_not_stored(served: Served) -> None:
    query = "{ unknown }"

    assert (
        "unknown" in (await post(served, query=query, extensions=extensions(query)))["errors"][0]["message"]
    )
    assert await post(served, extensions=extensions(query)) == NOT_FOUND


@pytest.mark.parametrize("value", ["", "abc", "g" * 64, "0" * 65, None, 7, "0" * 60_000])
async def test_a_hash_of_another_form_gets_400(served: Served, value: Any) -> None:
    body = {"query": HELLO, "extensions": extensions(HELLO, sha256Hash=value)}

    assert_refused(await served.client.post("/graphql", json=body), 400, "64 hexadecimal digits")


@pytest.mark.parametrize("version", [2, 0, "1", None])
async def test_a_hash_of_another_version_is_not_supported(served: Served, version: Any) -> None:
    """Apollo Server answers 400 without a code; with this code, Apollo's clients and urql send the query."""
    persisted = {"version": version, "sha256Hash": "x"}
    error = {
        "message": "PersistedQueryNotSupported",
        "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
    }
    body: dict[str, Any] = {"extensions": {"persistedQuery": persisted}}

    assert await post(served, PLAIN, **body) == {"errors": [error]}
    assert await post(served, PLAIN, query="", **body) == {"errors": [error]}
    assert await post(served, PLAIN, query=HELLO, **body) == WORLD


@pytest.mark.parametrize("persisted", [7, [], {}])
async def test_other_kinds_of_persisted_queries_need_the_query(served: Served, persisted: Any) -> None:
    body: dict[str, Any] = {"extensions": {"persistedQuery": persisted}}

    assert (await post(served, PLAIN, query=HELLO, **body)) == WORLD
    assert_refused(await served.client.post("/graphql", json=body), 400, "query is required")


def fill(cache: DocumentCache, start: int, stop: int, *, times: int = 1) -> None:
    for number in range(start, stop):
        text = f"query Q{number} {{ hello }}"
        for _ in range(times):
            cache.get(text, digest(text))


def test_hashes_that_are_sent_once_evict_none_in_use() -> None:
    cache = DocumentCache(SCHEMA, max_entries=20)
    cache.get(HELLO, digest(HELLO))
    cache.get_by_hash(digest(HELLO))

    fill(cache, 0, 200)

    assert cache.get_by_hash(digest(HELLO)) is not None
    assert cache.get_by_hash(digest("query Q0 { hello }")) is None


def test_a_hash_leaves_the_cache_with_its_document() -> None:
    cache = DocumentCache(SCHEMA, max_entries=20)

    fill(cache, 0, 200, times=3)

    assert len(cache._texts) == len(cache) == 20


def test_hashes_count_towards_the_bytes_of_the_cache() -> None:
    cache = DocumentCache(SCHEMA, plans=False, max_bytes=500_000)
    text = "query Q0 { hello }"
    cache.get(text)
    before = cache._probation.size

    cache.get_by_hash(digest(text))
    assert cache._probation.size == before
    cache.get(text, digest(text))

    assert cache._protected.size == before + HASH_BYTES
    fill(cache, 1, 300, times=2)
    assert cache._probation.size + cache._protected.size <= 500_000
