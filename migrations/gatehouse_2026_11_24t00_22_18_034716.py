from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:22:18:034716"
DESCRIPTION = "Create the audit events."

FORWARDS = """
CREATE TABLE IF NOT EXISTS audit_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT now(),
    "actorId" uuid,
    "actorEmail" varchar(120),
    "tenantId" uuid,
    action varchar(60) NOT NULL,
    "subjectId" uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    "ipAddress" varchar(45)
);
ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON audit_events;
CREATE POLICY scope ON audit_events USING (current_setting('gatehouse.scope', true) = 'platform');
-- A tenant reads its record and adds to it. One that its subject could change or erase would be none.
DROP POLICY IF EXISTS tenant_reads ON audit_events;
CREATE POLICY tenant_reads ON audit_events FOR SELECT USING (
    "tenantId" = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
DROP POLICY IF EXISTS tenant_adds ON audit_events;
CREATE POLICY tenant_adds ON audit_events FOR INSERT WITH CHECK (
    "tenantId" = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
