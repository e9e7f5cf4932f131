"""Changing and revoking a beta key."""

from collections.abc import Mapping
from uuid import UUID

from api.database.clock import NOW
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


async def update_key(actor: Actor, key_id: UUID, values: Mapping[str, object]) -> None:
    """Change a key; `values` are the fields of `KeyChanges` that the client sent.

    Raises `InvalidInput` and `NotFound`.
    """
    changes = KeyChanges.read(values)
    async with platform_scope():
        key = await BetaKey.objects().where(BetaKey.id == key_id).lock_rows("UPDATE").first()
        if key is None:
            raise NotFound
        differences = changes.apply(key)
        if differences:
            # A key with another expiry is not expired until `mark_expired` finds it again.
            reset = {"expired_at": None} if "expires_at" in changes.columns else {}
            await update_row(key, changes.columns | reset)
            await record_event("beta_key.updated", actor, subject_id=key_id, detail={"changes": differences})


async def revoke_key(actor: Actor, key_id: UUID, reason: str | None) -> None:
    """Revoke an unused key. Its row stays, with the reason.

    Raises `InvalidArgument`, `NotFound`, and `Conflict` for a used or revoked key.
    """
    if reason is not None:
        reason = fields.argument("reason", fields.reason, reason)
    async with platform_scope():
        revoked = await (
            BetaKey.update({BetaKey.revoked_at: NOW, BetaKey.revoked_reason: reason, BetaKey.updated_at: NOW})
            .where(BetaKey.id == key_id, BetaKey.is_used.eq(False), BetaKey.revoked_at.is_null())
            .returning(BetaKey.id)
        )
        if not revoked:
            raise Conflict if await BetaKey.exists().where(BetaKey.id == key_id) else NotFound
        await record_event("beta_key.revoked", actor, subject_id=key_id, detail={"reason": reason})
