"""Claiming a beta key: the statement that marks it used by exactly one tenant."""

CLAIM = """
UPDATE beta_keys SET "isUsed" = true, "usedByTenantId" = {}, "usedAt" = now(), "updatedAt" = now()
  FROM owner WHERE beta_keys.id = {} AND NOT "isUsed" AND "revokedAt" IS NULL
   AND ("expiresAt" IS NULL OR "expiresAt" > now())
   AND ("recipientEmail" IS NULL OR lower("recipientEmail") = lower({})) RETURNING beta_keys.id
"""
"""A part of a `StatementChain` after one named `owner`.

Its values are the id of the tenant, that of the key, and the address of the owner. Of any number of
concurrent transactions exactly one gets a row.
"""
