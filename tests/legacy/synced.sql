-- The same database as the old system's schema sync made it: enums, generated names, foreign keys without
-- ON DELETE, naive times, and tables that only the old system knows.
CREATE TYPE "users_role_enum" AS ENUM ('SUPER_ADMIN', 'ADMIN', 'MANAGER', 'CASHIER');
CREATE TYPE "tenants_businesstype_enum" AS ENUM ('Tienda', 'Supermercado', 'Cafetería', 'Droguería', 'Otro');
CREATE TABLE "tenants" (
  "id" uuid NOT NULL DEFAULT gen_random_uuid(),
  "businessName" character varying(200) NOT NULL,
  "nit" character varying(50) NOT NULL,
  "businessType" "tenants_businesstype_enum" NOT NULL DEFAULT 'Tienda',
  "address" character varying(500) NOT NULL,
  "phone" character varying,
  "email" character varying(100),
  "betaKeyUsed" character varying(20),
  "maxAdmins" integer DEFAULT '1',
  "maxManagers" integer NOT NULL DEFAULT '1',
  "maxCashiers" integer NOT NULL DEFAULT '2',
  "isActive" boolean NOT NULL DEFAULT true,
  "createdAt" TIMESTAMP NOT NULL DEFAULT now(),
  "updatedAt" TIMESTAMP(6) NOT NULL DEFAULT ('now'::text)::timestamp(6) with time zone,
  CONSTRAINT "UQ_5f1c4b0a0f4d1e6f8f2c7a1f6aa" UNIQUE ("nit"),
  CONSTRAINT "PK_53be67a04681c66b87ee27c9321" PRIMARY KEY ("id")
);
CREATE TABLE "users" (
  "id" uuid NOT NULL DEFAULT gen_random_uuid(),
  "email" character varying NOT NULL,
  "password" character varying NOT NULL,
  "firstName" character varying(60) NOT NULL,
  "lastName" character varying(60) NOT NULL,
  "role" "users_role_enum" NOT NULL DEFAULT 'CASHIER',
  "isActive" boolean NOT NULL DEFAULT true,
  "createdAt" TIMESTAMP NOT NULL DEFAULT now(),
  "updatedAt" TIMESTAMP NOT NULL DEFAULT now(),
  "tenantId" uuid,
  "isOwner" boolean DEFAULT false,
  "documentId" character varying(20),
  "phoneNumber" character varying(20),
  "refreshToken" text NOT NULL,
  "shopId" uuid,
  CONSTRAINT "UQ_97672ac88f789774dd47f7c8be3" UNIQUE ("email"),
  CONSTRAINT "PK_a3ffb1c0c8416b9fc6f907b7433" PRIMARY KEY ("id"),
  CONSTRAINT "FK_c58f7e88c286e5e3478960a998b" FOREIGN KEY ("tenantId") REFERENCES "tenants" ("id")
);
CREATE TABLE "beta_keys" (
  "id" uuid NOT NULL DEFAULT gen_random_uuid(),
  "key" character varying(20) NOT NULL,
  "isUsed" boolean NOT NULL DEFAULT false,
  "usedByTenantId" uuid,
  "usedAt" TIMESTAMP,
  "notes" text,
  "createdAt" TIMESTAMP NOT NULL DEFAULT now(),
  "updatedAt" TIMESTAMP NOT NULL DEFAULT now(),
  CONSTRAINT "UQ_2a4f0d3cbf3d1f5a3e5e8f3e0c4" UNIQUE ("key"),
  CONSTRAINT "REL_8c1b6c0a3de3e0b8a4b7f1f2d9" UNIQUE ("usedByTenantId"),
  CONSTRAINT "PK_0b1d6a8e2f4c5d7e9f0a1b2c3d4" PRIMARY KEY ("id"),
  CONSTRAINT "FK_8c1b6c0a3de3e0b8a4b7f1f2d9e" FOREIGN KEY ("usedByTenantId") REFERENCES "tenants" ("id")
);
CREATE INDEX "IDX_6a72c3c0f683f6462415e653c3" ON "beta_keys" ("isUsed");
-- Its own tables.
CREATE TABLE "migrations" (
  "id" SERIAL NOT NULL CONSTRAINT "PK_8c82d7f526340ab734260ea46be" PRIMARY KEY,
  "timestamp" bigint NOT NULL, "name" character varying NOT NULL
);
CREATE TABLE "shops" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "name" text NOT NULL, "kind" "tenants_businesstype_enum",
  "tenantId" uuid NOT NULL CONSTRAINT "FK_shops" REFERENCES "tenants" ("id")
);
CREATE TABLE "orders" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "total" numeric NOT NULL,
  "userId" uuid NOT NULL CONSTRAINT "FK_orders" REFERENCES "users" ("id")
);
ALTER TABLE "users" ADD CONSTRAINT "FK_users_shop" FOREIGN KEY ("shopId") REFERENCES "shops" ("id");

INSERT INTO "migrations" ("timestamp", "name") VALUES (1728345600000, 'Beta1728345600000');
INSERT INTO "tenants" ("id", "businessName", "nit", "businessType", "address", "phone", "maxAdmins", "createdAt")
  VALUES ('00000000-0000-4000-8000-000000000001', 'Café El Ahorro', '900.123.456-8', 'Cafetería',
          'Calle 123 # 45-67, Bogotá', '3001234567', NULL, '2025-10-08 12:00:00');
INSERT INTO "beta_keys" ("key", "isUsed", "usedByTenantId", "usedAt") VALUES
  ('BETA-O0I1L-ABC12', true, '00000000-0000-4000-8000-000000000001', '2025-10-08 12:00:00'),
  ('BETA-U0U0U-ZZZ99', false, NULL, NULL);
INSERT INTO "users" ("email", "password", "firstName", "lastName", "role", "tenantId", "isOwner", "refreshToken",
                     "createdAt") VALUES
  ('Root@Example.com', '$2b$12$cgzjJ4nfyz1mnGJLKsnA9uUQe0oNuivzaB8Kvi4lXGM9Vhjk0Nqpq', 'Root', 'Operator',
   'SUPER_ADMIN', NULL, NULL, 'a', '2025-10-08 12:00:00'),
  ('ana@example.com', '$2b$12$cgzjJ4nfyz1mnGJLKsnA9uUQe0oNuivzaB8Kvi4lXGM9Vhjk0Nqpq', 'Ana', 'Ríos',
   'ADMIN', '00000000-0000-4000-8000-000000000001', true, 'b', '2025-10-08 12:00:00'),
  ('luis@example.com', '$2b$12$cgzjJ4nfyz1mnGJLKsnA9uUQe0oNuivzaB8Kvi4lXGM9Vhjk0Nqpq', 'Luis', 'Peña',
   'CASHIER', '00000000-0000-4000-8000-000000000001', false, 'c', '2025-10-08 12:00:00');
INSERT INTO "shops" ("name", "kind", "tenantId")
  VALUES ('Centro', 'Cafetería', '00000000-0000-4000-8000-000000000001');
INSERT INTO "orders" ("total", "userId") SELECT 12.5, "id" FROM "users";
UPDATE "users" SET "shopId" = (SELECT "id" FROM "shops") WHERE "email" = 'luis@example.com';
