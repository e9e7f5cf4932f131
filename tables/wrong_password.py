from piccolo.columns import UUID, Array, Bytea, Timestamptz
from piccolo.table import Table


class WrongPassword(Table, tablename="wrong_passwords"):
    """The latest wrong passwords of one email address, with an account or without, in the last day; also the
    wrong codes of the second factor of one user, whose digest is in the place of that of the address.

    `mailed_at` is when the owner was last told about many of them.
    """

    id = UUID(primary_key=True)
    account_digest = Bytea(default=None, unique=True, db_column_name="accountDigest")
    times = Array(base_column=Timestamptz(), default=None)
    last_at = Timestamptz(index=True, db_column_name="lastAt")
    mailed_at = Timestamptz(null=True, default=None, db_column_name="mailedAt")
