"""The root types. A new root field is defined in the module of its feature and listed here."""

from typing import Annotated

import strawberry
from strawberry.tools import create_type

from api.schema import (
    audit_events,
    beta_key_admin,
    beta_keys,
    email_change,
    one_time_codes,
    operators,
    passkeys,
    registration,
    second_factors,
    sessions,
    staff,
    staff_invitations,
    tenant_admin,
    tenants,
    viewer,
)
from api.schema.error_formatting import ERRORS_DESCRIPTION


@strawberry.field(
    description="The root again, for fields that may fail: null if one of them fails, while those beside "
    "it have their data. Elsewhere the whole response is null, because most root fields cannot be null."
)
def query() -> Annotated["Query", strawberry.lazy("api.schema.roots")] | None:  # pyright: ignore[reportInvalidTypeForm]
    return Query()


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
        operators.operators,
        second_factors.second_factor,
        query,
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
        sessions.sign_out_everywhere,
        sessions.confirm_identity,
        sessions.change_password,
        one_time_codes.request_password_reset,
        one_time_codes.reset_password,
        one_time_codes.request_email_verification,
        one_time_codes.verify_email,
        viewer.update_viewer,
        email_change.request_email_change,
        email_change.confirm_email_change,
        tenants.update_tenant,
        staff_invitations.invite_staff,
        staff_invitations.resend_invitation,
        staff_invitations.cancel_invitation,
        staff_invitations.accept_invitation,
        staff.create_staff,
        staff.update_staff,
        staff.remove_staff,
        staff.end_staff_sessions,
        beta_key_admin.issue_beta_keys,
        beta_key_admin.update_beta_key,
        beta_key_admin.revoke_beta_key,
        beta_key_admin.send_beta_key,
        tenant_admin.suspend_tenant,
        tenant_admin.reactivate_tenant,
        tenant_admin.set_seats,
        tenant_admin.request_tenant_deletion,
        tenant_admin.delete_tenant,
        second_factors.verify_second_factor,
        second_factors.start_second_factor,
        second_factors.confirm_second_factor,
        second_factors.renew_recovery_codes,
        second_factors.turn_off_second_factor,
        second_factors.reset_second_factor,
        passkeys.start_passkey_registration,
        passkeys.finish_passkey_registration,
        passkeys.start_passkey_confirmation,
        passkeys.remove_passkey,
        operators.remove_operator,
        operators.deactivate_operator,
        operators.reactivate_operator,
        operators.reset_operator_password,
    ],
    description="Changes. Errors that a client can act on are members of the union that a mutation returns. "
    f"{ERRORS_DESCRIPTION}",
)
