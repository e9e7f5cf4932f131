from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:00:11:402318"
DESCRIPTION = "Create the users."

FORWARDS = """
CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email varchar(120) NOT NULL,
    password varchar NOT NULL,
    "firstName" varchar(60) NOT NULL,
    "lastName" varchar(60) NOT NULL,
    role varchar NOT NULL DEFAULT 'CASHIER',
    "isActive" boolean NOT NULL DEFAULT true,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now()
);
-- A person is one person however they type the address. An index on the expression lower(email) would hold
-- to that too, but row security keeps queries from using it: lower() is not leakproof, so PostgreSQL asks
-- the policy about every row first. A column of its own can be compared, and its index used.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS "emailLower" text GENERATED ALWAYS AS (lower(email)) STORED;
CREATE UNIQUE INDEX IF NOT EXISTS users_email_lower ON users ("emailLower");
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS)
