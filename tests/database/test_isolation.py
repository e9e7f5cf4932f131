"""No tenant can see or change another one.

Every query and mutation is sent with ids of another tenant. A new one fails here until it is in the tables.
"""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from graphql import GraphQLField, GraphQLInputObjectType, get_named_type

from tests.schema.root_fields import root_fields
from tests.support import PASSWORD, Api, Person, hire, issue_key, one_row, registration

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Business:
    """The id of a tenant, its users by role, and the ids of a session and of an invitation."""

    id: str
    people: dict[str, Person]
    session_id: str
    invitation_id: str
    passkey_id: str

    def id_of(self, kind: str) -> str:
        """The id for a document of `WITH_IDS`."""
        return {
            "tenant": self.id,
            "session": self.session_id,
            "cashier": self.people["cashier"].id,
            "invitation": self.invitation_id,
            "passkey": self.passkey_id,
        }[kind]


async def open_business(api: Api, database: asyncpg.Connection, name: str) -> Business:
    form = registration(await issue_key(database), businessName=name, lastName=name)
    answer = await api.register(form)
    tenant_id, user = answer["tenant"]["id"], answer["user"]
    await database.execute('UPDATE tenants SET "maxCashiers" = 10 WHERE id = $1', tenant_id)
    people = {"owner": Person(user["id"], user["email"], answer["accessToken"])}
    for role in ("manager", "cashier"):
        people[role] = await hire(database, tenant_id, role.upper(), lastName=name)
    session = await one_row(
        database, f"""SELECT id::text FROM sessions WHERE "userId" = '{people["cashier"].id}'"""
    )
    invitation = await database.fetchval(
        """INSERT INTO staff_invitations ("tenantId", email, "firstName", "lastName", role, "tokenDigest",
                "codeDigest", "sentAt", "expiresAt")
        VALUES ($1, $2::text, 'Eva', $2, 'CASHIER', convert_to($2, 'UTF8'), convert_to($2, 'UTF8'),
                now() - interval '1 hour', now() + interval '1 day') RETURNING id::text""",
        tenant_id,
        f"{name}@example.com",
    )
    passkey = await database.fetchval(
        """INSERT INTO passkeys ("userId", "relyingParty", "credentialId", "publicKey", "signCount", name)
        VALUES ($1, 'beta.example.com', convert_to($2, 'UTF8'), 'x', 0, $2) RETURNING id::text""",
        user["id"],
        name,
    )
    return Business(tenant_id, people, session["id"], str(invitation), str(passkey))


# Fields that take an id

WITH_IDS = {
    "auditEvents": (
        "query($id: ID!) { auditEvents(filter: {tenantId: $id}) { edges { node { id } } } }",
        "tenant",
    ),
    "tenant": ("query($id: ID!) { tenant(id: $id) { id businessName staff { totalCount } } }", "tenant"),
    "revokeSession": (
        "mutation($id: ID!) { revokeSession(id: $id) { __typename ... on Error { code message } } }",
        "session",
    ),
    "updateStaff": (
        """mutation($id: ID!) { updateStaff(id: $id, input: {firstName: "Zoe", isActive: false}) {
             __typename ... on Error { code message } } }""",
        "cashier",
    ),
    "endStaffSessions": (
        "mutation($id: ID!) { endStaffSessions(id: $id) { __typename ... on Error { code message } } }",
        "cashier",
    ),
    "resendInvitation": (
        "mutation($id: ID!) { resendInvitation(id: $id) { __typename ... on Error { code message } } }",
        "invitation",
    ),
    "cancelInvitation": (
        "mutation($id: ID!) { cancelInvitation(id: $id) { __typename ... on Error { code message } } }",
        "invitation",
    ),
    "removePasskey": (
        "mutation($id: ID!) { removePasskey(input: {id: $id}) { __typename ... on Error { code message } } }",
        "passkey",
    ),
    "removeStaff": (
        "mutation($id: ID!) { removeStaff(id: $id) { __typename ... on Error { code message } } }",
        "cashier",
    ),
}
"""A document for each field, and the kind of id that it takes."""

