from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T19:57:12:408316"
DESCRIPTION = "Remember the last transaction in which a session wrote."

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards="""
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS "lastWrite" bigint;
""",
)
