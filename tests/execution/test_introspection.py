"""Introspection is answered as graphql-core answers it, in limited time."""

from random import Random
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, execute_sync, get_introspection_query

from api.execution import introspection
from api.execution.cached_documents import Document
from api.execution.document_limits import LimitExceeded
from api.execution.documents import DocumentCache
from api.schema.schema import schema
from benchmarks.hostile_documents import introspection as make_introspection


@strawberry.input(one_of=True)
class Choice:
    number: int | None = strawberry.field(default=strawberry.UNSET, deprecation_reason="Use text.")
    text: str | None = strawberry.UNSET


@strawberry.interface(description="Has a name.")
class Named:
    name: str


@strawberry.type
class Person(Named):
    age: int | None = strawberry.field(default=None, deprecation_reason="Private.")


@strawberry.type
class Query:
    @strawberry.field
    def person(self, choice: Choice | None = None, limit: int = 3, tags: list[str] = ["a"]) -> Person | None:  # noqa: B006
        return Person(name="Ana")

    @strawberry.field
    def query(self) -> "Query":
        return self


SMALL = strawberry.Schema(Query, types=[Person])


def answers(of: strawberry.Schema, text: str, variables: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """The data that a plan and graphql-core give."""
    document = DocumentCache(of).get(text)
    assert isinstance(document, Document), document
    plan = document.plans[None]
    assert plan is not None
    ours = plan.run(None, variables, root_value=Query())
    theirs = execute_sync(of._schema, document.ast, Query(), variable_values=variables)
    assert isinstance(ours, ExecutionResult)
    assert (ours.errors, theirs.errors) == (None, None)
    return ours.data, theirs.data


@pytest.mark.parametrize("of", [schema, SMALL], ids=["gatehouse", "small"])
def test_clients_and_tools_read_the_whole_schema(of: strawberry.Schema) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"descriptions": False},
        {"specified_by_url": True, "schema_description": True, "directive_is_repeatable": True},
        {"input_value_deprecation": True, "one_of": True},
    ]
    for option in options:
        ours, theirs = answers(of, get_introspection_query(**option))

        assert ours == theirs
        assert [*ours["__schema"]] == [*theirs["__schema"]]


FIELDS = "fields(includeDeprecated: $all) { name isDeprecated deprecationReason args { name defaultValue } }"


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } person { name } }",
        '{ a: __type(name: "Query") { __typename b: name name } __typename }',
        '{ __type(name: "Nobody") { name } }',
        "query($n: String!) { __type(name: $n) { kind name possibleTypes { name } interfaces { name } } }",
        f'query($all: Boolean!) {{ __type(name: "Person") {{ {FIELDS} }} }}',
        '{ __type(name: "Choice") { isOneOf inputFields { name } all: inputFields(includeDeprecated: true) '
        "{ name isDeprecated type { ...T } } } } fragment T on __Type { kind name ofType { kind name } }",
        "query($no: Boolean = false) { __schema { types @include(if: $no) { name } directives { name } } }",
        "{ ...A ...B } fragment A on Query { __schema { description types { name } } } "
        "fragment B on Query { query { person { name } } }",
        "{ query { query { __schema { mutationType { name } subscriptionType { name } } } } }",
        "{ __schema { types { ...F ... on __Type { fields { name } } } } } "
        "fragment F on __Type { name fields { type { name } } enumValues { name } }",
    ],
)  # fmt: skip
def test_parts_of_the_schema_are_read(text: str) -> None:
    ours, theirs = answers(SMALL, text, {"n": "Named", "all": True})

    assert ours == theirs
    assert str(ours) == str(theirs), "the fields have another order"


def test_introspections_that_are_made_to_be_large_are_the_same() -> None:
    random = Random(3)
    compared = 0
    for text in {make_introspection(random) for _ in range(40)}:
        if isinstance(DocumentCache(schema).get(text), Document):
            ours, theirs = answers(schema, text)
            assert ours == theirs
            compared += 1

    assert compared > 5


def test_an_introspection_has_a_limited_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    document = DocumentCache(schema).get(get_introspection_query())
    assert isinstance(document, Document)
    plan = document.plans[None]
    assert plan is not None
    monkeypatch.setattr(introspection, "MAX_VALUES", 2_000)

    result = plan.run(None)

    assert isinstance(result, ExecutionResult)
    assert result.data is None
    (error,) = result.errors or []
    assert isinstance(error, LimitExceeded) or isinstance(error.original_error, LimitExceeded)
    assert error.extensions == {"code": "LIMIT_EXCEEDED", "limit": "introspection", "max": 2_000}
