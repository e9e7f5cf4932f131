from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-30T07:50:21:337904"
DESCRIPTION = "Find expired sessions and failed mails at once, for the clean-up."

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        Index("sessions_expires_at", 'sessions ("expiresAt")'),
        Index("mails_failed_at", 'mails ("failedAt") WHERE "failedAt" IS NOT NULL'),
    ],
)
