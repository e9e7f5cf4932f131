"""The schema keeps what clients rely on, and `schema.graphql` is the schema that is served."""

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)
from graphql.utilities import (
    BreakingChange,
    BreakingChangeType,
    DangerousChange,
    DangerousChangeType,
    find_breaking_changes,
    find_dangerous_changes,
)

from api.schema.schema import schema
from tests.support import ROOT

SDL = (ROOT / "tests" / "schema" / "contract.graphql").read_text()

CONTRACT = build_schema(SDL, assume_valid_sdl=True)


def _missing(ours: GraphQLSchema) -> set[str]:
    """The types of the contract that `ours` lacks, and the fields that its types lack."""
    missing: set[str] = set()
    for name, expected in CONTRACT.type_map.items():
        if is_introspection_type(expected) or is_specified_scalar_type(expected):
            continue
        actual = ours.type_map.get(name)
        if actual is None:
            missing.add(name)
        elif isinstance(expected, _WITH_FIELDS) and isinstance(actual, _WITH_FIELDS):
            missing |= {f"{name}.{field}" for field in expected.fields.keys() - actual.fields.keys()}
    return missing


_WITH_FIELDS = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)


def _broken(ours: GraphQLSchema) -> list[BreakingChange | DangerousChange]:
    """Breaking changes of what exists. Clients that omit an argument rely on its default."""
    absent = {BreakingChangeType.TYPE_REMOVED, BreakingChangeType.FIELD_REMOVED}
    changes = [change for change in find_breaking_changes(CONTRACT, ours) if change.type not in absent]
    defaults = DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE
    return changes + [change for change in find_dangerous_changes(CONTRACT, ours) if change.type is defaults]


def test_the_schema_has_what_the_contract_promises() -> None:
    assert _missing(schema._schema) == set()


def test_nothing_breaks_the_contract() -> None:
    assert _broken(schema._schema) == []


def test_a_breaking_change_is_detected() -> None:
    """The checks above can fail."""

    def changed(old: str, new: str) -> GraphQLSchema:
        assert old in SDL
        return build_schema(SDL.replace(old, new), assume_valid_sdl=True)

    assert _missing(changed("businessName: String!\n  nit", "nit")) == {"Tenant.businessName"}
    assert _missing(changed("status: BetaKeyStatus batch: String", "status: BetaKeyStatus")) == {
        "BetaKeyFilter.batch"
    }
    assert _broken(changed("valid: Boolean!", "valid: String!"))
    assert _broken(changed("first: Int! = 20", "first: Int! = 10"))


def test_the_exported_schema_is_the_one_that_is_served() -> None:
    """After a change: `make schema`."""
    assert (ROOT / "schema.graphql").read_text() == f"{schema.as_str()}\n"
