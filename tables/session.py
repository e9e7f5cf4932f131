from piccolo.columns import UUID, BigInt, Bytea, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.user import User


class Session(Table, tablename="sessions"):
    """A signed-in device. Only the SHA-256 of its token is stored."""

    id = UUID(primary_key=True)
    user_id = ForeignKey(
        User, null=False, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="userId"
    )
    token_digest = Bytea(default=None, unique=True, secret=True, db_column_name="tokenDigest")
    created_at = Timestamptz(db_column_name="createdAt")
    last_seen_at = Timestamptz(db_column_name="lastSeenAt")
    expires_at = Timestamptz(default=None, db_column_name="expiresAt")
    revoked_at = Timestamptz(null=True, default=None, db_column_name="revokedAt")
    confirmed_at = Timestamptz(null=True, default=None, db_column_name="confirmedAt")
    user_agent = Text(null=True, default=None, db_column_name="userAgent")
    ip_address = Varchar(length=45, null=True, default=None, db_column_name="ipAddress")
    last_write = BigInt(null=True, default=None, db_column_name="lastWrite")
    """The number of the last transaction in which the session wrote: see `api.database.replicas`."""
