"""The stored passkeys of users.

The ceremonies are imported in functions: commands would load their library too, which takes 0.13 s. A server
loads it with its schema.
"""

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from api.database.rows import read_row, select_list
from api.database.scopes import platform_scope
from api.domain.accounts.passkeys.relying_party import RelyingParty, find_relying_party, relying_party
from api.domain.errors import Conflict, NotFound
from tables import Passkey, User

if TYPE_CHECKING:
    from api.domain.accounts.passkeys.ceremonies import NewCredential

MAX_PASSKEYS = 20
"""Passkeys of one user: more devices than a person has."""


async def list_passkeys(user_id: UUID) -> list[Passkey]:
    """All passkeys of a user, the oldest first."""
    async with platform_scope():
        return await (
            Passkey.objects().where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)
        )


async def passkeys_for(party: RelyingParty, user_id: UUID) -> list[Passkey]:
    """The passkeys that a user can use here, in the open transaction: not those for an earlier host."""
    return (
        await Passkey.objects()
        .where(Passkey.user_id == user_id, Passkey.relying_party == party.id)
        .order_by(Passkey.created_at, Passkey.id)
    )


async def options_of(user_id: UUID, challenge: bytes) -> str | None:
    """The options for a sign-in, in the open transaction; None for a user who has no passkey to use here."""
    from api.domain.accounts.passkeys import ceremonies

    party = find_relying_party()
    passkeys = await passkeys_for(party, user_id) if party is not None else []
    return ceremonies.request_options(party, challenge, passkeys) if party is not None and passkeys else None


class NewPasskey(NamedTuple):
    """A passkey that is to be stored, with the name that the user gave it."""

    party: RelyingParty
    credential: "NewCredential"
    name: str


async def insert_passkey(user_id: UUID, new: NewPasskey) -> Passkey:
    """Insert a passkey in the open transaction, which has locked the user.

    Raises `Conflict` for one too many, and `UniqueViolationError` for one that is stored.
    """
    if await Passkey.count().where(Passkey.user_id == user_id) >= MAX_PASSKEYS:
        raise Conflict
    (row,) = await Passkey.raw(
        _INSERT,
        user_id,
        new.party.id,
        new.credential.credential_id,
        new.credential.public_key,
        new.credential.sign_count,
        new.name,
    )
    return read_row(Passkey, "p", row)


_INSERT = f"""
INSERT INTO passkeys AS p ("userId", "relyingParty", "credentialId", "publicKey", "signCount", name)
VALUES ({{}}, {{}}, {{}}, {{}}, {{}}, {{}}) RETURNING {select_list(Passkey, "p")}
"""


def challenge_of(response: str) -> bytes:
    """The challenge that the response of a passkey names. Raises `WrongPasskey`."""
    from api.domain.accounts.passkeys import ceremonies

    return ceremonies.read_assertion(response).challenge


async def use_passkey(user: User, response: str, challenge: bytes) -> bool:
    """Verify the response of one of the user's passkeys to `challenge`, in the open transaction.

    Raises `WrongPasskey`. The lock makes concurrent responses of one device wait for each other, so that
    each count of signatures is accepted once.
    """
    from api.domain.accounts.passkeys import ceremonies

    party = relying_party()
    assertion = ceremonies.read_assertion(response)
    if assertion.user_handle not in (None, b"", user.id.bytes):
        return False
    rows = await Passkey.raw(_LOCK, user.id, party.id, assertion.credential_id)
    if not rows:
        return False
    count = ceremonies.verify_assertion(
        assertion, challenge, party, rows[0]["publicKey"], rows[0]["signCount"]
    )
    await Passkey.raw(
        'UPDATE passkeys SET "signCount" = {}, "lastUsedAt" = now() WHERE id = {}', count, rows[0]["id"]
    )
    return True


_LOCK = """
SELECT id, "publicKey", "signCount" FROM passkeys
 WHERE "userId" = {} AND "relyingParty" = {} AND "credentialId" = {} FOR UPDATE
"""


async def delete_passkey(user_id: UUID, passkey_id: UUID) -> None:
    """Delete a passkey in the open transaction. Raises `NotFound` for one of another user too."""
    deleted = await (
        Passkey.delete().where(Passkey.id == passkey_id, Passkey.user_id == user_id).returning(Passkey.id)
    )
    if not deleted:
        raise NotFound


async def delete_passkeys(user_id: UUID) -> None:
    """Delete all passkeys of a user in the open transaction."""
    await Passkey.delete().where(Passkey.user_id == user_id)
