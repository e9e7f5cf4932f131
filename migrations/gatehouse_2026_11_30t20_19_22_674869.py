from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T20:19:22:674869"
DESCRIPTION = "Forget the devices of a user whose sessions are ended."

# A device is visible where its user is, as the sessions are, which show the same networks and programs:
# people who change their password within their tenant forget their devices in that transaction.
FORWARDS = """
ALTER TABLE known_devices ADD COLUMN IF NOT EXISTS "forgottenAt" timestamptz;
DROP POLICY IF EXISTS scope ON known_devices;
CREATE POLICY scope ON known_devices USING (
    current_setting('gatehouse.scope', true) = 'platform'
    OR EXISTS (SELECT FROM users WHERE users.id = known_devices."userId")
);
"""

BACKWARDS = """
DROP POLICY IF EXISTS scope ON known_devices;
CREATE POLICY scope ON known_devices USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS, backwards=BACKWARDS)
