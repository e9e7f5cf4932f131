from piccolo.columns import UUID, Bytea, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.tenant import Tenant


class StaffInvitation(Table, tablename="staff_invitations"):
    """A person who was invited to a tenant and has no account of it yet; reserves a seat until `expires_at`.

    The row is deleted when the invitation is accepted or cancelled. Only the digests of its token and code
    are stored. A unique index is on `tenantId` and `emailLower`, a generated column that exists only in SQL.
    """

    id = UUID(primary_key=True)
    tenant_id = ForeignKey(
        Tenant, null=False, default=None, on_delete=OnDelete.cascade, db_column_name="tenantId"
    )
    email = Varchar(length=120, default=None)
    first_name = Text(default=None, db_column_name="firstName")
    last_name = Text(default=None, db_column_name="lastName")
    role = Varchar(length=20, default=None)
    document_id = Text(null=True, default=None, db_column_name="documentId")
    phone_number = Text(null=True, default=None, db_column_name="phoneNumber")
    token_digest = Bytea(default=None, unique=True, secret=True, db_column_name="tokenDigest")
    code_digest = Bytea(default=None, unique=True, secret=True, db_column_name="codeDigest")
    created_at = Timestamptz(db_column_name="createdAt")
    sent_at = Timestamptz(db_column_name="sentAt")
    expires_at = Timestamptz(default=None, db_column_name="expiresAt")
