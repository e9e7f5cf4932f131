"""Registration: a beta key becomes a tenant, its owner and a session, all or nothing."""

from collections.abc import Mapping

from asyncpg import UniqueViolationError

from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import rate_limits
from api.domain.accounts.email_verification import EmailProof
from api.domain.accounts.hash_queue import Share, takes_turns
from api.domain.accounts.one_time_tokens import check_token, consume_token
from api.domain.accounts.password_guesses import guess_password
from api.domain.accounts.passwords import PasswordCheck, hash_password
from api.domain.accounts.sessions import OpenedSession, open_session, require_session
from api.domain.accounts.sign_in_challenges import Challenge, store_challenge
from api.domain.actors import Client
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
    OldPassword,
    Password,
    PersonName,
    Phone,
    TaxId,
    UserEmail,
)
from api.domain.forms import Form
from api.domain.registration_rows import insert_registration
from api.domain.roles import Role
from api.domain.tax_ids import concurrent_ids, digits_of, equal_ids, rank
from api.domain.users import find_active_without_tenant
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


class OldRegistrationRequest(RegistrationRequest):
    """The form of the old system's client, which knows only the old rule for passwords."""

    password: OldPassword


@takes_turns(Share.REGISTRATION)
async def register(
    values: Mapping[str, object], client: Client, *, from_old_client: bool = False
) -> OpenedSession:
    """Turn a beta key into a tenant, its owner and a session; `values` are the fields of the request.

    Safe to repeat: if the key was used by the same registration (owner, tax id and password are equal), the
    result is the same tenant and owner with a new session. A user whom an old database had before tenants
    becomes the owner, with the password and email of that user; a wrong password is `EmailTaken`.

    With `from_old_client`, the email of a request without a token counts as verified if
    `verify_email_for_client` verified it for the same client address, and a password may follow the old rule.

    An owner with a second factor gets `SecondFactorRequired` instead of a session; the tenant exists then.
    Raises `RateLimited`, `InvalidInput`, `BetaKeyRejected`, and, for a valid key only, `WrongCode` if the
    email has to be verified and is not, `EmailTaken` and `NitTaken`. After an error nothing is stored and the
    key is unused.
    """
    await rate_limits.count(rate_limits.REGISTER, *rate_limits.networks_of(client))
    return require_session(await _register(values, client, from_old_client=from_old_client))


async def _register(
    values: Mapping[str, object], client: Client, *, from_old_client: bool
) -> OpenedSession | Challenge:
    form = OldRegistrationRequest if from_old_client else RegistrationRequest
    request = form.read(values)
    proof = EmailProof.of(request.email_verification_token, client, accept_address=from_old_client)
    key = await find_key(request.beta_key)
    reason = rejection(key, request.email)
    if key is not None and reason is None:
        try:
            return await _create_tenant(request, key, client, proof)
        except (UniqueViolationError, EmailTaken, NitTaken, BetaKeyRejected, WrongCode) as error:
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


async def _create_tenant(
    request: RegistrationRequest, key: KeyState, client: Client, proof: EmailProof
) -> OpenedSession | Challenge:
    """Create the tenant with a new owner, or with a user whom the old system had before it had tenants."""
    if get_settings().require_verified_email:
        await check_token(proof.token, proof.purpose, request.email)
    await _require_free_tax_id(request.nit)
    # Hashed before the transaction, which would hold a connection and locks while a core works.
    password_hash = await hash_password(request.password)
    tenant = _tenant(request, key)
    owner = _owner(request, password_hash, tenant)
    try:
        return await _store(request, key, client, proof, tenant, owner)
    except UniqueViolationError as error:
        user = await find_active_without_tenant(request.email) if _table_of(error) == "users" else None
        if user is None or not (await _check_password_of(user, request, client)).is_valid:
            raise
    # A new session must be that of the stored user, whose address keeps its spelling.
    owner.id, owner.email, owner.created_at = user.id, user.email, user.created_at
    owner.second_factor_at = user.second_factor_at
    return await _store(request, key, client, proof, tenant, owner, old_password=user.password)


async def _store(
    request: RegistrationRequest,
    key: KeyState,
    client: Client,
    proof: EmailProof,
    tenant: Tenant,
    owner: User,
    old_password: str | None = None,
) -> OpenedSession | Challenge:
    """Store everything in one transaction: see `insert_registration`."""
    async with platform_scope():
        await _lock_tax_id(request.nit)
        opened = await insert_registration(tenant, owner, key, client, old_password)
        if get_settings().require_verified_email:
            await consume_token(proof.token, proof.purpose, request.email)
        return opened or await store_challenge(owner, owner.password)


_SAME_DIGITS = 'SELECT nit FROM tenants WHERE "taxIdDigits" = ANY({}::text[])'


async def _require_free_tax_id(nit: str) -> None:
    """Raises `NitTaken` for an id that is stored in another form. The unique index finds the same form."""
    forms = equal_ids(nit)
    rows = await read_platform(_SAME_DIGITS, digits_of(forms))
    if any(rank(row["nit"], forms) is not None for row in rows):
        raise NitTaken


_OTHER_ID_TAKEN = "SELECT FROM tenants WHERE nit = ANY({}::text[]) AND nit <> {}"


async def _lock_tax_id(nit: str) -> None:
    """Let registrations with ids of one business follow one another, until the end of the transaction.

    `_require_free_tax_id` does not see what a concurrent registration stores. Raises `NitTaken`.
    """
    ids = concurrent_ids(nit)
    if len(ids) == 1:
        return
    await Tenant.raw("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", f"tax id {ids[0]}")
    # A statement of its own: that of the lock sees the rows from before it waited.
    if await Tenant.raw(_OTHER_ID_TAKEN, ids, nit):
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


def _table_of(error: UniqueViolationError) -> str | None:
    """The table, because adopted databases have other names of indexes."""
    return getattr(error, "table_name", None)


async def _check_password_of(user: User, request: RegistrationRequest, client: Client) -> PasswordCheck:
    """Whether the request has the user's password. A wrong one counts as at sign-in."""
    return await guess_password(request.password, user.email, user, client, is_known=False)


def _to_domain_error(
    error: UniqueViolationError | EmailTaken | NitTaken | BetaKeyRejected | WrongCode,
) -> Exception:
    """The error for the holder of a valid key."""
    if isinstance(error, UniqueViolationError):
        taken: dict[str | None, DomainError] = {"tenants": NitTaken(), "users": EmailTaken()}
        return taken.get(_table_of(error), error)
    return error


_ACTIVE_OWNER = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
  FROM tenants t JOIN users u ON u."tenantId" = t.id AND u."isOwner"
 WHERE t.id = {{}} AND u."emailLower" = lower({{}})
   AND t."isActive" AND u."isActive"
"""


async def _resume(
    request: RegistrationRequest, key: KeyState, client: Client
) -> OpenedSession | Challenge | None:
    """A new session for the owner who registered with `key`; None if this is another registration."""
    rows = await read_platform(_ACTIVE_OWNER, key.used_by_tenant_id, request.email)
    if not rows:
        return None
    owner, tenant = read_row(User, "u", rows[0]), read_row(Tenant, "t", rows[0])
    if rank(tenant.nit, equal_ids(request.nit)) is None:
        return None
    # The holder of a used key could guess the owner's password.
    checked = await _check_password_of(owner, request, client)
    if not checked.is_valid:
        return None
    rehashed = await hash_password(request.password) if checked.is_outdated else None
    async with platform_scope():
        return await open_session(owner, tenant, client, rehashed=rehashed)
