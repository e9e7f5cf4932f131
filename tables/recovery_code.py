from piccolo.columns import UUID, Bytea, ForeignKey, Timestamptz
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.user import User


class RecoveryCode(Table, tablename="recovery_codes"):
    """A code that replaces a lost second factor once. Only its digest is stored."""

    id = UUID(primary_key=True)
    user_id = ForeignKey(
        User, null=False, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="userId"
    )
    code_digest = Bytea(default=None, secret=True, db_column_name="codeDigest")
    created_at = Timestamptz(db_column_name="createdAt")
    used_at = Timestamptz(null=True, default=None, db_column_name="usedAt")
