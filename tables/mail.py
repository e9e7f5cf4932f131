from piccolo.columns import JSONB, UUID, BigInt, Text, Timestamptz, Varchar
from piccolo.table import Table


class Mail(Table, tablename="mails"):
    """A mail that is waiting or failed permanently. Sent mails are deleted.

    `values` fill the template, and may contain a one-time code. They are erased when the mail fails
    permanently.
    """

    id = UUID(primary_key=True)
    template = Varchar(length=40, default=None)
    recipient = Varchar(length=120, default=None)
    language = Varchar(length=2, default=None)
    values = JSONB()
    created_at = Timestamptz(db_column_name="createdAt")
    expires_at = Timestamptz(null=True, default=None, db_column_name="expiresAt")
    due_at = Timestamptz(db_column_name="dueAt")
    tries = BigInt(default=0)
    error = Text(null=True, default=None)
    failed_at = Timestamptz(null=True, default=None, db_column_name="failedAt")
