"""How long sessions last, by the clock of the database."""

from datetime import timedelta

from api.domain.roles import Role
from api.settings import get_settings

IS_OPEN = f"""s."revokedAt" IS NULL AND s."expiresAt" > now()
   AND s."lastSeenAt" > now() - CASE u.role WHEN '{Role.SUPER_ADMIN.value}'
       THEN {{}}::interval ELSE {{}}::interval END
   AND (u.role <> '{Role.SUPER_ADMIN.value}' OR s."createdAt" > now() - {{}}::interval)"""
"""The SQL condition that the session `s` of the user `u` has not ended; its arguments are `limits()`.

`createdAt` ends the sessions of operators that were opened before they had a shorter lifetime.
"""


def limits() -> tuple[timedelta, timedelta, timedelta]:
    """Without use: of operators, of others. After sign-in: of operators."""
    settings = get_settings()
    return (
        timedelta(minutes=settings.operator_session_idle_minutes),
        timedelta(days=settings.session_idle_days),
        timedelta(hours=settings.operator_session_hours),
    )


def lifetime(role: str) -> timedelta:
    """How long a session of a user with this role lasts after sign-in, however much it is used."""
    settings = get_settings()
    days = timedelta(days=settings.session_days)
    if role == Role.SUPER_ADMIN.value:
        return min(days, timedelta(hours=settings.operator_session_hours))
    return days
