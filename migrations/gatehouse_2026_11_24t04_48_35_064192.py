from piccolo.columns import UUID, BigInt, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T04:48:35:064192"
VERSION = "1.38.0"
DESCRIPTION = "Create the one-time codes."


class Tenant(Table, tablename="tenants"):
    id = UUID(primary_key=True)


class User(Table, tablename="users"):
    id = UUID(primary_key=True)


class OneTimeCode(Table, tablename="one_time_codes"):
    id = UUID(primary_key=True)
    purpose = Varchar(length=40, default=None)
    email = Varchar(length=120, default=None)
    user_id = ForeignKey(
        User, null=True, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="userId"
    )
    tenant_id = ForeignKey(
        Tenant, null=True, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="tenantId"
    )
    code_digest = Text(default=None, secret=True, db_column_name="codeDigest")
    attempts = BigInt(default=0)
    created_at = Timestamptz(db_column_name="createdAt")
    expires_at = Timestamptz(default=None, db_column_name="expiresAt")
    consumed_at = Timestamptz(null=True, default=None, db_column_name="consumedAt")


FORWARDS = """
CREATE TABLE IF NOT EXISTS one_time_codes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    purpose varchar(40) NOT NULL,
    email varchar(120) NOT NULL,
    "userId" uuid CONSTRAINT one_time_codes_user REFERENCES users (id) ON DELETE CASCADE,
    "tenantId" uuid CONSTRAINT one_time_codes_tenant REFERENCES tenants (id) ON DELETE CASCADE,
    "codeDigest" text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "expiresAt" timestamptz NOT NULL,
    "consumedAt" timestamptz
);
CREATE INDEX IF NOT EXISTS one_time_codes_email ON one_time_codes (email, purpose);
CREATE INDEX IF NOT EXISTS one_time_codes_expires_at ON one_time_codes ("expiresAt");
CREATE INDEX IF NOT EXISTS one_time_codes_user_id ON one_time_codes ("userId");
CREATE INDEX IF NOT EXISTS one_time_codes_tenant_id ON one_time_codes ("tenantId");
ALTER TABLE one_time_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE one_time_codes FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON one_time_codes;
CREATE POLICY scope ON one_time_codes USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(migration_id=ID, description=DESCRIPTION, forwards=FORWARDS, tables=[OneTimeCode])


async def forwards() -> SqlMigration:
    return MIGRATION
