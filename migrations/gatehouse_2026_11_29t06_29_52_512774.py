from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T06:29:52:512774"
DESCRIPTION = "Record which servers and workers run, and their release."

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        """
CREATE TABLE IF NOT EXISTS server_processes (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "kind" varchar(10) NOT NULL,
    "host" varchar(255) NOT NULL,
    "processId" bigint NOT NULL,
    "version" varchar(40) NOT NULL,
    "release" varchar(40) NOT NULL,
    "startedAt" timestamptz NOT NULL DEFAULT now(),
    "seenAt" timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE server_processes ENABLE ROW LEVEL SECURITY;
ALTER TABLE server_processes FORCE ROW LEVEL SECURITY;
-- A table with rows of a tenant also needs a policy for the scope of a tenant.
DROP POLICY IF EXISTS scope ON server_processes;
CREATE POLICY scope ON server_processes
    USING (current_setting('gatehouse.scope', true) = 'platform');
""",
    ],
)
