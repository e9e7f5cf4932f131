from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T15:41:27:640318"
DESCRIPTION = "Create the invitations of staff."

# A tenant sees its own invitations. The platform's scope is for the people who accept one: they belong to no
# tenant yet.
FORWARDS = """
CREATE TABLE IF NOT EXISTS staff_invitations (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "tenantId" uuid NOT NULL
        CONSTRAINT staff_invitations_tenant REFERENCES tenants (id) ON DELETE CASCADE,
    "email" varchar(120) NOT NULL,
    "emailLower" text GENERATED ALWAYS AS (lower(email)) STORED,
    "firstName" text NOT NULL,
    "lastName" text NOT NULL,
    "role" varchar(20) NOT NULL,
    "documentId" text,
    "phoneNumber" text,
    "tokenDigest" bytea NOT NULL,
    "codeDigest" bytea NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "sentAt" timestamptz NOT NULL DEFAULT now(),
    "expiresAt" timestamptz NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS staff_invitations_email ON staff_invitations ("tenantId", "emailLower");
CREATE UNIQUE INDEX IF NOT EXISTS staff_invitations_token_digest ON staff_invitations ("tokenDigest");
CREATE UNIQUE INDEX IF NOT EXISTS staff_invitations_code_digest ON staff_invitations ("codeDigest");
CREATE INDEX IF NOT EXISTS staff_invitations_created_at
    ON staff_invitations ("tenantId", "createdAt", id);
CREATE INDEX IF NOT EXISTS staff_invitations_expires_at ON staff_invitations ("expiresAt");
ALTER TABLE staff_invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff_invitations FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON staff_invitations;
CREATE POLICY scope ON staff_invitations USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR "tenantId" = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
