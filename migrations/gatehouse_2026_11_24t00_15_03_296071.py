from piccolo.columns import UUID, Bytea, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:15:03:296071"
VERSION = "1.38.0"
DESCRIPTION = "Create the sessions."


class User(Table, tablename="users"):
    id = UUID(primary_key=True)


class Session(Table, tablename="sessions"):
    id = UUID(primary_key=True)
    user_id = ForeignKey(
        User, null=False, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="userId"
    )
    token_digest = Bytea(default=None, unique=True, secret=True, db_column_name="tokenDigest")
    created_at = Timestamptz(db_column_name="createdAt")
    last_seen_at = Timestamptz(db_column_name="lastSeenAt")
    expires_at = Timestamptz(default=None, db_column_name="expiresAt")
    revoked_at = Timestamptz(null=True, default=None, db_column_name="revokedAt")
    user_agent = Text(null=True, default=None, db_column_name="userAgent")
    ip_address = Varchar(length=45, null=True, default=None, db_column_name="ipAddress")


# A session is visible where its user is: the row security of users applies to the subquery of the policy.
FORWARDS = """
CREATE TABLE IF NOT EXISTS sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "userId" uuid NOT NULL CONSTRAINT sessions_user REFERENCES users (id) ON DELETE CASCADE,
    "tokenDigest" bytea NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "lastSeenAt" timestamptz NOT NULL DEFAULT now(),
    "expiresAt" timestamptz NOT NULL,
    "revokedAt" timestamptz,
    "userAgent" text,
    "ipAddress" varchar(45)
);
CREATE UNIQUE INDEX IF NOT EXISTS sessions_token_digest ON sessions ("tokenDigest");
CREATE INDEX IF NOT EXISTS sessions_user_id ON sessions ("userId");
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON sessions;
CREATE POLICY scope ON sessions USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR EXISTS (SELECT FROM users WHERE users.id = sessions."userId")
);
"""


MIGRATION = SqlMigration(migration_id=ID, description=DESCRIPTION, forwards=FORWARDS, tables=[Session])


async def forwards() -> SqlMigration:
    return MIGRATION
