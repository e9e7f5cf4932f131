"""What is over goes: expired sessions, codes and tokens, old failures and events, deleted tenants."""

from api.database.scopes import platform_scope
from api.domain.beta_keys.expiry import mark_expired
from api.domain.tenants.deletion import erase_deleted_tenants
from api.observability.logs import get_logger
from api.settings import get_settings
from tables import AuditEvent, Mail, OneTimeCode, Session

logger = get_logger()

BATCH = 1000
"""Rows a statement: one for all would take longer than a statement may."""

KEPT_FAILURES = "90 days"

RETENTION = "gatehouse.audit_retention_days"
"""The trigger that keeps the events lets those go that are older than this says."""

_OVER = (
    (Session, "sessions", '"expiresAt" <= now()'),
    (OneTimeCode, "one_time_codes", '"expiresAt" <= now()'),
    (Mail, "mails", f"\"failedAt\" <= now() - interval '{KEPT_FAILURES}'"),
    (AuditEvent, "audit_events", f"at <= now() - current_setting('{RETENTION}')::int * interval '1 day'"),
)


async def clean_up() -> None:
    """Erase it, and note which keys have expired, as often as anybody likes and wherever else it is done."""
    while await mark_expired(BATCH) == BATCH:
        pass
    days = str(get_settings().audit_retention_days)
    for table, name, over in _OVER:
        erased = BATCH
        while erased == BATCH:
            async with platform_scope():
                await AuditEvent.raw("SELECT set_config({}, {}, true)", RETENTION, days)
                rows = await table.raw(
                    f"DELETE FROM {name} WHERE id IN"
                    f" (SELECT id FROM {name} WHERE {over} LIMIT {BATCH} FOR UPDATE SKIP LOCKED) RETURNING id"
                )
            erased = len(rows)
            if erased:
                logger.info("cleaned up", table=name, rows=erased)
    # The last, because it takes the longest, and whatever stops it must not keep the rest from going.
    await erase_deleted_tenants()
