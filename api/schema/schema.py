"""The schema: which resolver answers which root field."""

import sys
from datetime import datetime
from functools import cache

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.utils.str_converters import to_camel_case

from api.schema import (
    audit_events,
    beta_keys,
    one_time_codes,
    registration,
    sessions,
    staff,
    tenant_admin,
    tenants,
    users,
)
from api.schema.error_types import EXCEPTION_HANDLERS
from api.schema.scalars import DATE_TIME, JSON, Json


@strawberry.type
class Query:
    validate_beta_key: beta_keys.BetaKeyValidation = strawberry.field(
        resolver=beta_keys.validate_beta_key,
        description="Whether a beta key would admit a business now. Public.",
    )
    viewer: users.User | None = strawberry.field(
        resolver=users.viewer, description="The signed-in user; null when nobody is."
    )
    devices: list[sessions.Session] = strawberry.field(
        name="sessions", resolver=sessions.list_sessions, description="The viewer's devices."
    )
    key_page: beta_keys.BetaKeyConnection = strawberry.field(
        name="betaKeys", resolver=beta_keys.list_beta_keys, description="Operators."
    )
    beta_key: beta_keys.BetaKey | None = strawberry.field(resolver=beta_keys.beta_key)
    beta_key_stats: beta_keys.BetaKeyStats = strawberry.field(resolver=beta_keys.beta_key_stats)
    tenant_page: tenant_admin.TenantConnection = strawberry.field(
        name="tenants", resolver=tenant_admin.list_tenants
    )
    tenant: tenants.Tenant | None = strawberry.field(
        resolver=tenants.tenant, description="An operator sees any tenant; staff their own."
    )
    event_page: audit_events.AuditEventConnection = strawberry.field(
        name="auditEvents",
        resolver=audit_events.list_audit_events,
        description="Operators see all; admins their tenant's.",
    )


@strawberry.type
class Mutation:
    register: registration.RegisterResult = strawberry.field(
        resolver=registration.register,
        description="Turns a beta key into a tenant, its owner and a session, all or nothing. "
        "Public; safe to repeat.",
    )
    login: sessions.LoginResult = strawberry.field(resolver=sessions.login)
    logout: sessions.Done = strawberry.field(resolver=sessions.logout)
    revoke_session: sessions.RevokeSessionResult = strawberry.field(resolver=sessions.revoke_session)
    change_password: sessions.ChangePasswordResult = strawberry.field(resolver=sessions.change_password)
    request_password_reset: one_time_codes.RequestCodeResult = strawberry.field(
        resolver=one_time_codes.request_password_reset,
        description="Always accepted, whether or not the address is known.",
    )
    reset_password: one_time_codes.ResetPasswordResult = strawberry.field(
        resolver=one_time_codes.reset_password
    )
    request_email_verification: one_time_codes.RequestCodeResult = strawberry.field(
        resolver=one_time_codes.request_email_verification
    )
    verify_email: one_time_codes.VerifyEmailResult = strawberry.field(resolver=one_time_codes.verify_email)
    update_tenant: tenants.UpdateTenantResult = strawberry.field(
        resolver=tenants.update_tenant, description="Admins, for their own tenant; managers for cashiers."
    )
    create_staff: staff.CreateStaffResult = strawberry.field(resolver=staff.create_staff)
    update_staff: staff.UpdateStaffResult = strawberry.field(resolver=staff.update_staff)
    remove_staff: staff.RemoveStaffResult = strawberry.field(resolver=staff.remove_staff)
    issue_beta_keys: beta_keys.IssueBetaKeysResult = strawberry.field(
        resolver=beta_keys.issue_beta_keys, description="Operators."
    )
    update_beta_key: beta_keys.UpdateBetaKeyResult = strawberry.field(resolver=beta_keys.update_beta_key)
    revoke_beta_key: beta_keys.RevokeBetaKeyResult = strawberry.field(resolver=beta_keys.revoke_beta_key)
    send_beta_key: beta_keys.SendBetaKeyResult = strawberry.field(resolver=beta_keys.send_beta_key)
    suspend_tenant: tenant_admin.ChangeTenantResult = strawberry.field(resolver=tenant_admin.suspend_tenant)
    reactivate_tenant: tenant_admin.ChangeTenantResult = strawberry.field(
        resolver=tenant_admin.reactivate_tenant
    )
    set_seats: tenant_admin.SetSeatsResult = strawberry.field(resolver=tenant_admin.set_seats)
    request_tenant_deletion: one_time_codes.RequestCodeResult = strawberry.field(
        resolver=tenant_admin.request_tenant_deletion,
        description="Mails a code to the operator who asks.",
    )
    delete_tenant: tenant_admin.DeleteTenantResult = strawberry.field(
        resolver=tenant_admin.delete_tenant,
        description="Hides the tenant at once and erases it after the grace period.",
    )


class _Names(NameConverter):
    """Remembers names: Strawberry asks for that of each argument whenever a resolver is called."""

    def apply_naming_config(self, name: str) -> str:
        return _camel_case(name)


@cache
def _camel_case(name: str) -> str:
    return to_camel_case(name)


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    exception_handlers=EXCEPTION_HANDLERS,
    config=StrawberryConfig(name_converter=_Names(), scalar_map={datetime: DATE_TIME, Json: JSON}),
)


if __name__ == "__main__":
    sys.stdout.write(f"{schema.as_str()}\n")
