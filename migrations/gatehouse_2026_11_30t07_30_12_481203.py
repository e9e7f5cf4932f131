from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T07:30:12:481203"
DESCRIPTION = "Record wrong passwords, to tell the owner of an account about many of them."

# By the digest of the address, not by the user: an unknown address takes the same statement, so that its time
# reveals no account.
FORWARDS = """
CREATE TABLE IF NOT EXISTS wrong_passwords (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "accountDigest" bytea NOT NULL,
    "times" timestamptz[] NOT NULL,
    "lastAt" timestamptz NOT NULL DEFAULT now(),
    "mailedAt" timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS wrong_passwords_account_digest ON wrong_passwords ("accountDigest");
CREATE INDEX IF NOT EXISTS wrong_passwords_last_at ON wrong_passwords ("lastAt");
ALTER TABLE wrong_passwords ENABLE ROW LEVEL SECURITY;
ALTER TABLE wrong_passwords FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON wrong_passwords;
CREATE POLICY scope ON wrong_passwords USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
