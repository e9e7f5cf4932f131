from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-24T09:50:33:617408"
DESCRIPTION = "Keep the audit events from being changed or removed, and find any page of them at once."

# An attacker who makes Gatehouse run SQL must not be able to delete the evidence. A row can be deleted only
# in a transaction that sets a retention of at least 30 days, and only if the row is older than that.
FORWARDS = """
CREATE OR REPLACE FUNCTION keep_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    days int := nullif(current_setting('gatehouse.audit_retention_days', true), '');
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF days >= 30 AND OLD.at <= now() - days * interval '1 day' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE 'audit events are neither changed nor removed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION keep_audit_events();
CREATE OR REPLACE TRIGGER keep_all BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_events();
"""

BACKWARDS = """
DROP TRIGGER IF EXISTS keep_rows ON audit_events;
DROP TRIGGER IF EXISTS keep_all ON audit_events;
DROP FUNCTION IF EXISTS keep_audit_events();
"""

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        FORWARDS,
        Index("audit_events_at", "audit_events (at, id)"),
        Index("audit_events_tenant_at", 'audit_events ("tenantId", at, id)'),
        Index("audit_events_action_at", "audit_events (action, at, id)"),
        Index("audit_events_actor_at", 'audit_events (lower("actorEmail"), at, id)'),
    ],
    backwards=BACKWARDS,
)