WITHOUT_IDS = {
    "validateBetaKey": "is public, and takes a key",
    "viewer": "shows the viewer, and takes nothing",
    "sessions": "shows the viewer's own, and takes nothing",
    "query": "is the root again, whose fields are in these tables",
    "register": "is public, and makes a tenant of its own",
    "login": "is public, and takes a password",
    "logout": "ends the session of the request",
    "signOutEverywhere": "ends the viewer's own sessions, and takes nothing",
    "confirmIdentity": "confirms the viewer's own session, and takes a password or a code",
    "startPasskeyRegistration": "makes the viewer's own, and takes nothing",
    "finishPasskeyRegistration": "makes the viewer's own, and takes what a browser made",
    "startPasskeyConfirmation": "is about the viewer's own, and takes nothing",
    "secondFactor": "shows the viewer's own, and takes nothing",
    "verifySecondFactor": "is public, and takes a challenge",
    "startSecondFactor": "sets up the viewer's own, and takes nothing",
    "confirmSecondFactor": "sets up the viewer's own, and takes a code",
    "renewRecoveryCodes": "renews the viewer's own, and takes a code",
    "turnOffSecondFactor": "turns off the viewer's own, and takes a code",
    "changePassword": "changes the viewer's own, and takes it",
    "requestPasswordReset": "is public, and takes an address",
    "resetPassword": "is public, and takes a code that was mailed",
    "requestEmailVerification": "is public, and takes an address",
    "verifyEmail": "is public, and takes a code that was mailed",
    "updateTenant": "changes the viewer's own, and takes no id",
    "updateViewer": "changes the viewer's own, and takes no id",
    "requestEmailChange": "changes the viewer's own, and takes an address",
    "confirmEmailChange": "changes the viewer's own, and takes a code that was mailed",
    "inviteStaff": "invites people to the viewer's own, and takes no id",
    "acceptInvitation": "is public, and takes a token or a code that was mailed",
    "createStaff": "makes people of the viewer's own, and takes no id",
}
"""Fields that cannot address another tenant, and why."""

OPERATORS = {
    "betaKeys",
    "betaKey",
    "betaKeyStats",
    "issueBetaKeys",
    "updateBetaKey",
    "revokeBetaKey",
    "sendBetaKey",
    "tenants",
    "suspendTenant",
    "reactivateTenant",
    "setSeats",
    "requestTenantDeletion",
    "deleteTenant",
    "resetSecondFactor",
    "operators",
    "removeOperator",
    "deactivateOperator",
    "reactivateOperator",
    "resetOperatorPassword",
}


def takes_id(field: GraphQLField) -> bool:
    """Whether an argument is an id, or contains one."""
    waiting = [get_named_type(argument.type) for argument in field.args.values()]
    while waiting:
        given = waiting.pop()
        if given.name == "ID":
            return True
        if isinstance(given, GraphQLInputObjectType):
            waiting += [get_named_type(inner.type) for inner in given.fields.values()]
    return False


def test_every_query_and_mutation_is_in_the_tables() -> None:
    """The fields of operators admit no staff: `test_authorisation` tests them."""
    fields = {name: field for name, field in root_fields().items() if name not in OPERATORS}

    assert fields.keys() == WITH_IDS.keys() | WITHOUT_IDS.keys()
    assert {name for name, field in fields.items() if takes_id(field)} == WITH_IDS.keys()


async def rows(database: asyncpg.Connection) -> list[Any]:
    """All stored rows, without the times when devices were seen."""
    return [
        await database.fetch(query)
        for query in (
            "SELECT * FROM tenants ORDER BY id",
            "SELECT * FROM users ORDER BY id",
            'SELECT id, "userId", "revokedAt" FROM sessions ORDER BY id',
            "SELECT * FROM audit_events ORDER BY id",
            "SELECT * FROM staff_invitations ORDER BY id",
            "SELECT * FROM passkeys ORDER BY id",
        )
    ]


@pytest.mark.parametrize("actor", ["owner", "manager", "cashier"])
@pytest.mark.parametrize("field", WITH_IDS)
async def test_an_id_of_another_tenant_gets_the_answer_of_an_unknown_id(
    api: Api, database: asyncpg.Connection, field: str, actor: str
) -> None:
    """The responses are equal, and nothing is changed."""
    ours, theirs = [await open_business(api, database, name) for name in ("Ours", "Theirs")]
    document, kind = WITH_IDS[field]
    foreign = theirs.id_of(kind)
    token = ours.people[actor].token
    before = await rows(database)

    answer = await api.post(document, token, id=foreign)

    assert answer == await api.post(document, token, id=str(uuid4()))
    assert answer == await api.post(document, token, id="no id at all")
    assert await rows(database) == before
    if "errors" not in answer:
        (result,) = answer["data"].values()
        assert result in (None, {"edges": []}) or result["__typename"] == "NotFound"


