from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-30T08:09:41:553018"
DESCRIPTION = "Count how long mails wait until a server accepts them."

FORWARDS = """
CREATE TABLE IF NOT EXISTS mail_delays (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "upTo" double precision NOT NULL,
    "mails" bigint NOT NULL DEFAULT 0,
    "seconds" double precision NOT NULL DEFAULT 0.0
);
CREATE UNIQUE INDEX IF NOT EXISTS mail_delays_up_to ON mail_delays ("upTo");
ALTER TABLE mail_delays ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_delays FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scope ON mail_delays;
CREATE POLICY scope ON mail_delays USING (current_setting('gatehouse.scope', true) = 'platform');
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
