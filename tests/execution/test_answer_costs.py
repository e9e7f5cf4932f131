"""The points of an answer, which are reckoned before anything is executed."""

from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, Visitor, parse, visit

from api.execution.answer_costs import (
    ITEM,
    ITEMS,
    MUTATION,
    OTHER_ITEMS,
    QUERY,
    RESOLVER,
    TOKEN,
    AnswerCost,
    _Reckoning,
)
from api.execution.cached_documents import Document
from api.execution.documents import DocumentCache
from api.schema.schema import schema
from tests.support import Api

pytestmark = pytest.mark.anyio


@strawberry.type
class Person:
    name: str
    tags: list[str]

    @strawberry.field
    def boss(self) -> "Person":
        return self

    @strawberry.field
    def friends(self, first: int = 10) -> "People":
        return People(edges=[])

    @strawberry.field(metadata={ITEMS: 3})
    def cards(self) -> "list[Card]":
        return []


@strawberry.type
class Card:
    number: str


@strawberry.type
class Edge:
    node: Person


@strawberry.type
class People:
    edges: list[Edge]


@strawberry.input
class Order:
    count: int = 1


@strawberry.type
class Query:
    hello: str = "hello"

    @strawberry.field
    def person(self) -> Person:
        raise NotImplementedError("documents of this schema are reckoned, and not executed")


@strawberry.type
class Mutation:
    @strawberry.mutation(metadata={ITEMS: ("order", "count")})
    def issue(self, order: Order) -> list[Card]:
        return []


SMALL = strawberry.Schema(Query, Mutation)


def points(text: str, variables: dict[str, Any] | None = None, most: int = 10**9) -> int:
    document = parse(text)
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return AnswerCost(SMALL._schema, document, most).of_answer(operation, variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ hello __typename }", 2),
        ("{ person { name } }", QUERY + 1),
        ("{ person { boss { name } } }", QUERY + RESOLVER + 1),
        ("{ person { tags } }", QUERY + 1 + OTHER_ITEMS * ITEM),
        ("{ person { cards { number } } }", QUERY + RESOLVER + 3 * (ITEM + 1)),
        (
            "{ person { friends(first: 7) { edges { node { name } } } } }",
            QUERY + RESOLVER + 1 + 7 * (ITEM + 2),
        ),
        ("{ person { friends { edges { node { name } } } } }", QUERY + RESOLVER + 1 + 10 * (ITEM + 2)),
        ("{ person { friends(first: 7) { __typename } } }", QUERY + RESOLVER + 1 + 7 * ITEM),
        ("mutation { issue(order: { count: 40 }) { number } }", MUTATION + 40 * (ITEM + 1)),
        ("mutation { issue(order: {}) { number } }", MUTATION + ITEM + 1),
    ],
)
def test_points_of_fields_and_lists(text: str, expected: int) -> None:
    assert points(text) == points(text, {}) == expected


def test_pages_in_pages_multiply() -> None:
    inner = "friends(first: 5) { edges { node { name } } }"

    assert points(f"{{ person {{ friends(first: 20) {{ edges {{ node {{ {inner} }} }} }} }} }}") == (
        QUERY + RESOLVER + 1 + 20 * (ITEM + 1 + RESOLVER + 1 + 5 * (ITEM + 2))
    )


@pytest.mark.parametrize(
    "text",
    [
        "{ person { name name } person { name } }",
        "{ person { ...A ...B } } fragment A on Person { name } fragment B on Person { ...A name }",
        "{ ...Q ... { person { ... on Person { name } } } } fragment Q on Query { person { name } }",
        "query($no: Boolean!) { person { name @skip(if: $no) } }",
    ],
)
def test_fields_that_are_merged_count_once(text: str) -> None:
    assert points(text, {"no": True}) == QUERY + 1


def test_aliases_count_each() -> None:
    assert points("{ a: person { name } b: person { name x: name } }") == 2 * QUERY + 3


PAGE = "query($n: Int = 4) { person { friends(first: $n) { edges { node { name } } } } }"


@pytest.mark.parametrize(
    ("variables", "items"),
    [
        (None, 100),
        ({}, 4),
        ({"n": 30}, 30),
        ({"n": 5000}, 100),
        ({"n": 0}, 1),
        ({"n": -1}, 1),
        ({"n": "x"}, 1),
    ],
)
def test_the_size_of_a_page_may_be_a_variable(variables: dict[str, Any] | None, items: int) -> None:
    """A resolver refuses pages of other sizes than 1 to 100."""
    assert points(PAGE, variables) == QUERY + RESOLVER + 1 + items * (ITEM + 2)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("mutation($o: Order!) { issue(order: $o) { number } }", {"o": {"count": 25}}),
        ("mutation($c: Int!) { issue(order: { count: $c }) { number } }", {"c": 25}),
    ],
)
def test_an_input_may_be_a_variable(text: str, variables: dict[str, Any]) -> None:
    assert points(text, variables) == MUTATION + 25 * (ITEM + 1)


