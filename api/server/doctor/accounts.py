"""The check of operators, whose accounts can do everything."""

from api.deploy.migrations.pending import pending_migrations
from api.domain.accounts.operators import count_without_second_factor
from api.server.doctor.check import Outcome
from api.settings import get_settings


async def check_operators() -> Outcome:
    """Whether every active operator has a second factor, or must set one up at the next sign-in."""
    if await pending_migrations():
        return Outcome("warning", "not checked, because migrations are pending; run: ./predeploy.sh")
    count = await count_without_second_factor()
    setting = get_settings().operator_second_factor
    if setting == "off":
        return Outcome(
            "warning",
            "OPERATOR_SECOND_FACTOR is off, so a password alone can do everything; set it to required",
        )
    if not count:
        return Outcome("ok", "every operator has a second factor")
    if setting == "required":
        return Outcome("ok", f"{count} without a second factor must set one up at the next sign-in")
    return Outcome("warning", f"{count} without a second factor; set OPERATOR_SECOND_FACTOR to required")
