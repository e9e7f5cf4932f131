"""Changing and revoking a beta key."""

from collections.abc import Mapping
from uuid import UUID

from api.database.row_writes import update_row
from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.errors import Conflict, NotFound
from api.domain.fields import FutureTime, KeyNotes, NoneIfBlank
from api.domain.forms import Changes
from tables import BetaKey


class KeyChanges(Changes):
    """What an operator may change of a key."""

    notes: NoneIfBlank[KeyNotes] = None
    expires_at: NoneIfBlank[FutureTime] = None


async def update_key(actor: Actor, key_id: UUID, given: Mapping[str, object]) -> None:
    """Change a key; `given` are the fields of the API that the client wrote.

    Raises `InvalidInput` and `NotFound`.
    """
    changes = KeyChanges.read(given)
    async with platform_scope():
        key = await BetaKey.objects().where(BetaKey.id == key_id).lock_rows("UPDATE").first()
        if key is None:
            raise NotFound
        differences = changes.apply(key)
        if differences:
            # With another expiry, the clean-up has to notice again when the key expires.
            noticed = {"expired_at": None} if "expires_at" in changes.columns else {}
            await update_row(key, changes.columns | noticed)
            await record_event("beta_key.updated", actor, subject_id=key_id, detail={"changes": differences})


async def revoke_key(actor: Actor, key_id: UUID, reason: str | None) -> None:
    """Make an unused key admit nobody. It stays on record.

    Raises `InvalidArgument`, `NotFound`, or `Conflict` where it was used or revoked before.
    """
    if reason is not None:
        reason = fields.argument("reason", fields.reason, reason)
    async with platform_scope():
        revoked = await BetaKey.raw(
            'UPDATE beta_keys SET "revokedAt" = now(), "revokedReason" = {}, "updatedAt" = now()'
            ' WHERE id = {} AND NOT "isUsed" AND "revokedAt" IS NULL RETURNING id',
            reason,
            key_id,
        )
        if not revoked:
            raise Conflict if await BetaKey.exists().where(BetaKey.id == key_id) else NotFound
        await record_event("beta_key.revoked", actor, subject_id=key_id, detail={"reason": reason})
