from piccolo.columns import UUID, Boolean, Timestamptz, Varchar
from piccolo.table import Table

from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-24T00:00:11:402318"
VERSION = "1.38.0"
DESCRIPTION = "Create the users."


class User(Table, tablename="users"):
    id = UUID(primary_key=True)
    email = Varchar(length=120, default=None)
    password = Varchar(length=None, default=None, secret=True)
    first_name = Varchar(length=60, default=None, db_column_name="firstName")
    last_name = Varchar(length=60, default=None, db_column_name="lastName")
    role = Varchar(length=None, default="CASHIER")
    is_active = Boolean(default=True, db_column_name="isActive")
    created_at = Timestamptz(db_column_name="createdAt")
    updated_at = Timestamptz(db_column_name="updatedAt")


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


MIGRATION = SqlMigration(migration_id=ID, description=DESCRIPTION, forwards=FORWARDS, tables=[User])


async def forwards() -> SqlMigration:
    return MIGRATION
