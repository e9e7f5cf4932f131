from piccolo.columns import UUID, Timestamptz, Varchar
from piccolo.table import Table

from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T08:45:21:530184"
VERSION = "1.38.0"
DESCRIPTION = "Let beta keys have a batch and a recipient, and tenants be deleted."


class BetaKey(Table, tablename="beta_keys"):
    batch = Varchar(length=60, null=True, default=None)
    recipient_email = Varchar(length=120, null=True, default=None, db_column_name="recipientEmail")
    sent_at = Timestamptz(null=True, default=None, db_column_name="sentAt")
    issued_by_id = UUID(null=True, default=None, db_column_name="issuedById")


class Tenant(Table, tablename="tenants"):
    deleted_at = Timestamptz(null=True, default=None, db_column_name="deletedAt")


# "issuedById" is no foreign key: deleting any user would then search all keys for it.
FORWARDS = """
ALTER TABLE beta_keys
    ADD COLUMN IF NOT EXISTS batch varchar(60),
    ADD COLUMN IF NOT EXISTS "recipientEmail" varchar(120),
    ADD COLUMN IF NOT EXISTS "sentAt" timestamptz,
    ADD COLUMN IF NOT EXISTS "issuedById" uuid;
ALTER TABLE tenants
    ADD COLUMN IF NOT EXISTS "deletedAt" timestamptz;
"""


MIGRATION = SqlMigration(
    migration_id=ID,
    description=DESCRIPTION,
    forwards=FORWARDS,
    columns=[BetaKey, Tenant],
)


async def forwards() -> SqlMigration:
    return MIGRATION