@pytest.mark.parametrize("field", WITH_IDS)
async def test_the_same_id_is_found_by_its_own_tenant(
    api: Api, database: asyncpg.Connection, field: str
) -> None:
    """The documents of the table find what exists."""
    theirs = await open_business(api, database, "Theirs")
    document, kind = WITH_IDS[field]
    own = theirs.id_of(kind)
    actor = "cashier" if kind == "session" else "owner"

    (result,) = (await api.data(document, theirs.people[actor].token, id=own)).values()

    assert result is not None
    assert result.get("__typename") != "NotFound"


async def test_the_session_of_a_colleague_cannot_be_revoked(api: Api, database: asyncpg.Connection) -> None:
    """Nor can an operator revoke the session of another user."""
    ours = await open_business(api, database, "Ours")
    operator = await hire(database, None, "SUPER_ADMIN")
    document, _ = WITH_IDS["revokeSession"]

    for token in (ours.people["owner"].token, operator.token):
        answer = await api.data(document, token, id=ours.session_id)
        assert answer["revokeSession"]["__typename"] == "NotFound"

    assert await api.viewer(ours.people["cashier"].token) is not None


# Fields without an id

PERSON = "id email lastName"

TENANT = f"""id businessName owner {{ {PERSON} }} seats {{ used reserved }}
  INVITATIONS
  staff(first: 100, after: $after) {{ totalCount edges {{ node {{ {PERSON} tenant {{ id }} }} }} }}"""

INVITATIONS = "invitations(first: 100, after: $after) { totalCount edges { node { id email lastName } } }"

EVERYTHING = f"""
query($after: String) {{ viewer {{ {PERSON} tenant {{ {TENANT} }} }} sessions {{ id ipAddress userAgent }}
  secondFactor {{ passkeys {{ id name }} }} }}
"""


async def test_no_query_shows_another_tenant(api: Api, database: asyncpg.Connection) -> None:
    """Also with a cursor of the other tenant, which contains a time only."""
    theirs, ours = [await open_business(api, database, name) for name in ("Theirs", "Ours")]
    cursors = "{ viewer { tenant { staff(first: 1) { edges { cursor } } } } }"
    page = await api.data(cursors, theirs.people["owner"].token)
    (edge,) = page["viewer"]["tenant"]["staff"]["edges"]

    for actor in ours.people.values():
        for after in (None, edge["cursor"]):
            may_see_invitations = actor is not ours.people["cashier"]
            document = EVERYTHING.replace("INVITATIONS", INVITATIONS if may_see_invitations else "")
            shown = await api.data(document, actor.token, after=after)
            staff = shown["viewer"]["tenant"]["staff"]
            assert {person["node"]["email"] for person in staff["edges"]} == {
                person.email for person in ours.people.values()
            }
            assert staff["totalCount"] == 3
            assert len(shown["sessions"]) == 1
            text = str(shown)
            for secret in (
                theirs.id,
                "Theirs",
                theirs.session_id,
                theirs.passkey_id,
                *[p.email for p in theirs.people.values()],
            ):
                assert secret not in text


async def test_mutations_change_only_the_viewers_tenant(api: Api, database: asyncpg.Connection) -> None:
    theirs = await open_business(api, database, "Theirs")
    untouched = await rows(database)
    ours = await open_business(api, database, "Ours")
    token = ours.people["owner"].token
    somebody = {"email": "eva@example.com", "firstName": "Eva", "lastName": "Sol", "role": "CASHIER"}
    acts = """mutation($i: CreateStaffInput!, $p: ChangePasswordInput!) {
      updateTenant(input: {address: "Elsewhere"}) { ... on Tenant { id } }
      createStaff(input: $i) { ... on User { tenant { id } } }
      changePassword(input: $p) { __typename } logout { message } }"""

    done = await api.data(
        acts,
        token,
        i={**somebody, "password": PASSWORD},
        p={"currentPassword": PASSWORD, "newPassword": "0ther!Secret"},
    )

    assert done["updateTenant"]["id"] == done["createStaff"]["tenant"]["id"] == ours.id
    assert done["changePassword"]["__typename"] == "Done"
    after = await rows(database)
    for kind_before, kind_after in zip(untouched, after, strict=True):
        kept = {row["id"] for row in kind_before}
        assert [row for row in kind_after if row["id"] in kept] == kind_before
    assert await api.viewer(theirs.people["owner"].token) is not None
