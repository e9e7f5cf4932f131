"""`gatehouse doctor`: runs all checks, one after the other. The others go on when one fails."""

import asyncio
from collections.abc import Callable

from api.server.doctor import accounts, database, machine, mail, migrations, public_address
from api.server.doctor.check import Check, Finding, Outcome, run_check
from api.server.doctor.replicas import check_replicas
from api.settings import Settings, SettingsError, get_settings

Show = Callable[[Finding], None]


def run_doctor(mail_to: str | None, timeout: float, show: Show) -> list[Finding]:
    """The findings of all checks; `show` receives each as soon as it is known.

    `mail_to` is the address of the test mail, if one is to be sent. A check ends after `timeout` seconds.
    """
    try:
        settings = get_settings()
    except SettingsError as error:
        # Nothing else can be checked: every other check reads settings.
        finding = Finding("settings", "failure", str(error))
        show(finding)
        return [finding]
    return asyncio.run(_run(settings, mail_to, timeout, show))


async def _run(settings: Settings, mail_to: str | None, timeout: float, show: Show) -> list[Finding]:  # noqa: ASYNC109
    findings: list[Finding] = []

    async def run(name: str, check: Check) -> Finding:
        finding = await run_check(name, check, settings, timeout)
        findings.append(finding)
        show(finding)
        return finding

    database, others = _checks(settings, mail_to)
    (name, connect), *about_database = database.items()
    if (await run(name, connect)).status == "failure":
        names = ", ".join(name for name, _ in about_database)
        skipped = Finding("others", "skipped", f"not checked without the database: {names}")
        findings.append(skipped)
        show(skipped)
    else:
        for name, check in about_database:
            await run(name, check)
    for name, check in others.items():
        await run(name, check)
    return findings


def _checks(settings: Settings, mail_to: str | None) -> tuple[dict[str, Check], dict[str, Check]]:
    """The checks that need the database, the first of which connects to it, and all others."""

    async def check_settings() -> Outcome:
        if settings.db_sync:
            return Outcome("warning", "DB_SYNC is on; unset it after the deploy")
        return Outcome("ok", "all values are valid")

    return {
        "database": database.check_connection,
        "server version": database.check_version,
        "role": database.check_role,
        "rights": database.check_rights,
        "writes": database.check_writes,
        "pooler": database.check_pooler,
        "extensions": database.check_extensions,
        "connections": database.check_connections,
        "read replicas": check_replicas,
        "clock": database.check_clock,
        "migrations": migrations.check_migrations,
        "schema": migrations.check_schema,
        "operators": accounts.check_operators,
        "mail queue": mail.check_mail_queue,
    }, {
        "mail server": lambda: mail.check_mail_server(mail_to),
        "public address": public_address.check_public_url,
        "trusted proxies": public_address.check_trusted_proxies,
        "limits store": machine.check_limits_store,
        "disk": machine.check_disk,
        "settings": check_settings,
        "versions": machine.check_versions,
    }
