from api.deploy.migrations.migration import Index, SqlMigration

ID = "2026-11-24T09:05:44:716203"
DESCRIPTION = "Find any page of the beta keys at once, under every filter."

# An index cannot depend on the current time, so the expiry of a key is recorded in "expiredAt" once noticed.
OPEN = 'NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL'
STATES = {
    "used": '"isUsed"',
    "revoked": 'NOT "isUsed" AND "revokedAt" IS NOT NULL',
    "expired": 'NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NOT NULL',
    "open": OPEN,
}

# Listing a batch orders by another expression for the same time than listing all keys. With the same one,
# PostgreSQL scans the index of all keys: it expects the batch to be spread evenly, but it was issued at once.
CREATED_IN_BATCH = """("createdAt" AT TIME ZONE 'UTC')"""

LISTINGS = [
    Index(f"beta_keys_{by}{name}", f"beta_keys ({columns}){condition}")
    for name, condition in (("", ""), *((f"_{name}", f" WHERE {state}") for name, state in STATES.items()))
    for by, columns in (("created", '"createdAt", id'), ("batch", f"batch, {CREATED_IN_BATCH}, id"))
]

# All columns that counting needs, for index-only scans. Most keys have equal values, which the index
# deduplicates.
COUNTS = Index("beta_keys_counts", 'beta_keys (batch, "isUsed", "revokedAt", "expiresAt", "sentAt")')
EXPIRING = Index("beta_keys_expiring", f'beta_keys ("expiresAt") WHERE {OPEN}')
RECIPIENT = Index(
    "beta_keys_recipient", 'beta_keys (lower("recipientEmail")) WHERE "recipientEmail" IS NOT NULL'
)

MIGRATION = SqlMigration(
    ID,
    DESCRIPTION,
    forwards=[
        'ALTER TABLE beta_keys ADD COLUMN IF NOT EXISTS "expiredAt" timestamptz;',
        *LISTINGS,
        COUNTS,
        EXPIRING,
        RECIPIENT,
    ],
)
