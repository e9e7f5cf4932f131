from piccolo.columns import UUID, BigInt, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.tenant import Tenant
from tables.user import User


class OneTimeCode(Table, tablename="one_time_codes"):
    """A mailed code, or the token that was returned for one. Only its digest is stored.

    `attempts` are those from the network that requested the code, `attempts_elsewhere` those from all others.
    """

    id = UUID(primary_key=True)
    purpose = Varchar(length=40, default=None)
    email = Varchar(length=120, default=None)
    user_id = ForeignKey(
        User, null=True, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="userId"
    )
    tenant_id = ForeignKey(
        Tenant, null=True, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="tenantId"
    )
    code_digest = Text(default=None, secret=True, db_column_name="codeDigest")
    attempts = BigInt(default=0)
    attempts_elsewhere = BigInt(default=0, db_column_name="attemptsElsewhere")
    network = Varchar(length=45, null=True, default=None)
    created_at = Timestamptz(db_column_name="createdAt")
    expires_at = Timestamptz(default=None, db_column_name="expiresAt")
    consumed_at = Timestamptz(null=True, default=None, db_column_name="consumedAt")
