"""How large a document may be; over a limit the answer names it."""

from typing import Any

import pytest
import strawberry
from graphql import get_introspection_query

from api.execution.document_limits import DocumentLimits
from api.execution.documents import DocumentCache
from tests.support import Api

pytestmark = pytest.mark.anyio


@strawberry.type
class Node:
    name: str
    node: "Node"


@strawberry.type
class Query:
    name: str
    node: Node


SCHEMA = strawberry.Schema(Query)


def refusals(text: str, **limits: int) -> list[str]:
    """The messages of what keeps a document from being run."""
    prepared = DocumentCache(SCHEMA, DocumentLimits(**limits)).get(text)
    return [error.message for error in prepared] if isinstance(prepared, list) else []


def nested(levels: int) -> str:
    return "{ " + "node { " * (levels - 1) + "name" + " }" * levels


PAGES = "{ tenants(first: 100) { edges { node { staff(first: 100) { edges { node { id } } } } } } }"

# Over the limits, through the door


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{ " + "__typename " * 999 + "}", "1000 tokens"),
        ("#\n" * 1001 + "{ __typename }", "1000 comments"),
        ("{ __typename }" + " " * 20_000, "20000 characters"),
        (" ".join(f"query q{number} {{ __typename }}" for number in range(11)), "10 operations"),
        ("{ __schema { description } b: __schema { description } }", "only 1 field __schema or __type"),
        (PAGES, "15000 points"),
        ("{ a { b { c { d { e { f { g { h { i { j { k } } } } } } } } } } }", "10 levels"),
        ("{ " + " ".join(f"a{number}: __typename" for number in range(16)) + " }", "15 aliases"),
    ],
)
@pytest.mark.parametrize(
    ("accept", "status"), [("application/graphql-response+json", 400), ("application/json", 200)]
)
async def test_over_a_limit_the_answer_names_it(
    api: Api, document: str, says: str, accept: str, status: int
) -> None:
    response = await api.http.post("/graphql", json={"query": document}, headers={"accept": accept})

    assert response.status_code == status
    assert response.json().keys() == {"errors"}
    (error,) = response.json()["errors"]
    assert says in error["message"]
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert str(error["extensions"]["max"]) in says


@pytest.mark.parametrize(
    "document",
    [
        "{ " + "viewer { id } " * 40 + "}",
        "{ " + " ".join(f"a{number}: __typename" for number in range(15)) + " }",
        '{ viewer { tenant { id businessName } } a: validateBetaKey(key: "x") { reason } }',
    ],
)
async def test_up_to_the_limits_documents_are_answered(api: Api, document: str) -> None:
    await api.data(document)


async def test_introspection_is_answered_as_graphiql_asks_for_it(api: Api) -> None:
    """Its document has 15 levels."""
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    )

    data = await api.data(query)

    assert len(data["__schema"]["types"]) > 20


async def test_introspection_is_no_way_around_the_limits(api: Api) -> None:
    """Lists of fields within lists of fields multiply the answer; graphql-core refuses the third one."""
    lists = "fields { type { " * 4 + "name" + " } }" * 4

    answer = await api.post(f"{{ __schema {{ types {{ {lists} }} }} }}")

    assert "introspection depth" in answer["errors"][0]["message"]
    aliases = " ".join(f"a{number}: name" for number in range(16))
    assert (
        "15 aliases"
        in (await api.post(f"{{ __schema {{ queryType {{ {aliases} }} }} }}"))["errors"][0]["message"]
    )


async def test_a_field_that_is_repeated_without_end_is_refused_before_it_costs_much(api: Api) -> None:
    """Validation compares each with each: 200 of them fit into 1,000 tokens."""
    answer = await api.post("{ " + "viewer { id } " * 199 + "}")

    assert "too often to be checked" in answer["errors"][0]["message"]


