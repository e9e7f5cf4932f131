from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-24T09:30:12:905771"
DESCRIPTION = "Find any page of the tenants at once, those to be erased, and the keys of one that is."

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        Index("tenants_created", 'tenants ("createdAt", id) WHERE "deletedAt" IS NULL'),
        Index("tenants_active_created", 'tenants ("isActive", "createdAt", id) WHERE "deletedAt" IS NULL'),
        Index("tenants_deleted", 'tenants ("deletedAt") WHERE "deletedAt" IS NOT NULL'),
        # Erasing a tenant sets "usedByTenantId" of its key to null; without the index that scans all keys.
        Index("beta_keys_used_by", 'beta_keys ("usedByTenantId") WHERE "usedByTenantId" IS NOT NULL'),
    ],
)
