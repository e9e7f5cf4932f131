from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T04:46:12:380517"
DESCRIPTION = "Create the mails."

FORWARDS = """
CREATE TABLE IF NOT EXISTS mails (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    template varchar(40) NOT NULL,
    recipient varchar(120) NOT NULL,
    language varchar(2) NOT NULL,
    "values" jsonb NOT NULL DEFAULT '{}',
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "expiresAt" timestamptz,
    "dueAt" timestamptz NOT NULL DEFAULT now(),
    tries bigint NOT NULL DEFAULT 0,
    error text,
    "failedAt" timestamptz
);
CREATE INDEX IF NOT EXISTS mails_due ON mails ("dueAt") WHERE "failedAt" IS NULL;
ALTER TABLE mails ENABLE ROW LEVEL SECURITY;
ALTER TABLE mails FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON mails;
CREATE POLICY scope ON mails USING (current_setting('gatehouse.scope', true) = 'platform');
-- What a tenant does may send a mail, and nobody of a tenant reads any: there may be a code in it.
DROP POLICY IF EXISTS tenant_adds ON mails;
CREATE POLICY tenant_adds ON mails FOR INSERT WITH CHECK (
    nullif(current_setting('gatehouse.tenant_id', true), '') IS NOT NULL
);
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
