"""The hourly clean-up: expired sessions, codes and invitations, old devices, failed mails and events, deleted
tenants."""

from api.database.scopes import platform_scope
from api.domain.beta_keys.expiry import mark_expired
from api.domain.tenants.deletion import erase_deleted_tenants
from api.observability.logs import get_logger
from api.settings import get_settings
from tables import AuditEvent, KnownDevice, Mail, OneTimeCode, Session, StaffInvitation, WrongPassword

logger = get_logger()

BATCH = 1000
"""Rows of one statement. A statement without a limit would exceed the statement timeout."""

FAILED_MAIL_RETENTION = "90 days"

KNOWN_DEVICE_RETENTION = "400 days"

EXPIRED_INVITATION_RETENTION = "30 days"
"""Until then an invitation is listed as expired, and can be sent again."""

AUDIT_RETENTION = "gatehouse.audit_retention_days"
"""The PostgreSQL setting by which the trigger on `audit_events` allows the deletion of old events."""

# The newest row of a user stays, whatever its age: without one, a thief's sign-in would pass for the first
# one.
_IS_OLD_DEVICE = f"""
"lastSeenAt" <= now() - interval '{KNOWN_DEVICE_RETENTION}' AND EXISTS (
    SELECT FROM known_devices newer
     WHERE newer."userId" = known_devices."userId" AND newer."lastSeenAt" > known_devices."lastSeenAt")
"""

_DELETABLE = (
    (Session, "sessions", '"expiresAt" <= now()'),
    (OneTimeCode, "one_time_codes", '"expiresAt" <= now()'),
    (KnownDevice, "known_devices", _IS_OLD_DEVICE),
    (
        StaffInvitation,
        "staff_invitations",
        f"\"expiresAt\" <= now() - interval '{EXPIRED_INVITATION_RETENTION}'",
    ),
    (WrongPassword, "wrong_passwords", "\"lastAt\" <= now() - interval '1 day'"),
    (Mail, "mails", f"\"failedAt\" <= now() - interval '{FAILED_MAIL_RETENTION}'"),
    (
        AuditEvent,
        "audit_events",
        f"at <= now() - current_setting('{AUDIT_RETENTION}')::int * interval '1 day'",
    ),
)


async def clean_up() -> None:
    """Delete what is out of date, and mark expired keys. Several processes can run it at the same time."""
    while await mark_expired(BATCH) == BATCH:
        pass
    days = str(get_settings().audit_retention_days)
    for table, name, condition in _DELETABLE:
        deleted = BATCH
        while deleted == BATCH:
            async with platform_scope():
                await AuditEvent.raw("SELECT set_config({}, {}, true)", AUDIT_RETENTION, days)
                rows = await table.raw(
                    # Not a subquery, which may run several times, and exceed the limit.
                    f"WITH due AS MATERIALIZED (SELECT id FROM {name} WHERE {condition}"
                    f" LIMIT {BATCH} FOR UPDATE SKIP LOCKED)"
                    f" DELETE FROM {name} USING due WHERE {name}.id = due.id RETURNING {name}.id"
                )
            deleted = len(rows)
            if deleted:
                logger.info("cleaned up", table=name, rows=deleted)
    # Last, because it takes the longest, and an error in it must not stop the rest.
    await erase_deleted_tenants()