def test_the_document_counts_too() -> None:
    """Validating it and answering it share the limit of one request."""
    document = parse("{ hello }")
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)

    # The start and the end of the text are tokens, too.
    assert AnswerCost(SMALL._schema, document, 10**9).points(operation, None) == 5 * TOKEN + 1


def test_reckoning_ends_when_the_points_exceed_the_maximum() -> None:
    """Written out, this document has 3^40 fields."""
    spread = "boss {{ ...f{0} }} a: boss {{ ...f{0} }} b: boss {{ ...f{0} }}"
    fragments = " ".join(f"fragment f{n} on Person {{ {spread.format(n + 1)} }}" for n in range(40))

    assert points(f"{{ person {{ ...f0 }} }} {fragments} fragment f40 on Person {{ name }}", most=1000) > 1000


def test_fragments_that_are_repeated_cost_no_more_than_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each level has the same field eight times, and each of them spreads the next level: 8^9 spreads."""
    boss = "boss { ...fNEXT } " * 8
    fragments = " ".join(
        f"fragment f{n} on Person {{ {boss} }}".replace("NEXT", str(n + 1)) for n in range(9)
    )
    text = f"{{ person {{ ...f0 }} }} {fragments} fragment f9 on Person {{ name }}"
    collect, calls = _Reckoning._collect, 0

    def count(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        collect(*arguments)

    monkeypatch.setattr(_Reckoning, "_collect", count)

    assert points(text) == QUERY + 9 * RESOLVER + 1
    assert calls < 200


# Through the door

STAFF = """query($first: Int!) { tenants(first: $first) { edges { node { businessName
  staff(first: 40) { edges { node { id email } } } } } } }"""


async def test_an_answer_that_would_be_too_large_is_refused_for_these_variables_only(
    api: Api, operator: str
) -> None:
    assert (await api.data(STAFF, operator, first=20))["tenants"]["edges"] == []

    (error,) = (await api.post(STAFF, operator, first=100))["errors"]

    assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": "points", "max": 15_000}
    assert (await api.data(STAFF, operator, first=20))["tenants"]["edges"] == []


async def test_nothing_is_done_if_the_answer_would_be_too_large(
    api: Api, operator: str, database: Any
) -> None:
    issues = [f"i{number}: issueBetaKeys(input: {{ count: 1 }}) {{ __typename }}" for number in range(8)]

    answer = await api.post(f"mutation {{ {' '.join(issues)} }}", operator)

    assert answer["errors"][0]["extensions"]["limit"] == "points"
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 0


@pytest.mark.parametrize(
    "text",
    [
        # What an operator's page lists at most.
        """{ betaKeys(first: 100) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id key
        status
          notes batch recipientEmail expiresAt sentAt usedAt usedBy { id businessName owner { email } }
          revokedAt revokedReason createdAt } } } }""",
        """{ tenants(first: 100) { totalCount edges { cursor node { id businessName nit businessType address
        phone
          email isActive suspendedReason createdAt owner { id email firstName lastName phoneNumber documentId
          } seats { role used max } } } } }""",
        """{ auditEvents(first: 100) { pageInfo { endCursor } edges { node { id at action actorEmail tenantId
        subjectId
          detail ipAddress } } } }""",
        """{ viewer { id email tenant { id businessName seats { role used max } staff(first: 100) { totalCount
        edges {
          node { id email firstName lastName role isOwner isActive documentId phoneNumber createdAt
          hasSecondFactor } } } } } }""",
        "{ sessions { id createdAt lastSeenAt expiresAt userAgent ipAddress isCurrent } operators { id } }",
    ],
)  # fmt: skip
def test_the_largest_pages_of_clients_are_answered(text: str) -> None:
    document = DocumentCache(schema).get(text)

    assert isinstance(document, Document), document
    assert document.checks == {}


def relay_document() -> str:
    """As Relay's compiler writes them: a fragment for each component, each with `__typename` and `id`."""
    user = "__typename id email firstName lastName role isOwner isActive"
    tenant = "__typename id businessName nit businessType address phone email isActive createdAt"
    fragments = [
        f"fragment Part{n}_{kind.lower()} on {kind} {{\n  {fields}\n}}"
        for n in range(16)
        for kind, fields in (("User", user), ("Tenant", tenant))
    ]
    users = " ".join(f"...Part{n}_user" for n in range(16))
    tenants = " ".join(f"...Part{n}_tenant" for n in range(16))
    return (
        f"query AppQuery($first: Int = 10, $after: String) {{\n viewer {{ {users} tenant {{ {tenants} "
        f"staff(first: $first, after: $after) {{ edges {{ cursor node {{ {users} }} }} "
        "pageInfo { hasNextPage endCursor } } } } }\n" + "\n".join(fragments)
    )


def test_large_documents_of_relay_are_answered() -> None:
    text = relay_document()

    class Fields(Visitor):
        count = 0

        def enter_field(self, *_: object) -> None:
            self.count += 1

    fields = Fields()
    visit(parse(text), fields)
    assert 280 <= fields.count <= 300
    assert isinstance(DocumentCache(schema).get(text), Document)
