"""The schema. A new root field is defined in the module of its feature and listed here."""

import sys
from datetime import datetime
from functools import cache
from typing import cast

import strawberry
from graphql import GraphQLInputObjectType, GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.tools import create_type
from strawberry.utils.str_converters import to_camel_case

from api.schema import (
    audit_events,
    beta_key_admin,
    beta_keys,
    one_time_codes,
    registration,
    sessions,
    staff,
    tenant_admin,
    tenants,
    viewer,
)
from api.schema.error_formatting import ERRORS_DESCRIPTION
from api.schema.error_types import EXCEPTION_HANDLERS
from api.schema.scalars import DATE_TIME, JSON, Json

Query = create_type(
    "Query",
    [
        beta_keys.validate_beta_key,
        viewer.viewer,
        sessions.sessions,
        beta_keys.beta_keys,
        beta_keys.beta_key,
        beta_keys.beta_key_stats,
        tenant_admin.tenants,
        tenants.tenant,
        audit_events.audit_events,
    ],
    description=f"Reads. {ERRORS_DESCRIPTION}",
)

Mutation = create_type(
    "Mutation",
    [
        registration.register,
        sessions.login,
        sessions.logout,
        sessions.revoke_session,
        sessions.change_password,
        one_time_codes.request_password_reset,
        one_time_codes.reset_password,
        one_time_codes.request_email_verification,
        one_time_codes.verify_email,
        tenants.update_tenant,
        staff.create_staff,
        staff.update_staff,
        staff.remove_staff,
        beta_key_admin.issue_beta_keys,
        beta_key_admin.update_beta_key,
        beta_key_admin.revoke_beta_key,
        beta_key_admin.send_beta_key,
        tenant_admin.suspend_tenant,
        tenant_admin.reactivate_tenant,
        tenant_admin.set_seats,
        tenant_admin.request_tenant_deletion,
        tenant_admin.delete_tenant,
    ],
    description="Changes. Errors that a client can act on are members of the union that a mutation returns. "
    f"{ERRORS_DESCRIPTION}",
)


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
    config=StrawberryConfig(name_converter=_Names(), scalar_map={datetime: DATE_TIME, Json: JSON}),
)


if __name__ == "__main__":
    sys.stdout.write(f"{schema.as_str()}\n")
