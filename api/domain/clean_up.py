"""What is over goes: expired sessions, codes and tokens, old failures of mails, deleted tenants."""

from api.database.scopes import platform_scope
from api.domain.beta_keys import mark_expired
from api.domain.tenant_deletion import erase_deleted_tenants
from api.logs import get_logger
from tables import Mail, OneTimeCode, Session

logger = get_logger()

BATCH = 1000
"""Rows a statement: one for all would take longer than a statement may."""

KEPT_FAILURES = "90 days"

_OVER = (
    (Session, "sessions", '"expiresAt" <= now()'),
    (OneTimeCode, "one_time_codes", '"expiresAt" <= now()'),
    (Mail, "mails", f"\"failedAt\" <= now() - interval '{KEPT_FAILURES}'"),
)


async def clean_up() -> None:
    """Erase it, and note which keys have expired, as often as anybody likes and wherever else it is done."""
    while await mark_expired(BATCH) == BATCH:
        pass
    await erase_deleted_tenants()
    for table, name, over in _OVER:
        erased = BATCH
        while erased == BATCH:
            async with platform_scope():
                rows = await table.raw(
                    f"DELETE FROM {name} WHERE id IN"
                    f" (SELECT id FROM {name} WHERE {over} LIMIT {BATCH} FOR UPDATE SKIP LOCKED) RETURNING id"
                )
            erased = len(rows)
            if erased:
                logger.info("cleaned up", table=name, rows=erased)
