from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-24T00:04:52:117630"
DESCRIPTION = "Create the tenants and beta keys, and give users a tenant."

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
    ID,
    DESCRIPTION,
    forwards=[FORWARDS, USERS_TENANT_ID, ADD_FOREIGN_KEY, VALIDATE_FOREIGN_KEY],
)
