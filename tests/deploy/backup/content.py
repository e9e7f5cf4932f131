"""A database with every kind of content that a dump has to hold, and what two databases are compared by."""

import re
import subprocess
from typing import Any

import asyncpg

from api.database.postgres_programs import programs_folder

MAILS = "2026-11-24T04:46:12:380517"

# Characters that COPY escapes, long values, and times that only PostgreSQL can express.
ROWS = r"""
SET gatehouse.scope = 'platform';
INSERT INTO tenants ("businessName", nit, "businessType", address)
    SELECT E'El \\ Ahorro\t' || n || E'\n\\.\r', 'nit' || n, 'TIENDA', repeat('ñ🏪', 250)
      FROM generate_series(1, 50) n;
INSERT INTO users (email, password, "firstName", "lastName", role, "tenantId", "createdAt")
    SELECT 'Ana' || row_number() OVER () || '@example.com', '$argon2id$x', E'\\N', '', 'ADMIN', id,
           (ARRAY['infinity', '-infinity', '0044-03-15 00:00 BC', '2026-11-24 00:00:00.123456Z'])[
               1 + row_number() OVER () % 4]::timestamptz
      FROM tenants;
INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
    SELECT id, sha256(id::text::bytea), now() FROM users;
INSERT INTO beta_keys (key, notes, "usedByTenantId", "isUsed")
    SELECT 'BETA-' || n, nullif(repeat('"', n % 3), ''),
           (SELECT id FROM tenants WHERE nit = 'nit' || n), n <= 50
      FROM generate_series(1, 2000) n;
INSERT INTO audit_events (action, "actorId", "tenantId", detail)
    SELECT 'tenant.registered', id, "tenantId", jsonb_build_object('a', E'\t"\\') FROM users;
INSERT INTO mails (template, recipient, language, "values")
    SELECT 'welcome', email, 'es', jsonb_build_object('name', email) FROM users;
INSERT INTO one_time_codes (purpose, email, "codeDigest", "expiresAt")
    SELECT 'RESET', email, 'digest', now() FROM users;
"""

# What the owner of the database may have added.
OBJECTS = r"""
CREATE TYPE "Mood" AS ENUM ('so-so', 'it''s fine');
CREATE SEQUENCE tickets INCREMENT BY 5 START WITH 7 MAXVALUE 1000 CYCLE;
SELECT nextval('tickets');
CREATE FUNCTION shout(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    -- A comment, whose line break counts.
    SELECT upper(value)
$$;
CREATE TABLE "Own notes" (
    id integer GENERATED ALWAYS AS IDENTITY (INCREMENT BY 3) PRIMARY KEY,
    number bigserial,
    ticket bigint DEFAULT nextval('tickets'),
    mood "Mood"[] NOT NULL DEFAULT '{so-so}',
    title text COLLATE "C" NOT NULL UNIQUE,
    loud text GENERATED ALWAYS AS (shout("a b")) STORED,
    "a b" text CHECK ("a b" <> '  '),
    parent integer REFERENCES "Own notes" DEFERRABLE INITIALLY DEFERRED,
    period int4range,
    dropped integer,
    EXCLUDE USING gist (period WITH &&)
) WITH (fillfactor = 80);
ALTER TABLE "Own notes" DROP COLUMN dropped;
ALTER TABLE "Own notes" REPLICA IDENTITY USING INDEX "Own notes_title_key";
ALTER TABLE "Own notes" ADD CONSTRAINT later CHECK (number > 0) NOT VALID;
CREATE INDEX ON "Own notes" (lower("a b")) INCLUDE (ticket) WHERE "a b" <> '  ';
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER idle BEFORE UPDATE ON "Own notes" FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE "Own notes" DISABLE TRIGGER idle;
COMMENT ON TABLE "Own notes" IS 'it''s ours';
COMMENT ON COLUMN "Own notes"."a b" IS 'free';
CREATE UNLOGGED TABLE empty ();
INSERT INTO "Own notes" ("a b", mood, title, parent, period)
    SELECT 'x' || n, '{"it''s fine",so-so}', 't' || n, 1, int4range(n, n + 1) FROM generate_series(1, 10) n;
"""

# What a dump leaves out, and says so.
LEFT_OUT = """
CREATE VIEW monthly AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW yearly AS SELECT 1 AS one;
CREATE TABLE parts (n int) PARTITION BY RANGE (n);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE FUNCTION of_row(value tenants) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE hidden (n int);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT ON tenants TO PUBLIC;
"""


async def content(dsn: str) -> dict[str, Any]:
    """The rows of every table, and the state of every sequence. `dsn` is a superuser's."""
    connection = await asyncpg.connect(dsn)
    try:
        found: dict[str, Any] = {}
        for row in await connection.fetch(
            "SELECT oid::regclass::text AS name, relkind FROM pg_class WHERE relkind IN ('r', 'S')"
            " AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
        ):
            read = f"SELECT whole::text FROM {row['name']} whole ORDER BY 1"
            if row["relkind"] == b"S":
                read = f"SELECT last_value || ' ' || is_called FROM {row['name']}"
            found[row["name"]] = [one[0] for one in await connection.fetch(read)]
        return found
    finally:
        await connection.close()


def definitions(dsn: str) -> str:
    """All definitions of a database, as the pg_dump of the embedded server writes them."""
    done = subprocess.run(
        [programs_folder() / "pg_dump", dsn, "--schema-only"], check=True, capture_output=True, text=True
    )
    # Each run has another key behind a backslash. Some packages of PostgreSQL number the changes of a column.
    own = re.compile(r"\\|ALTER TABLE .* SET \(pg_attver=\d+\);$")
    return "\n".join(line for line in done.stdout.splitlines() if not own.match(line))
