from piccolo.columns import UUID, BigInt, Bytea, ForeignKey, Text, Timestamptz
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.user import User


class Passkey(Table, tablename="passkeys"):
    """A key pair on a user's device (WebAuthn), of which only the public half is stored.

    It signs for `relying_party` alone, the host of `PUBLIC_URL` when it was made. `sign_count` is how many
    signatures it has made, or 0 if it does not count.
    """

    id = UUID(primary_key=True)
    user_id = ForeignKey(
        User, null=False, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="userId"
    )
    relying_party = Text(default=None, db_column_name="relyingParty")
    credential_id = Bytea(default=None, unique=True, db_column_name="credentialId")
    public_key = Bytea(default=None, db_column_name="publicKey")
    sign_count = BigInt(default=None, db_column_name="signCount")
    name = Text(default=None)
    created_at = Timestamptz(db_column_name="createdAt")
    last_used_at = Timestamptz(null=True, default=None, db_column_name="lastUsedAt")
