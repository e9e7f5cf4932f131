from pathlib import Path

from piccolo.conf.apps import AppConfig

from tables import (
    AuditEvent,
    AuthenticatorApp,
    BetaKey,
    BetaKeyWord,
    KnownDevice,
    Mail,
    MailDelay,
    OneTimeCode,
    Passkey,
    RecoveryCode,
    ServerProcess,
    Session,
    StaffInvitation,
    Tenant,
    TenantWord,
    User,
    WrongPassword,
)

APP_CONFIG = AppConfig(
    app_name="gatehouse",
    migrations_folder_path=str(Path(__file__).resolve().parent.parent / "migrations"),
    # A list, because Piccolo's table_finder finds nothing in a package that re-exports its tables.
    table_classes=[
        Tenant,
        User,
        BetaKey,
        Session,
        AuditEvent,
        Mail,
        MailDelay,
        OneTimeCode,
        ServerProcess,
        KnownDevice,
        AuthenticatorApp,
        RecoveryCode,
        BetaKeyWord,
        TenantWord,
        StaffInvitation,
        WrongPassword,
        Passkey,
    ],
)
