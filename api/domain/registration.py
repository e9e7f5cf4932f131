"""Registration: a beta key becomes a tenant, its owner and a session, all or nothing."""

from dataclasses import dataclass
from typing import Any

from asyncpg import UniqueViolationError

from api.database.rows import read_optional_row, select_list
from api.database.scopes import platform_scope, read_platform
from api.domain import fields, rate_limits
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
    FieldProblem,
    NitTaken,
    WrongCode,
)
from api.domain.mails import Template, queue_mail
from api.domain.roles import Role
from api.settings import get_settings
from tables import Tenant, User


@dataclass(frozen=True, kw_only=True)
class RegistrationRequest:
    """What a business writes on the form, as it wrote it."""

    beta_key: str
    business_name: str
    nit: str
    business_type: str
    address: str
    business_phone: str | None
    business_email: str | None
    first_name: str
    last_name: str
    email: str
    password: str
    document_id: str | None
    phone_number: str | None
    email_verification_token: str | None = None
    problems: tuple[FieldProblem, ...] = ()
    """What the door found wrong before any text could be read: a number in the place of a name."""


async def register(application: RegistrationRequest, client: Client) -> OpenedSession:
    """Turn a beta key into a tenant, its owner and a session.

    Safe to repeat: where the key was used by this very registration, and the password is right, the
    answer is the same tenant and owner with a fresh session.

    Raises `RateLimited`, `InvalidInput`, `BetaKeyRejected`, and, to holders of a valid key only, `WrongCode`
    where addresses have to be verified and this one is not, `EmailTaken` and `NitTaken`. Whatever
    it raises, nothing is left behind and the key is unused.
    """
    await rate_limits.count(rate_limits.REGISTER, rate_limits.address_of(client))
    form = _read(application)
    key = await find_key(application.beta_key)
    refused = rejection(key, form.owner["email"])
    if key is not None and refused is None:
        try:
            if get_settings().require_verified_email:
                await check_token(form.token, Purpose.VERIFIED_EMAIL, form.owner["email"])
            # Hashed before the transaction: no connection is held and no row locked while the cores work.
            password_hash = await hash_password(form.password)
            return await _admit(form, password_hash, key, client)
        except (UniqueViolationError, BetaKeyRejected, WrongCode) as error:
            # Whoever came first may have been this very registration, sent twice; the key tells.
            key = await find_key(application.beta_key)
            refused = rejection(key, form.owner["email"])
            if refused is None:
                raise _told(error) from None
    if key is not None and refused is BetaKeyRejection.USED:
        again = await _repeat(form, key, client)
        if again is not None:
            return again
    raise BetaKeyRejected(refused or BetaKeyRejection.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class _Form:
    """What the business wrote, cleaned: the columns of its tenant and of its owner, by Python name."""

    tenant: dict[str, Any]
    owner: dict[str, Any]
    password: str
    token: str | None
    """Shows that the owner reads that mailbox."""


def _read(application: RegistrationRequest) -> _Form:
    """Clean every field. Raises `InvalidInput` with all that is wrong."""
    read = fields.Fields(application.problems)
    form = _Form(
        tenant={
            "business_name": read("businessName", fields.text(200), application.business_name),
            "nit": read("nit", fields.tax_id, application.nit),
            "business_type": read("businessType", fields.business_type, application.business_type),
            "address": read("address", fields.text(500), application.address),
            "phone": read.optional("businessPhone", fields.phone, application.business_phone),
            "email": read.optional("businessEmail", fields.email(100), application.business_email),
        },
        owner={
            "email": read("email", fields.email(120), application.email),
            "first_name": read("firstName", fields.text(60), application.first_name),
            "last_name": read("lastName", fields.text(60), application.last_name),
            "document_id": read.optional("documentId", fields.text(20), application.document_id),
            "phone_number": read.optional("phoneNumber", fields.phone, application.phone_number),
        },
        password=read("password", fields.password, application.password),
        token=application.email_verification_token,
    )
    read.check()
    return form


async def _admit(form: _Form, password_hash: str, key: KeyState, client: Client) -> OpenedSession:
    """The transaction. Every registration takes its locks in this order, so none can deadlock another."""
    tenant = Tenant(**form.tenant, beta_key_used=key.key)
    owner = User(
        **form.owner, password=password_hash, role=Role.ADMIN.value, tenant_id=tenant.id, is_owner=True
    )
    async with platform_scope():
        await Tenant.insert(tenant)
        await User.insert(owner)
        await claim_key(key.id, tenant.id, owner.email)
        if get_settings().require_verified_email:
            await consume_token(form.token, Purpose.VERIFIED_EMAIL, owner.email)
        await record_event(
            "tenant.registered",
            Actor.of(owner, client),
            tenant_id=tenant.id,
            subject_id=tenant.id,
        )
        await record_event("beta_key.used", Actor.of(owner, client), tenant_id=tenant.id, subject_id=key.id)
        await queue_mail(
            Template.WELCOME,
            to=owner.email,
            language=client.language,
            firstName=owner.first_name,
            businessName=tenant.business_name,
        )
        return await insert_session(owner, tenant, client)


def _told(error: UniqueViolationError | BetaKeyRejected | WrongCode) -> Exception:
    """What the holder of a valid key is told; by table, as adopted databases name their indexes otherwise."""
    if isinstance(error, UniqueViolationError):
        taken: dict[str | None, DomainError] = {"tenants": NitTaken(), "users": EmailTaken()}
        return taken.get(getattr(error, "table_name", None), error)
    return error


_OWNER = f"""
SELECT {select_list(User, "u")}, {select_list(Tenant, "t")}
  FROM tenants t JOIN users u ON u."tenantId" = t.id AND u."isOwner"
 WHERE t.id = {{}} AND t.nit = {{}} AND u."emailLower" = lower({{}}) AND t."isActive" AND u."isActive"
"""


async def _repeat(form: _Form, key: KeyState, client: Client) -> OpenedSession | None:
    """A session for the owner whom `key` admitted, if this is the same registration once more."""
    rows = await read_platform(_OWNER, key.used_by_tenant_id, form.tenant["nit"], form.owner["email"])
    for row in rows:
        admitted, business = read_optional_row(User, "u", row), read_optional_row(Tenant, "t", row)
        if admitted is None:
            continue
        # Whoever knows a used key may guess at its owner's password here as well as at sign-in.
        account = rate_limits.account_of(admitted.email)
        await rate_limits.check(rate_limits.WRONG_PASSWORDS, account)
        valid = await verify_password(form.password, admitted.password)
        await rate_limits.settle_guess(rate_limits.WRONG_PASSWORDS, account, wrong=not valid)
        if valid:
            async with platform_scope():
                return await open_session(admitted, business, client)
    return None
