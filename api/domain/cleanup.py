"""The hourly clean-up: expired sessions, codes and invitations, old devices, failed mails and events, deleted
tenants."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from piccolo.table import Table

from api.database.bulkheads import is_long
from api.database.driver_errors import DatabaseUnavailable
from api.database.scopes import platform_scope
from api.domain.beta_keys.expiry import mark_expired
from api.domain.tenants.deletion import erase_deleted_tenants
from api.observability.error_descriptions import describe_error
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


class _Outdated(NamedTuple):
    """Rows of a table that are deleted once `time` is `age` ago, both in SQL, if `condition` holds too."""

    table: type[Table]
    time: str
    age: str
    condition: str = "true"

    @property
    def name(self) -> str:
        return self.table._meta.tablename

    @property
    def is_due(self) -> str:
        return f"{self.time} <= now() - {self.age}"


# The newest row of a user stays, whatever its age: without one, a thief's sign-in would pass for the first
# one.
_HAS_NEWER_DEVICE = """EXISTS (
    SELECT FROM known_devices newer
     WHERE newer."userId" = known_devices."userId" AND newer."lastSeenAt" > known_devices."lastSeenAt")
"""

_OUTDATED = (
    _Outdated(Session, '"expiresAt"', "interval '0'"),
    _Outdated(OneTimeCode, '"expiresAt"', "interval '0'"),
    _Outdated(KnownDevice, '"lastSeenAt"', f"interval '{KNOWN_DEVICE_RETENTION}'", _HAS_NEWER_DEVICE),
    _Outdated(WrongPassword, '"lastAt"', "interval '1 day'"),
    _Outdated(StaffInvitation, '"expiresAt"', f"interval '{EXPIRED_INVITATION_RETENTION}'"),
    _Outdated(Mail, '"failedAt"', f"interval '{FAILED_MAIL_RETENTION}'"),
    _Outdated(AuditEvent, "at", f"current_setting('{AUDIT_RETENTION}')::int * interval '1 day'"),
)


@is_long
async def clean_up() -> None:
    """Delete what is out of date, and mark expired keys. Several processes can run it at the same time.

    A part that fails is logged, and the others are done. Raises `DatabaseUnavailable`.
    """
    parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("expired keys", _mark_expired_keys),
        *((one.name, partial(_delete, one)) for one in _OUTDATED),
        ("deleted tenants", erase_deleted_tenants),
    ]
    for name, run in parts:
        try:
            await run()
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001
            # One table that is locked, or has a fault, must not let the others grow.
            logger.error(
                "a part of the clean-up failed; it is tried again in an hour",
                part=name,
                error=describe_error(error),
            )


async def _mark_expired_keys() -> None:
    while await mark_expired(BATCH) == BATCH:
        pass


async def _delete(outdated: _Outdated) -> None:
    days = str(get_settings().audit_retention_days)
    total, deleted = 0, BATCH
    while deleted == BATCH:
        async with platform_scope():
            await AuditEvent.raw("SELECT set_config({}, {}, true)", AUDIT_RETENTION, days)
            rows = await outdated.table.raw(
                # Not a subquery, which may run several times, and exceed the limit.
                f"WITH due AS MATERIALIZED (SELECT id FROM {outdated.name}"
                f" WHERE {outdated.is_due} AND {outdated.condition}"
                f" ORDER BY {outdated.time} LIMIT {BATCH} FOR UPDATE SKIP LOCKED)"
                f" DELETE FROM {outdated.name} USING due WHERE {outdated.name}.id = due.id"
                f" RETURNING {outdated.name}.id"
            )
        deleted = len(rows)
        total += deleted
    if total:
        logger.info("cleaned up", table=outdated.name, rows=total)


async def cleanup_lags() -> dict[str, float]:
    """For how many seconds the oldest row of each table has been out of date; 0 without such a row."""
    lags = {}
    async with platform_scope():
        await AuditEvent.raw(
            "SELECT set_config({}, {}, true)", AUDIT_RETENTION, str(get_settings().audit_retention_days)
        )
        for one in _OUTDATED:
            rows = await one.table.raw(
                f"SELECT extract(epoch FROM now() - {one.age} - {one.time})::float AS lag FROM {one.name}"
                f" WHERE {one.is_due} AND {one.condition} ORDER BY {one.time} LIMIT 1"
            )
            lags[one.name] = rows[0]["lag"] if rows else 0.0
    return lags