def test_a_document_of_exactly_as_many_tokens_as_allowed_is_taken() -> None:
    document = " ".join(f"query q{number} {{ name }}" for number in range(200))

    assert refusals(document, operations=200) == []
    assert "1000 tokens" in refusals(f"{document} query more {{ name }}")[0]


# Levels


def test_levels_are_those_of_nested_fields() -> None:
    assert refusals(nested(5), levels=5) == []
    assert refusals(nested(6), levels=5) == ["The document has more than 5 levels of fields."]


@pytest.mark.parametrize(
    "document",
    [
        "{ node { ...A } } fragment A on Node { node { ...B } } fragment B on Node { node { name } }",
        "{ node { ... { node { ... on Node { node { name } } } } } }",
        "{ ...A } fragment A on Query { node { ... on Node { ...B } } }"
        " fragment B on Node { node { node { name } } }",
        "query a { name } query b { node { node { node { name } } } }",
        "{ ...A name ...B } fragment A on Query { node { name } }"
        " fragment B on Query { node { node { node { name } } } }",
    ],
)
def test_levels_are_counted_through_fragments_and_in_each_operation(document: str) -> None:
    assert refusals(document, levels=4) == []
    assert refusals(document, levels=3) == ["The document has more than 3 levels of fields."]


def test_what_stands_beside_an_introspection_is_counted() -> None:
    beside = f"{{ __schema {{ queryType {{ name }} }} {nested(6)[1:]}"

    assert refusals(beside, levels=6) == []
    assert refusals(beside, levels=5) == ["The document has more than 5 levels of fields."]


# Aliases


@pytest.mark.parametrize(
    "document",
    [
        "{ a: name b: name c: name d: node { name } }",
        "{ a: name node { b: name node { c: name d: name } } }",
        "query a { a: name b: name } query b { a: name b: name }",
        "{ node { ...A node { ...A } } } fragment A on Node { a: name b: name }",
        "{ ...A ... { ...A } } fragment A on Query { ...B } fragment B on Query { a: name ... { b: name } }",
    ],
)
def test_aliases_are_counted_wherever_they_come_to_stand(document: str) -> None:
    assert refusals(document, aliases=4) == []
    assert refusals(document, aliases=3) == ["The document has more than 3 aliases."]


def test_fragments_that_double_again_and_again_cost_no_more_than_their_text() -> None:
    """Written out, this document would have 2^60 aliases."""
    fragments = [f"fragment f{n} on Query {{ ...f{n + 1} ... {{ ...f{n + 1} }} }}" for n in range(60)]
    document = f"{{ ...f0 }} {' '.join(fragments)} fragment f60 on Query {{ a: name }}"

    assert refusals(document) == ["The document has more than 15 aliases."]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{ ...A } fragment A on Query { a: name ...A }", "Cannot spread fragment 'A' within itself"),
        (
            "{ ...A } fragment A on Query { ...B } fragment B on Query { node { ...A } }",
            "Cannot spread fragment 'A' within itself",
        ),
        ("{ ...Nowhere }", "Unknown fragment 'Nowhere'"),
    ],
)
def test_a_fragment_that_leads_nowhere_is_left_to_validation(document: str, says: str) -> None:
    assert any(says in message for message in refusals(document))


def test_a_long_chain_of_fragments_is_measured() -> None:
    """60 fragments, each of which spreads the next one, make no level by themselves."""
    chain = " ".join(f"fragment f{number} on Query {{ ...f{number + 1} }}" for number in range(60))

    assert refusals(f"{{ ...f0 }} {chain} fragment f60 on Query {{ name }}") == []
    assert refusals(f"{{ ...f0 }} {chain} fragment f60 on Query {nested(11)}") == [
        "The document has more than 10 levels of fields."
    ]


@pytest.mark.parametrize("batch", [[], [{"query": "{ __typename }"}] * 2])
async def test_there_is_no_batching(api: Api, batch: list[Any]) -> None:
    response = await api.http.post("/graphql", json=batch)

    assert response.status_code == 400
    assert "no batching" in response.json()["errors"][0]["message"]
