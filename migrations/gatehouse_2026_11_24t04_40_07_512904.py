from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-24T04:40:07:512904"
DESCRIPTION = "Find any page of a tenant's users at once."

# In the order in which they are listed: a page begins where the last one ended, however far down that is.
USERS_TENANT_JOINED = Index("users_tenant_joined", 'users ("tenantId", "createdAt", id)')

MIGRATION = SqlMigration(ID, DESCRIPTION, forwards=[USERS_TENANT_JOINED])
