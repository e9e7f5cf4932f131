"""Everything in the schema is described, and descriptions that list codes list all of them."""

import ast
import re
from collections.abc import Iterator
from typing import Any, cast

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    is_introspection_type,
    is_specified_scalar_type,
)

from api.domain.errors import DomainError, NoSeat
from api.messages import _MESSAGES
from api.schema.error_types import EXCEPTION_HANDLERS
from api.schema.schema import schema
from tests.support import ROOT

TYPES = [
    type_
    for type_ in schema._schema.type_map.values()
    if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
]

HANDLED: dict[str, type] = {
    handler.exception_type.code: handler.error_type for handler in cast("Any", EXCEPTION_HANDLERS)
}
"""The GraphQL type of each domain error that has one, by code."""


def _descriptions(type_: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    """The description of a type and of everything in it, each with its coordinate in the schema."""
    yield type_.name, type_.description
    if isinstance(type_, GraphQLEnumType):
        for name, value in type_.values.items():
            yield f"{type_.name}.{name}", value.description
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        for name, field in type_.fields.items():
            yield f"{type_.name}.{name}", field.description
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in type_.fields.items():
            for argument, definition in field.args.items():
                yield f"{type_.name}.{name}({argument}:)", definition.description


def _description(coordinate: str) -> str:
    described = {name: text for type_ in TYPES for name, text in _descriptions(type_)}
    return described[coordinate] or ""


def _codes(coordinate: str) -> set[str]:
    """The codes that a description lists, one a line."""
    return set(re.findall(r"^- `([\w.]+)`: ", _description(coordinate), re.MULTILINE))


def test_everything_has_a_description() -> None:
    described = {name: text for type_ in TYPES for name, text in _descriptions(type_)}

    assert len(described) > 350
    assert [name for name, text in described.items() if not text] == []


def test_descriptions_are_sentences() -> None:
    for type_ in TYPES:
        for name, text in _descriptions(type_):
            first, *codes = (text or "").split("\n")
            assert re.match(r"[A-Z0-9`]", first), name
            assert first.endswith(":" if codes else "."), name
            assert "  " not in first, name


def test_custom_scalars_name_their_specification() -> None:
    scalars = {type_.name: type_.specified_by_url for type_ in TYPES if isinstance(type_, GraphQLScalarType)}

    assert scalars.keys() == {"DateTime", "JSON"}
    assert all(url and url.startswith("https://") for url in scalars.values())


def test_the_codes_of_errors_are_listed() -> None:
    assert _codes("Error.code") == HANDLED.keys()
    for code, error_type in HANDLED.items():
        assert _description(f"{error_type.__name__}.code") == f"Always `{code}`."
        assert f"- `{code}`: `{error_type.__name__}`" in _description("Error.code")


def test_the_codes_of_a_response_are_listed() -> None:
    """`RATE_LIMITED` is both in unions and, for `validateBetaKey`, one of the `errors` of a response."""
    own = {error.code for error in DomainError.__subclasses__()} - HANDLED.keys()
    expected = own | {"LIMIT_EXCEEDED", "INTROSPECTION_DISABLED", "PERSISTED_QUERY_NOT_FOUND"}
    expected |= {"RATE_LIMITED", "TIMEOUT", "UNAVAILABLE", "INTERNAL"}

    assert _codes("Query") == expected
    assert _codes("Mutation") == expected


SUCCESSES = {"BETA_KEY_VALID"} | {
    code
    for folder in ("schema", "rest")
    for path in (ROOT / "api" / folder).glob("*.py")
    for code in re.findall(r'\bmessage\("([A-Z_]+)"(?:\)|, (?:seconds|client\.|actor\.))', path.read_text())
}

ELSEWHERE = {"BAD_REQUEST", "INTERNAL", "INTROSPECTION_DISABLED", "NOT_NUMBER", "NOT_TEXT", "UNAVAILABLE"} | {
    "INVALID_KEY",
    "INVALID_TIME",
    "REPEATED",
    "THERE_ALREADY",
    "TOO_MANY_CELLS",
    "UNKNOWN_COLUMN",
}
"""The codes of messages that only REST, internal errors and files of keys use."""


def test_the_codes_of_fields_are_listed() -> None:
    """Every code has a message, so a code that the description lacks is a new one."""
    errors = {error.code for error in DomainError.__subclasses__()}
    plain = {code for code in _MESSAGES if "." not in code}
    listed = _codes("FieldError.code")

    assert NoSeat.code in errors
    assert "PASSWORD_CHANGED" in SUCCESSES
    assert plain - errors - SUCCESSES - ELSEWHERE <= listed
    assert listed <= plain - SUCCESSES - ELSEWHERE


def test_the_actions_of_audit_events_are_listed() -> None:
    """An action is the first argument of a function of the domain that records."""
    recorded = {
        call.args[0].value
        for path in (ROOT / "api" / "domain").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
        and re.fullmatch(r"[a-z_]+\.[a-z_]+", call.args[0].value)
    }

    assert recorded >= {"staff.removed", "session.closed", "tenant.suspended"}
    assert _codes("AuditEvent.action") == recorded
