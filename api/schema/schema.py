"""The schema of the root types in `api.schema.roots`."""

import sys
from functools import cache
from typing import cast

import strawberry
from graphql import GraphQLInputObjectType, GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.utils.str_converters import to_camel_case

from api.schema.error_types import EXCEPTION_HANDLERS
from api.schema.roots import Mutation, Query
from api.schema.scalars import SCALARS


class _Names(NameConverter):
    """Caches names, because Strawberry converts that of each argument in every call of a resolver."""

    def apply_naming_config(self, name: str) -> str:
        return _camel_case(name)


@cache
def _camel_case(name: str) -> str:
    return to_camel_case(name)


class _Schema(strawberry.Schema):
    def _extend_introspection(self) -> None:
        """Keep graphql-core's `__Type.isOneOf`. Strawberry's fails for a type that it did not make itself."""
        introspection = cast("GraphQLObjectType", self._schema.type_map["__Type"])
        introspection.fields["isOneOf"].resolve = _is_one_of


def _is_one_of(type_: object, _info: object) -> bool | None:
    return type_.is_one_of if isinstance(type_, GraphQLInputObjectType) else None


schema = _Schema(
    query=Query,
    mutation=Mutation,
    exception_handlers=EXCEPTION_HANDLERS,
    config=StrawberryConfig(name_converter=_Names(), scalar_map=SCALARS),
)


if __name__ == "__main__":
    sys.stdout.write(f"{schema.as_str()}\n")
