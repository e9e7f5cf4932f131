from piccolo.columns import UUID, Boolean, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.tenant import Tenant


class BetaKey(Table, tablename="beta_keys"):
    """A key that admits one business.

    `expired_at` is when the clean-up marked the key as expired, some time after `expires_at`: see
    `api.domain.beta_keys.expiry`. Triggers set `search_words`, by which keys are searched: see
    `api.domain.search`; and `search_text`, which only servers of an older release read.
    """

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
    expires_at = Timestamptz(null=True, default=None, db_column_name="expiresAt")
    revoked_at = Timestamptz(null=True, default=None, db_column_name="revokedAt")
    revoked_reason = Text(null=True, default=None, db_column_name="revokedReason")
    batch = Varchar(length=60, null=True, default=None)
    recipient_email = Varchar(length=120, null=True, default=None, db_column_name="recipientEmail")
    sent_at = Timestamptz(null=True, default=None, db_column_name="sentAt")
    expired_at = Timestamptz(null=True, default=None, db_column_name="expiredAt")
    issued_by_id = UUID(null=True, default=None, db_column_name="issuedById")
    search_text = Text(null=True, default=None, db_column_name="searchText")
    search_words = Text(null=True, default=None, db_column_name="searchWords")
