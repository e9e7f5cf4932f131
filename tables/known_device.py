from piccolo.columns import UUID, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.user import User


class KnownDevice(Table, tablename="known_devices"):
    """A network and a kind of program from which a user has signed in: see `api.domain.accounts.devices`.

    A unique index is on `userId`, `network` and `agent`.
    """

    id = UUID(primary_key=True)
    user_id = ForeignKey(User, null=False, default=None, on_delete=OnDelete.cascade, db_column_name="userId")
    network = Varchar(length=45, default=None)
    agent = Text(default=None)
    first_seen_at = Timestamptz(db_column_name="firstSeenAt")
    last_seen_at = Timestamptz(db_column_name="lastSeenAt")
    forgotten_at = Timestamptz(null=True, default=None, db_column_name="forgottenAt")
    """When the sessions of the user were ended, which may have been a thief's. The row stays: without any,
    the next sign-in would pass for the first one, and not be mailed."""
