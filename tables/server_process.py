from piccolo.columns import UUID, BigInt, Timestamptz, Varchar
from piccolo.table import Table


class ServerProcess(Table, tablename="server_processes"):
    """A running server or worker, and the release that it runs.

    The process updates `seen_at` while it runs, and deletes its row when it stops. `release` is the id of the
    newest migration that its code has.
    """

    id = UUID(primary_key=True)
    kind = Varchar(length=10, default=None)
    host = Varchar(length=255, default=None)
    process_id = BigInt(default=None, db_column_name="processId")
    version = Varchar(length=40, default=None)
    release = Varchar(length=40, default=None)
    started_at = Timestamptz(db_column_name="startedAt")
    seen_at = Timestamptz(db_column_name="seenAt")
