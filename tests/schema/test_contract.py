"""The schema keeps what clients rely on, and `schema.graphql` shows it as it is."""

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
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

CONTRACT = build_schema((ROOT / "tests" / "schema.contract.graphql").read_text(), assume_valid_sdl=True)


def _missing(ours: GraphQLSchema) -> set[str]:
    """The types of the contract that `ours` lacks, and the fields of those that it has."""
    missing: set[str] = set()
    for name, promised in CONTRACT.type_map.items():
        if is_introspection_type(promised) or is_specified_scalar_type(promised):
            continue
        there = ours.type_map.get(name)
        if there is None:
            missing.add(name)
        elif isinstance(promised, _WITH_FIELDS) and isinstance(there, _WITH_FIELDS):
            missing |= {f"{name}.{field}" for field in promised.fields.keys() - there.fields.keys()}
    return missing


_WITH_FIELDS = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)


def _broken(ours: GraphQLSchema) -> list[BreakingChange | DangerousChange]:
    """What is there and differs; other defaults too, as a client that gives no value relies on them."""
    absent = {BreakingChangeType.TYPE_REMOVED, BreakingChangeType.FIELD_REMOVED}
    changes = [change for change in find_breaking_changes(CONTRACT, ours) if change.type not in absent]
    defaults = DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE
    return changes + [change for change in find_dangerous_changes(CONTRACT, ours) if change.type is defaults]


def test_the_schema_has_what_the_contract_promises() -> None:
    assert _missing(schema._schema) == set()


def test_nothing_that_is_there_differs_from_the_contract() -> None:
    assert _broken(schema._schema) == []


def test_documentation_is_the_contracts() -> None:
    for name, promised in CONTRACT.type_map.items():
        there = schema._schema.type_map.get(name)
        if isinstance(promised, GraphQLObjectType) and isinstance(there, GraphQLObjectType):
            for field in there.fields.keys() & promised.fields.keys():
                assert there.fields[field].description == promised.fields[field].description, (
                    f"{name}.{field}"
                )
        elif there is not None and not isinstance(promised, GraphQLUnionType) and promised.description:
            assert there.description == promised.description, name


def test_a_broken_promise_is_noticed() -> None:
    """The checks above can fail."""
    sdl = schema.as_str()

    def changed(old: str, new: str) -> GraphQLSchema:
        assert old in sdl
        return build_schema(sdl.replace(old, new))

    assert "Tenant.businessName" in _missing(changed("businessName: String!\n  nit", "nit"))
    assert "BetaKeyFilter.batch" in _missing(changed("batch: String\n\n", "\n"))
    assert _broken(changed("valid: Boolean!", "valid: String!"))
    assert _broken(changed("first: Int! = 20", "first: Int! = 10"))


def test_the_exported_schema_is_the_one_that_is_served() -> None:
    """After a change: `make schema`."""
    assert (ROOT / "schema.graphql").read_text() == f"{schema.as_str()}\n"
