from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T09:48:06:385217"
DESCRIPTION = "Record the networks and devices of sign-ins, and which network requested a code."

# The sessions of an older release fill no known_devices: a user without any row gets no mail about a new
# device, so the update itself causes no mails.
FORWARDS = """
CREATE TABLE IF NOT EXISTS known_devices (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "userId" uuid NOT NULL CONSTRAINT known_devices_user REFERENCES users (id) ON DELETE CASCADE,
    network varchar(45) NOT NULL,
    agent text NOT NULL,
    "firstSeenAt" timestamptz NOT NULL DEFAULT now(),
    "lastSeenAt" timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS known_devices_user_network_agent
    ON known_devices ("userId", network, agent);
CREATE INDEX IF NOT EXISTS known_devices_last_seen_at ON known_devices ("lastSeenAt");
ALTER TABLE known_devices ENABLE ROW LEVEL SECURITY;
ALTER TABLE known_devices FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON known_devices;
CREATE POLICY scope ON known_devices USING (current_setting('gatehouse.scope', true) = 'platform');
ALTER TABLE one_time_codes
    ADD COLUMN IF NOT EXISTS network varchar(45),
    ADD COLUMN IF NOT EXISTS "attemptsElsewhere" bigint NOT NULL DEFAULT 0;
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
