"""Documents are validated as graphql-core validates them."""

from random import Random

import pytest
from graphql import GraphQLError, parse
from graphql import validate as validate_by_graphql_core
from graphql.validation import ASTValidationRule
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping_fields

from api.execution.document_limits import DocumentLimits
from api.execution.documents import RULES
from api.execution.validation import validate
from api.schema.schema import schema
from benchmarks.hostile_documents import DOCUMENTS, INTROSPECTION
from tests.execution.documents import make_document


def errors_of(text: str, max_errors: int) -> tuple[list[object], list[object]]:
    """What both find."""
    try:
        document = parse(text, max_lexical_tokens=DocumentLimits().tokens)
    except GraphQLError:
        return [], []
    ours = validate(schema._schema, document, RULES, max_errors=max_errors, hide_suggestions=False)
    theirs = validate_by_graphql_core(schema._schema, document, RULES, max_errors=max_errors)
    return [error.formatted for error in ours], [error.formatted for error in theirs]


@pytest.mark.parametrize("family", DOCUMENTS)
def test_hostile_documents_have_the_same_errors(family: str) -> None:
    random = Random(family)
    for _ in range(6):
        written = DOCUMENTS[family](random)
        ours, theirs = errors_of(written if isinstance(written, str) else written[0], max_errors=8)

        assert ours == theirs, written


@pytest.mark.slow
def test_ordinary_documents_have_the_same_errors() -> None:
    random = Random(7)
    valid = invalid = 0
    for _ in range(160):
        made = make_document(schema._schema, random, {"DateTime": lambda _: "2027-01-31T12:00:00Z"})
        # A part of another one, so that fields, fragments or variables are missing.
        text = made.text if random.random() < 0.5 else made.text.replace(random.choice("aeio"), "x")
        ours, theirs = errors_of(text, max_errors=100)

        assert ours == theirs, text
        valid, invalid = valid + (not ours), invalid + bool(ours)

    assert min(valid, invalid) > 20


def test_the_introspection_of_graphiql_is_valid() -> None:
    assert errors_of(INTROSPECTION, max_errors=10) == ([], [])


@pytest.mark.parametrize("budget", [0, 100, 1000])
def test_a_rule_that_exceeds_its_budget_ends_the_validation(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlapping_fields, "MAX_COMPLEXITY_BUDGET", budget)

    ours, theirs = errors_of("{ " + "viewer { id } " * 40 + "}", max_errors=10)

    assert ours == theirs == [{"message": "Validation aborted."}]


def test_a_rule_that_changes_the_document_is_an_error() -> None:
    """graphql-core's validation would go on with the changed one."""

    class Changing(ASTValidationRule):
        def enter_field(self, *_: object) -> object:
            return ...

    with pytest.raises(TypeError, match="Changing"):
        validate(schema._schema, parse("{ __typename }"), [Changing], max_errors=1, hide_suggestions=False)
