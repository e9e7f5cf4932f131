"""The document cache: what it keeps, what it does not, and how much room that takes."""

import gc
import tracemalloc
from collections.abc import Iterable

import pytest
import strawberry
from graphql import ExecutionResult

from api.execution.cached_documents import Document
from api.execution.document_limits import DocumentLimits
from api.execution.documents import DocumentCache


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Person(Named):
    @strawberry.field
    def friends(self, first: int = 10, after: str | None = None) -> list[Named]:
        return [Person(name=f"{after} {number}") for number in range(first)]


@strawberry.type
class Query:
    hello: str = "hello"

    @strawberry.field
    def named(self) -> Named:
        return Person(name="Ana")


SCHEMA = strawberry.Schema(Query, types=[Person])


def document(number: int, length: int = 0) -> str:
    """A valid document that is unlike those of other numbers, of so many characters if that is possible."""
    return f"{{ hello }} # {number}".ljust(length, ".")


def ask(documents: DocumentCache, texts: Iterable[str]) -> None:
    for text in texts:
        assert isinstance(documents.get(text), Document)


def test_a_document_is_prepared_once() -> None:
    documents = DocumentCache(SCHEMA)

    first = documents.get(document(1))

    assert all(documents.get(document(1)) is first for _ in range(3))
    assert documents.get(document(2)) is not first


@pytest.mark.parametrize("text", ["", "{", "{ unknown }", "{ hello(name: 7) }", "\ud800", "\x00"])
def test_a_document_that_is_refused_tells_why_and_takes_no_room(text: str) -> None:
    documents = DocumentCache(SCHEMA)

    for _ in range(2):
        errors = documents.get(text)
        assert isinstance(errors, list)
        assert all(error.message for error in errors)
        assert len(errors) > 0
    assert len(documents) == 0


def test_refused_documents_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = DocumentCache(SCHEMA)
    texts = ["{ unknown }", "{", "{ " + "hello " * 2000 + "}", "{ " + "named { name } " * 200 + "}"]
    first = [documents.get(text) for text in texts]

    monkeypatch.setattr("api.execution.documents.parse", None)

    assert [documents.get(text) for text in texts] == first


@pytest.mark.slow
def test_refused_documents_take_limited_memory() -> None:
    """A client can vary them without end, and their errors may be longer than they are."""
    documents = DocumentCache(SCHEMA, max_entries=400, max_bytes=4_000_000)
    long_names = " ".join(f"{'x' * 200}{number}" for number in range(90))
    documents.get("{ unknown }")
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(300):
            documents.get(f"{{ unknown{number} }}" if number % 2 else f"{{ {long_names} x{number} }}")
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 0 < len(documents._refusals) <= 100
    assert documents._refusals.size <= 500_000
    assert after - before <= documents._refusals.size


def test_there_are_never_more_documents_than_the_bound() -> None:
    documents = DocumentCache(SCHEMA, max_entries=10)

    for number in range(100):
        ask(documents, [document(number)] * (1 + number % 3))
        assert len(documents) == min(number + 1, 10)


def test_what_is_kept_never_takes_more_than_the_bound() -> None:
    documents = DocumentCache(SCHEMA, max_bytes=100_000)
    texts = [document(number, 20 + 370 * number % 3000) for number in range(100)]

    for number, text in enumerate(texts):
        ask(documents, [text] * (1 + number % 3))
        kept = [*documents._probation._documents.values(), *documents._protected._documents.values()]
        assert sum(one.size for one in kept) <= 100_000
        assert len(kept) >= min(number + 1, 5)


def test_a_document_that_is_larger_than_the_bound_is_answered_and_not_kept() -> None:
    documents = DocumentCache(SCHEMA, max_bytes=10_000)

    ask(documents, [document(1, 10_000)] * 2)

    assert len(documents) == 0


ARGUMENTS = " ".join(f'f{number}: friends(first: $n, after: "{number}") {{ name }}' for number in range(20))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "{ named { name } }",
        "{ " + " ".join(f"a{number}: hello" for number in range(50)) + " }",
        "{ " + " ".join(f"a{n}: named {{ ... on Person {{ friends {{ name }} }} }}" for n in range(9)) + " }",
        "query($n: Int = 2) { named { ... on Person { " + ARGUMENTS + " } } }",
        "query($no: Boolean = false) { named { name @skip(if: $no) ... @include(if: $no) { __typename } } }",
        '{ hello # ' + "é" * 2000 + "\n}",
        "{ named { ...A } } fragment A on Named { name ...B } fragment B on Person { friends { name } }",
    ],
    ids=["small", "aliases", "types", "arguments", "conditions", "comment", "fragments"],
)  # fmt: skip
def test_a_document_and_its_plan_take_no_more_memory_than_is_reckoned(text: str) -> None:
    documents = DocumentCache(SCHEMA, DocumentLimits(aliases=100))

    def use(number: int) -> int:
        """Bytes that the document is reckoned to take, once it is in use."""
        ask(documents, [text + " " * number] * 2)
        kept = documents.get(text + " " * number)
        assert isinstance(kept, Document)
        plan = kept.plans[None]
        assert plan is not None
        answer = plan.run(None, root_value=Query())
        assert isinstance(answer, ExecutionResult)
        assert answer.errors is None
        return kept.size

    use(0)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        reckoned = sum(use(number) for number in range(1, 41))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(documents) == 41
    assert reckoned / 5 < after - before <= reckoned


