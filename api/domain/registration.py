"""Registration: a beta key becomes a tenant, its owner and a session, all or nothing."""

from collections.abc import Mapping

from asyncpg import UniqueViolationError

from api.database.row_writes import insert_row
from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import rate_limits
from api.domain.accounts.one_time_codes import Purpose, check_token, consume_token
from api.domain.accounts.passwords import hash_password, verify_password
from api.domain.accounts.sessions import OpenedSession, insert_session, open_session
from api.domain.actors import Actor, Client
from api.domain.audit_events.recording import record_event
from api.domain.beta_keys.claim import claim_key
from api.domain.beta_keys.lookup import KeyState, find_key, rejection
from api.domain.errors import (
    BetaKeyRejected,
    BetaKeyRejection,
    DomainError,
    EmailTaken,
    NitTaken,
    WrongCode,
)
from api.domain.fields import (
    Address,
    BusinessEmail,
    BusinessName,
    BusinessTypeName,
    DocumentId,
    NoneIfBlank,
    Password,
    PersonName,
    Phone,
    TaxId,
    UserEmail,
)
from api.domain.forms import Form
from api.domain.mails import Template, queue_mail
from api.domain.roles import Role
from api.domain.tax_ids import equal_ids, letters_and_digits
from api.settings import get_settings
from tables import Tenant, User


class RegistrationRequest(Form):
    """The form that a business fills in: its key, its details, and those of its owner."""

    beta_key: str
    business_name: BusinessName
    nit: TaxId
    business_type: BusinessTypeName
    address: Address
    business_phone: NoneIfBlank[Phone]
    business_email: NoneIfBlank[BusinessEmail]
    email: UserEmail
    first_name: PersonName
    last_name: PersonName
    document_id: NoneIfBlank[DocumentId]
    phone_number: NoneIfBlank[Phone]
    password: Password
    email_verification_token: NoneIfBlank[str]
    """Shows that the owner has received mail at `email`; required with `REQUIRE_VERIFIED_EMAIL`."""


async def register(values: Mapping[str, object], client: Client) -> OpenedSession:
    """Turn a beta key into a tenant, its owner and a session; `values` are the fields of the request.

    Safe to repeat: if the key was used by the same registration (owner, tax id and password are equal), the
    result is the same tenant and owner with a new session.

    Raises `RateLimited`, `InvalidInput`, `BetaKeyRejected`, and, for a valid key only, `WrongCode` if the
    email has to be verified and is not, `EmailTaken` and `NitTaken`. After an error nothing is stored and the
    key is unused.
    """
    await rate_limits.count(rate_limits.REGISTER, rate_limits.address_of(client))
    request = RegistrationRequest.read(values)
    key = await find_key(request.beta_key)
    reason = rejection(key, request.email)
    if key is not None and reason is None:
        try:
            return await _create_tenant(request, key, client)
        except (UniqueViolationError, BetaKeyRejected, WrongCode) as error:
            # The conflict may be with this same registration, sent twice: then the key is used by now.
            key = await find_key(request.beta_key)
            reason = rejection(key, request.email)
            if reason is None:
                raise _to_domain_error(error) from None
    if key is not None and reason is BetaKeyRejection.USED:
        resumed = await _resume(request, key, client)
        if resumed is not None:
            return resumed
    raise BetaKeyRejected(reason or BetaKeyRejection.NOT_FOUND)


async def _create_tenant(request: RegistrationRequest, key: KeyState, client: Client) -> OpenedSession:
    """Insert everything in one transaction. All registrations lock in the same order, so none deadlock."""
    verify_email = get_settings().require_verified_email
    if verify_email:
        await check_token(request.email_verification_token, Purpose.VERIFIED_EMAIL, request.email)
    await _require_free_tax_id(request.nit)
    # Hashed before the transaction, which would hold a connection and locks while a core works.
    password_hash = await hash_password(request.password)
    tenant = _tenant(request, key)
    owner = _owner(request, password_hash, tenant)
    actor = Actor.of(owner, client)
    async with platform_scope():
        await insert_row(tenant)
        await insert_row(owner)
        await claim_key(key.id, tenant.id, owner.email)
        if verify_email:
            await consume_token(request.email_verification_token, Purpose.VERIFIED_EMAIL, owner.email)
        await record_event("tenant.registered", actor, tenant_id=tenant.id, subject_id=tenant.id)
        await record_event("beta_key.used", actor, tenant_id=tenant.id, subject_id=key.id)
        await queue_mail(
            Template.WELCOME,
            to=owner.email,
            language=client.language,
            firstName=owner.first_name,
            businessName=tenant.business_name,
        )
        return await insert_session(owner, tenant, client)


async def _require_free_tax_id(nit: str) -> None:
    """Raises `NitTaken` for an id that is stored in another form. The unique index finds the same form."""
    others = equal_ids(nit)[1:]
    if others and await read_platform("SELECT id FROM tenants WHERE nit = ANY({}::text[])", others):
        raise NitTaken


def _tenant(request: RegistrationRequest, key: KeyState) -> Tenant:
    return Tenant(
        business_name=request.business_name,
        nit=request.nit,
        business_type=request.business_type,
        address=request.address,
        phone=request.business_phone,
        email=request.business_email,
        beta_key_used=key.key,
    )


def _owner(request: RegistrationRequest, password_hash: str, tenant: Tenant) -> User:
    return User(
        email=request.email,
        password=password_hash,
        first_name=request.first_name,
        last_name=request.last_name,
        role=Role.ADMIN.value,
        tenant_id=tenant.id,
        is_owner=True,
        document_id=request.document_id,
        phone_number=request.phone_number,
    )


def _to_domain_error(error: UniqueViolationError | BetaKeyRejected | WrongCode) -> Exception:
    """The error for the holder of a valid key; by table, because adopted databases have other index names."""
    if isinstance(error, UniqueViolationError):
        taken: dict[str | None, DomainError] = {"tenants": NitTaken(), "users": EmailTaken()}
        return taken.get(getattr(error, "table_name", None), error)
    return error


_ACTIVE_OWNER = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
  FROM tenants t JOIN users u ON u."tenantId" = t.id AND u."isOwner"
 WHERE t.id = {{}} AND t.nit = ANY({{}}::text[]) AND u."emailLower" = lower({{}})
   AND t."isActive" AND u."isActive"
"""


async def _resume(request: RegistrationRequest, key: KeyState, client: Client) -> OpenedSession | None:
    """A new session for the owner who registered with `key`; None if this is another registration."""
    # Until tax ids kept their `&`, they were stored without it.
    nits = [*equal_ids(request.nit), letters_and_digits(request.nit)]
    rows = await read_platform(_ACTIVE_OWNER, key.used_by_tenant_id, nits, request.email)
    if not rows:
        return None
    owner, tenant = read_row(User, "u", rows[0]), read_row(Tenant, "t", rows[0])
    # A wrong password counts here as at sign-in: the holder of a used key could guess the owner's.
    account = rate_limits.account_of(owner.email)
    await rate_limits.check(rate_limits.WRONG_PASSWORDS, account)
    valid = await verify_password(request.password, owner.password)
    await rate_limits.settle_guess(rate_limits.WRONG_PASSWORDS, account, wrong=not valid)
    if not valid:
        return None
    async with platform_scope():
        return await open_session(owner, tenant, client)
