from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:11:37:850244"
DESCRIPTION = "Show the rows of a tenant to that tenant's scope only."

# There is no CREATE POLICY IF NOT EXISTS, and an existing policy may have another definition: it is replaced.
FORWARDS = """
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON users;
CREATE POLICY scope ON users USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR "tenantId" = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON tenants;
CREATE POLICY scope ON tenants USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
"""

BACKWARDS = """
DROP POLICY IF EXISTS scope ON tenants;
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants DISABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON users;
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE users DISABLE ROW LEVEL SECURITY;
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS, backwards=BACKWARDS)
