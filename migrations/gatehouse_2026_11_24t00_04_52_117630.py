from piccolo.columns import UUID, Boolean, ForeignKey, Integer, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-24T00:04:52:117630"
VERSION = "1.38.0"
DESCRIPTION = "Create the tenants and beta keys, and give users a tenant."


class Tenant(Table, tablename="tenants"):
    id = UUID(primary_key=True)
    business_name = Varchar(length=200, default=None, db_column_name="businessName")
    nit = Varchar(length=50, default=None, unique=True)
    business_type = Varchar(length=100, default=None, db_column_name="businessType")
    address = Varchar(length=500, default=None)
    phone = Varchar(length=20, null=True, default=None)
    email = Varchar(length=100, null=True, default=None)
    beta_key_used = Varchar(length=20, null=True, default=None, db_column_name="betaKeyUsed")
    max_admins = Integer(default=1, db_column_name="maxAdmins")
    max_managers = Integer(default=1, db_column_name="maxManagers")
    max_cashiers = Integer(default=2, db_column_name="maxCashiers")
    is_active = Boolean(default=True, db_column_name="isActive")
    created_at = Timestamptz(db_column_name="createdAt")
    updated_at = Timestamptz(db_column_name="updatedAt")


class BetaKey(Table, tablename="beta_keys"):
    id = UUID(primary_key=True)
    key = Varchar(length=20, default=None, unique=True)
    is_used = Boolean(default=False, index=True, db_column_name="isUsed")
    used_by_tenant_id = ForeignKey(
        Tenant, null=True, default=None, on_delete=OnDelete.set_null, db_column_name="usedByTenantId"
    )
    used_at = Timestamptz(null=True, default=None, db_column_name="usedAt")
    notes = Text(null=True, default=None)
    created_at = Timestamptz(db_column_name="createdAt")
    updated_at = Timestamptz(db_column_name="updatedAt")


class User(Table, tablename="users"):
    tenant_id = ForeignKey(
        Tenant, null=True, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="tenantId"
    )
    is_owner = Boolean(default=False, db_column_name="isOwner")
    document_id = Varchar(length=20, null=True, default=None, db_column_name="documentId")
    phone_number = Varchar(length=20, null=True, default=None, db_column_name="phoneNumber")


FORWARDS = """
CREATE TABLE IF NOT EXISTS tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "businessName" varchar(200) NOT NULL,
    nit varchar(50) NOT NULL,
    "businessType" varchar(100) NOT NULL,
    address varchar(500) NOT NULL,
    phone varchar(20),
    email varchar(100),
    "betaKeyUsed" varchar(20),
    "maxAdmins" integer NOT NULL DEFAULT 1,
    "maxManagers" integer NOT NULL DEFAULT 1,
    "maxCashiers" integer NOT NULL DEFAULT 2,
    "isActive" boolean NOT NULL DEFAULT true,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS tenants_nit ON tenants (nit);

CREATE TABLE IF NOT EXISTS beta_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key varchar(20) NOT NULL,
    "isUsed" boolean NOT NULL DEFAULT false,
    "usedByTenantId" uuid CONSTRAINT beta_keys_tenant REFERENCES tenants (id) ON DELETE SET NULL,
    "usedAt" timestamptz,
    notes text,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS beta_keys_key ON beta_keys (key);
CREATE INDEX IF NOT EXISTS beta_keys_is_used ON beta_keys ("isUsed");

ALTER TABLE users
    ADD COLUMN IF NOT EXISTS "tenantId" uuid,
    ADD COLUMN IF NOT EXISTS "isOwner" boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS "documentId" varchar(20),
    ADD COLUMN IF NOT EXISTS "phoneNumber" varchar(20);
"""

USERS_TENANT_ID = Index("users_tenant_id", 'users ("tenantId")')

# Adding the foreign key locks the table, and checking every user takes long. So the key is added NOT VALID,
# and checked in a transaction of its own.
ADD_FOREIGN_KEY = """
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint
         WHERE conrelid = 'users'::regclass AND contype = 'f' AND confrelid = 'tenants'::regclass
    ) THEN
        ALTER TABLE users ADD CONSTRAINT users_tenant
            FOREIGN KEY ("tenantId") REFERENCES tenants (id) ON DELETE CASCADE NOT VALID;
    END IF;
END $$;
"""

VALIDATE_FOREIGN_KEY = """
DO $$ BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
         WHERE conrelid = 'users'::regclass AND conname = 'users_tenant' AND NOT convalidated
    ) THEN
        ALTER TABLE users VALIDATE CONSTRAINT users_tenant;
    END IF;
END $$;
"""


MIGRATION = SqlMigration(
    migration_id=ID,
    description=DESCRIPTION,
    forwards=[FORWARDS, USERS_TENANT_ID, ADD_FOREIGN_KEY, VALIDATE_FOREIGN_KEY],
    tables=[Tenant, BetaKey],
    columns=[User],
)


async def forwards() -> SqlMigration:
    return MIGRATION
