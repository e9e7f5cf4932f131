"""Who may use what: every kind of actor requests every root field, with documents made from the schema.

A new root field fails here until it has an audience, and so does a type that a new audience reaches.
"""

import secrets
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
)

from api.domain.viewer import token_digest
from api.schema.schema import schema
from tests.schema.input_values import call
from tests.schema.root_fields import ADMINS, AUDIENCES, MANAGERS, OPERATORS, SIGNED_IN, root_fields
from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio


def test_every_field_has_an_audience() -> None:
    assert root_fields().keys() == AUDIENCES.keys()


NO_TENANT = "an admin of no tenant"
"""Users that an old database had before tenants. They may do what every signed-in person may."""

MakeToken = Callable[[asyncpg.Connection, str], Awaitable[str | None]]
"""Makes a new person with a session in the tenant with that id; returns the token of the session."""


def staff(role: str, *changes: str) -> MakeToken:
    """A person of the tenant; `changes` are statements with the ids of the person and of the tenant."""

    async def make(database: asyncpg.Connection, tenant_id: str) -> str:
        person = await hire(database, None if role == "SUPER_ADMIN" else tenant_id, role)
        for change in changes:
            await database.execute(change.format(user=person.id, tenant=tenant_id))
        return person.token

    return make


async def owner(database: asyncpg.Connection, tenant_id: str) -> str:
    token = secrets.token_urlsafe(32)
    await database.execute(
        """INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
           SELECT id, $1, now() + interval '1 day' FROM users WHERE "tenantId" = $2 AND "isOwner" """,
        token_digest(token),
        tenant_id,
    )
    return token


async def no_token(_database: asyncpg.Connection, _tenant_id: str) -> None:
    return None


async def unknown_token(_database: asyncpg.Connection, _tenant_id: str) -> str:
    return secrets.token_urlsafe(32)


SESSION = """UPDATE sessions SET {} = now() WHERE "userId" = '{{user}}'"""

ACTORS: dict[str, tuple[str, MakeToken]] = {
    "cashier": ("cashier", staff("CASHIER")),
    "manager": ("manager", staff("MANAGER")),
    "admin": ("admin", staff("ADMIN")),
    "owner": ("owner", owner),
    "operator": ("operator", staff("SUPER_ADMIN")),
    "no token": ("public", no_token),
    "an unknown token": ("public", unknown_token),
    "an expired session": ("public", staff("ADMIN", SESSION.format('"expiresAt"'))),
    "a revoked session": ("public", staff("SUPER_ADMIN", SESSION.format('"revokedAt"'))),
    "a deactivated admin": (
        "public",
        staff("ADMIN", """UPDATE users SET "isActive" = false WHERE id = '{user}'"""),
    ),
    "a deactivated operator": (
        "public",
        staff("SUPER_ADMIN", """UPDATE users SET "isActive" = false WHERE id = '{user}'"""),
    ),
    "an admin of a suspended tenant": (
        "public",
        staff("ADMIN", """UPDATE tenants SET "isActive" = false WHERE id = '{tenant}'"""),
    ),
    "an admin of a deleted tenant": (
        "public",
        staff(
            "ADMIN",
            """UPDATE tenants SET "isActive" = false, "deletedAt" = now() WHERE id = '{tenant}'""",
        ),
    ),
    "an admin of no tenant": (
        NO_TENANT,
        staff("SUPER_ADMIN", """UPDATE users SET role = 'ADMIN' WHERE id = '{user}'"""),
    ),
}
"""The role in `AUDIENCES` of each actor, and how to make one."""


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_may_use_the_fields_of_its_role(
    api: Api, database: asyncpg.Connection, actor: str
) -> None:
    role, make_token = ACTORS[actor]
    registered = await api.register(registration(await issue_key(database)))
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    for name, field in root_fields().items():
        # A new one for each field, because some of the fields end the session.
        token = await make_token(database, registered["tenant"]["id"])
        found[name] = await refusal(api, name, field, token)
        denied = "UNAUTHENTICATED" if role == "public" else "FORBIDDEN"
        allowed = AUDIENCES[name] >= SIGNED_IN if role == NO_TENANT else role in AUDIENCES[name]
        expected[name] = "" if allowed else denied

    assert found == expected


async def refusal(api: Api, name: str, field: GraphQLField, token: str | None) -> str:
    """The code of the error, or an empty text if the field may be used."""
    query = schema._schema.query_type
    assert query is not None
    operation = "query" if name in query.fields else "mutation"
    answer = await api.post(f"{operation} {{ {call(name, field)} }}", token)
    return " ".join(error["extensions"]["code"] for error in answer.get("errors", []))


NARROW = {
    OPERATORS: """
        BetaKeyConnection BetaKeyEdge BetaKeyStats IssuedBetaKeys BetaKey TenantConnection TenantEdge
    """,
    MANAGERS: "NoSeat InvitationRequired",
    ADMINS | OPERATORS: "AuditEventConnection AuditEventEdge AuditEvent",
}
"""The types that not every signed-in person can reach."""


def test_a_type_is_reached_by_its_audience_alone() -> None:
    """So that a new field, such as one from `Tenant` to `BetaKey`, opens no type to more roles."""
    reached: dict[str, frozenset[str]] = {}
    for name, field in root_fields().items():
        for type_name in types_below(get_named_type(field.type).name, set()):
            reached[type_name] = reached.get(type_name, frozenset()) | AUDIENCES[name]
    narrow = {name: roles for name, roles in reached.items() if not roles >= SIGNED_IN}

    assert narrow == {name: roles for roles, names in NARROW.items() for name in names.split()}


def types_below(name: str, seen: set[str]) -> set[str]:
    """The object types in selections of a type, without `query`, which is the root again."""
    if name in seen or name == "Query":
        return seen
    type_ = schema._schema.type_map[name]
    if isinstance(type_, GraphQLUnionType):
        for one in type_.types:
            types_below(one.name, seen)
    elif isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)):
        seen.add(name)
        for field in type_.fields.values():
            types_below(get_named_type(field.type).name, seen)
    return seen
