from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:15:03:296071"
DESCRIPTION = "Create the sessions."

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

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
