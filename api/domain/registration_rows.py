"""The rows of a registration, which one statement stores: each round trip costs what the network takes."""

from typing import Any

from api.database.statement_chain import StatementChain, insert_from
from api.domain.accounts.sessions import OpenedSession, add_session
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import INSERT_EVENT, event_values
from api.domain.beta_keys.claim import CLAIM
from api.domain.beta_keys.lookup import KeyState
from api.domain.errors import BetaKeyRejected, BetaKeyRejection, EmailTaken
from api.domain.mails import INSERT_MAIL, Template, mail_values
from api.domain.second_factor_policy import is_asked
from api.domain.users import WITHOUT_TENANT, attached_event
from tables import Tenant, User


async def insert_registration(
    tenant: Tenant, owner: User, key: KeyState, client: Client, old_password: str | None
) -> OpenedSession | None:
    """Store tenant and owner in the open transaction, claim the key, and open a session of the owner.

    Also records the acts, queues the mail, and sets the times of `tenant` and `owner`. No session is opened
    for an owner whose second factor is still to be verified. The owner is new, or a user without a tenant
    who has the hash `old_password`. All registrations lock in the same order, so none deadlock: tenant, user,
    key. Raises `UniqueViolationError`, `EmailTaken` if that user has changed since, and `BetaKeyRejected`.
    """
    actor = Actor.of(owner, client)
    chain = StatementChain()
    chain.add("tenant", *insert_from(tenant, ""))
    if old_password is None:
        chain.add("owner", *insert_from(owner, "FROM tenant"))
    else:
        chain.add("owner", _MAKE_OWNER, _owner_values(owner, old_password))
    chain.add("claimed", CLAIM, [tenant.id, key.id, owner.email])
    about_tenant = event_values("tenant.registered", actor, tenant_id=tenant.id, subject_id=tenant.id)
    chain.add("registered", f"{INSERT_EVENT} FROM claimed", about_tenant)
    about_key = event_values("beta_key.used", actor, tenant_id=tenant.id, subject_id=key.id)
    chain.add("used", f"{INSERT_EVENT} FROM claimed", about_key)
    if old_password is not None:
        chain.add("attached", f"{INSERT_EVENT} FROM claimed", attached_event(actor, owner))
    chain.add("welcome", f"{INSERT_MAIL} FROM claimed", _welcome(tenant, owner, client))
    opens = not is_asked(owner.role, owner.second_factor_at)
    token = add_session(chain, owner, client, "claimed") if opens else ""
    row = await chain.run(User, f"{_RESULT} {_WITH_SESSION if opens else ''}")
    if not row["hasOwner"]:
        raise EmailTaken
    if not row["isClaimed"]:
        raise BetaKeyRejected(BetaKeyRejection.USED)
    tenant.created_at = tenant.updated_at = owner.updated_at = row["now"]
    if old_password is None:
        owner.created_at = row["now"]
    return OpenedSession(token, row["createdAt"], row["expiresAt"], owner, tenant) if opens else None


_RESULT = """
SELECT EXISTS (SELECT FROM owner) AS "hasOwner", EXISTS (SELECT FROM claimed) AS "isClaimed", now()
"""

_WITH_SESSION = ", session.* FROM (SELECT) one LEFT JOIN session ON true"

_MAKE_OWNER = f"""
UPDATE users u
   SET "tenantId" = {{}}, role = {{}}, password = {{}}, "firstName" = {{}}, "lastName" = {{}},
       "documentId" = {{}}, "phoneNumber" = {{}}, "isOwner" = true, "updatedAt" = now()
  FROM tenant
 WHERE u.id = {{}} AND u.password = {{}} AND {WITHOUT_TENANT} AND u."isActive" RETURNING u.id
"""


def _owner_values(owner: User, old_password: str) -> list[Any]:
    return [
        owner.tenant_id,
        owner.role,
        owner.password,
        owner.first_name,
        owner.last_name,
        owner.document_id,
        owner.phone_number,
        owner.id,
        old_password,
    ]


def _welcome(tenant: Tenant, owner: User, client: Client) -> list[Any]:
    return mail_values(
        Template.WELCOME,
        to=owner.email,
        language=client.language,
        firstName=owner.first_name,
        businessName=tenant.business_name,
    )
