from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T08:30:40:275931"
DESCRIPTION = "Let PostgreSQL estimate how many tenants, users, events and mails the platform sees."

# PostgreSQL takes an equality with a setting to be true for one row in 200, and then sorts the events with an
# action where it could read the newest in the order of their index: 15 ms, not 0.1 ms, for 200,000 events. It
# takes a coalesce to be true for every second row.
POLICIES = """
DROP POLICY IF EXISTS scope ON tenants;
CREATE POLICY scope ON tenants USING (
    coalesce(current_setting('gatehouse.scope', true) = 'platform', false)
    OR id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
DROP POLICY IF EXISTS scope ON users;
CREATE POLICY scope ON users USING (
    coalesce(current_setting('gatehouse.scope', true) = 'platform', false)
    OR "tenantId" = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
DROP POLICY IF EXISTS scope ON audit_events;
CREATE POLICY scope ON audit_events
    USING (coalesce(current_setting('gatehouse.scope', true) = 'platform', false));
DROP POLICY IF EXISTS scope ON mails;
CREATE POLICY scope ON mails
    USING (coalesce(current_setting('gatehouse.scope', true) = 'platform', false));
"""

BACKWARDS = """
DROP POLICY IF EXISTS scope ON tenants;
CREATE POLICY scope ON tenants USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
DROP POLICY IF EXISTS scope ON users;
CREATE POLICY scope ON users USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR "tenantId" = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid
);
DROP POLICY IF EXISTS scope ON audit_events;
CREATE POLICY scope ON audit_events USING (current_setting('gatehouse.scope', true) = 'platform');
DROP POLICY IF EXISTS scope ON mails;
CREATE POLICY scope ON mails USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=POLICIES, backwards=BACKWARDS)
