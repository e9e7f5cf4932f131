"""The document cache: what it keeps, what it does not, and how much room that takes."""

from collections.abc import Iterable

import pytest
import strawberry
from graphql import DocumentNode

from api.execution.documents import DocumentCache


@strawberry.type
class Query:
    hello: str


SCHEMA = strawberry.Schema(Query)


def document(number: int, length: int = 0) -> str:
    """A valid document that is unlike those of other numbers, of so many characters if that is possible."""
    return f"{{ hello }} # {number}".ljust(length, ".")


def ask(documents: DocumentCache, texts: Iterable[str]) -> None:
    for text in texts:
        assert isinstance(documents.get(text), DocumentNode)


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


def test_there_are_never_more_documents_than_the_bound() -> None:
    documents = DocumentCache(SCHEMA, max_entries=10)

    for number in range(100):
        ask(documents, [document(number)] * (1 + number % 3))
        assert len(documents) == min(number + 1, 10)


def test_the_texts_that_are_kept_never_have_more_characters_than_the_bound() -> None:
    documents = DocumentCache(SCHEMA, max_characters=2000)
    texts = [document(number, 20 + 37 * number % 300) for number in range(100)]

    for number, text in enumerate(texts):
        ask(documents, [text] * (1 + number % 3))
        assert sum(len(kept) for kept in texts if kept in documents) <= 2000
    assert sum(len(kept) for kept in texts if kept in documents) > 1600


def test_a_document_that_is_larger_than_the_bound_is_answered_and_not_kept() -> None:
    documents = DocumentCache(SCHEMA, max_characters=200)

    ask(documents, [document(1, 201)] * 2)

    assert len(documents) == 0


def test_all_the_room_serves_documents_that_come_in_turns() -> None:
    documents = DocumentCache(SCHEMA, max_entries=10)
    in_turns = [document(number) for number in range(10)]

    first = [documents.get(text) for text in in_turns]

    for _ in range(3):
        again = [documents.get(text) for text in in_turns]
        assert all(one is other for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("length", [0, 900], ids=["small", "large"])
def test_documents_in_use_stay_through_a_flood_of_documents_that_are_each_sent_once(length: int) -> None:
    documents = DocumentCache(SCHEMA, max_entries=100, max_characters=4000)
    in_use = [document(number) for number in range(75)]
    ask(documents, in_use * 2)

    ask(documents, (document(number, length) for number in range(1000, 1500)))

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
