from piccolo.columns import UUID, BigInt, ForeignKey, Text, Timestamptz
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.user import User


class AuthenticatorApp(Table, tablename="authenticator_apps"):
    """The app on a user's phone that shows codes. It counts once a code of it was typed (`confirmed_at`)."""

    id = UUID(primary_key=True)
    user_id = ForeignKey(
        User,
        null=False,
        default=None,
        on_delete=OnDelete.cascade,
        unique=True,
        db_column_name="userId",
    )
    secret = Text(default=None, secret=True)
    created_at = Timestamptz(db_column_name="createdAt")
    confirmed_at = Timestamptz(null=True, default=None, db_column_name="confirmedAt")
    last_used_step = BigInt(null=True, default=None, db_column_name="lastUsedStep")
