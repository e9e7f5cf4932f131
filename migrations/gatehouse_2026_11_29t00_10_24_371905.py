from api.deploy.migrations.migration import SqlMigration

ID = "2026-11-29T00:10:24:371905"
DESCRIPTION = "Let texts of businesses and people be as long as those of an old database."

# Registration limits what is typed. A limit of the column would make an adopted database lose the end of a
# longer text. "email" of the users has none to lose: sign-in reads no longer address.
FORWARDS = """
ALTER TABLE tenants
    ALTER COLUMN "businessName" TYPE text,
    ALTER COLUMN nit TYPE text,
    ALTER COLUMN "businessType" TYPE text,
    ALTER COLUMN address TYPE text,
    ALTER COLUMN phone TYPE text,
    ALTER COLUMN email TYPE text,
    ALTER COLUMN "betaKeyUsed" TYPE text;
ALTER TABLE users
    ALTER COLUMN "firstName" TYPE text,
    ALTER COLUMN "lastName" TYPE text,
    ALTER COLUMN "documentId" TYPE text,
    ALTER COLUMN "phoneNumber" TYPE text;
"""

BACKWARDS = """
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM tenants
         WHERE length("businessName") > 200 OR length(nit) > 50 OR length("businessType") > 100
            OR length(address) > 500 OR length(phone) > 20 OR length(email) > 100
            OR length("betaKeyUsed") > 20
    ) THEN
        ALTER TABLE tenants
            ALTER COLUMN "businessName" TYPE varchar(200),
            ALTER COLUMN nit TYPE varchar(50),
            ALTER COLUMN "businessType" TYPE varchar(100),
            ALTER COLUMN address TYPE varchar(500),
            ALTER COLUMN phone TYPE varchar(20),
            ALTER COLUMN email TYPE varchar(100),
            ALTER COLUMN "betaKeyUsed" TYPE varchar(20);
    END IF;
END $$;
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM users
         WHERE length("firstName") > 60 OR length("lastName") > 60
            OR length("documentId") > 20 OR length("phoneNumber") > 20
    ) THEN
        ALTER TABLE users
            ALTER COLUMN "firstName" TYPE varchar(60),
            ALTER COLUMN "lastName" TYPE varchar(60),
            ALTER COLUMN "documentId" TYPE varchar(20),
            ALTER COLUMN "phoneNumber" TYPE varchar(20);
    END IF;
END $$;
"""

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=FORWARDS, backwards=BACKWARDS)