def test_a_plan_is_made_when_a_document_comes_again() -> None:
    documents = DocumentCache(SCHEMA)

    first = documents.get(document(1))
    assert isinstance(first, Document)
    assert first.plans == {}
    documents.get(document(1))
    assert list(first.plans) == [None]


def test_a_document_of_several_operations_has_a_plan_for_each() -> None:
    documents = DocumentCache(SCHEMA)

    ask(
        documents,
        ["query A { hello } query B { named { name } } query C { __schema { types { name } } }"] * 2,
    )

    (kept,) = documents._protected._documents.values()
    assert {name: plan is not None for name, plan in kept.plans.items()} == {"A": True, "B": True, "C": True}


def test_the_first_request_has_a_plan_if_that_is_asked_for() -> None:
    documents = DocumentCache(SCHEMA, plan_first_request=True)

    prepared = documents.get(document(1))

    assert isinstance(prepared, Document)
    assert prepared.plans[None] is not None
    assert documents.get(document(1)) is prepared


def test_a_plan_is_made_with_the_first_request_where_that_is_asked_for() -> None:
    documents = DocumentCache(SCHEMA, plan_first_request=True)

    ask(documents, [document(1)])

    (kept,) = documents._protected._documents.values()
    assert kept.plans.keys() == {None}


def test_no_plan_is_made_where_they_are_switched_off() -> None:
    documents = DocumentCache(SCHEMA, plans=False)

    ask(documents, [document(1)] * 3)

    (kept,) = documents._protected._documents.values()
    assert kept.plans == {}


def test_a_document_grows_in_the_count_as_requests_come_across_more_of_it() -> None:
    """Nested fragments could hold any amount of memory behind a few tokens."""
    documents = DocumentCache(SCHEMA)
    text = "query($yes: Boolean!) { hello @include(if: $yes) named { name } }"
    ask(documents, [text] * 2)
    (kept,) = documents._protected._documents.values()
    plan = kept.plans[None]
    assert plan is not None

    sizes = [documents._protected.size]
    for yes in (True, True, False, False):
        plan.run(None, {"yes": yes}, root_value=Query())
        ask(documents, [text])
        sizes.append(documents._protected.size)

    assert sizes[0] < sizes[1] == sizes[2] < sizes[3] == sizes[4] == kept.size


def test_all_the_room_serves_documents_that_come_in_turns() -> None:
    documents = DocumentCache(SCHEMA, max_entries=10)
    in_turns = [document(number) for number in range(10)]

    first = [documents.get(text) for text in in_turns]

    for _ in range(3):
        again = [documents.get(text) for text in in_turns]
        assert all(one is other for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize(("length", "count"), [(0, 500), (18_000, 30)], ids=["small", "large"])
def test_documents_in_use_stay_through_a_flood_of_documents_that_are_each_sent_once(
    length: int, count: int
) -> None:
    documents = DocumentCache(SCHEMA, max_entries=100, max_bytes=1_000_000)
    in_use = [document(number) for number in range(75)]
    ask(documents, in_use * 2)

    ask(documents, (document(number, length) for number in range(1000, 1000 + count)))

    assert all(text in documents for text in in_use)


def test_documents_in_use_stay_through_a_flood_of_invalid_documents() -> None:
    documents = DocumentCache(SCHEMA, max_entries=10)
    in_use = [document(number) for number in range(10)]
    ask(documents, in_use)

    for number in range(100):
        assert isinstance(documents.get(f"{{ unknown{number} }}"), list)

    assert all(text in documents for text in in_use)


def test_a_document_that_comes_into_use_takes_the_room_of_the_one_that_is_unused_for_longest() -> None:
    documents = DocumentCache(SCHEMA, max_entries=4)
    ask(documents, [document(number) for number in (1, 2, 3, 4)] * 2)
    ask(documents, [document(1)])

    ask(documents, [document(5), document(5)])

    assert document(2) not in documents
    assert all(document(number) in documents for number in (1, 3, 4, 5))
