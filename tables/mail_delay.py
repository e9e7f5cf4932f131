from piccolo.columns import UUID, BigInt, DoublePrecision
from piccolo.table import Table


class MailDelay(Table, tablename="mail_delays"):
    """How many mails a server accepted within `up_to` seconds, and not within those of the row before.

    The last row is for all slower ones, with `infinity`. `seconds` is the sum of their delays.
    """

    id = UUID(primary_key=True)
    up_to = DoublePrecision(default=None, unique=True, db_column_name="upTo")
    mails = BigInt(default=0)
    seconds = DoublePrecision(default=0.0)
