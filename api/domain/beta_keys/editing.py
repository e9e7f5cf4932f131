"""Changing and revoking a beta key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.database.clock import NOW
from api.database.scopes import platform_scope
from api.domain import fields
from api.domain.actors import Actor
from api.domain.audit_events.recording import record_event
from api.domain.changes import Editable, apply_changes, read_changes
from api.domain.errors import Conflict, NotFound
from tables import BetaKey

EDITABLE = {
    "notes": Editable("notes", fields.text(500), required=False),
    "expiresAt": Editable("expires_at", fields.future, required=False),
}


async def update_key(actor: Actor, key_id: UUID, given: Mapping[str, Any]) -> None:
    """Change a key; `given` maps the API's field names to the values that the client sent.

    Raises `InvalidInput` and `NotFound`.
    """
    changes = read_changes(given, EDITABLE)
    async with platform_scope():
        key = await BetaKey.objects().where(BetaKey.id == key_id).lock_rows("UPDATE").first()
        if key is None:
            raise NotFound
        differences = apply_changes(key, changes, EDITABLE)
        if not differences:
            return
        columns = {BetaKey.notes: key.notes, BetaKey.expires_at: key.expires_at, BetaKey.updated_at: NOW}
        if "expires_at" in changes:
            # A key with another expiry is not expired until `mark_expired` finds it again.
            columns[BetaKey.expired_at] = None
        await BetaKey.update(columns).where(BetaKey.id == key_id)
        await record_event("beta_key.updated", actor, subject_id=key_id, detail={"changes": differences})


async def revoke_key(actor: Actor, key_id: UUID, reason: str | None) -> None:
    """Revoke an unused key. Its row stays, with the reason.

    Raises `InvalidArgument`, `NotFound`, and `Conflict` for a used or revoked key.
    """
    if reason is not None:
        reason = fields.argument("reason", fields.text(500), reason)
    async with platform_scope():
        revoked = await (
            BetaKey.update({BetaKey.revoked_at: NOW, BetaKey.revoked_reason: reason, BetaKey.updated_at: NOW})
            .where(BetaKey.id == key_id, BetaKey.is_used.eq(False), BetaKey.revoked_at.is_null())
            .returning(BetaKey.id)
        )
        if not revoked:
            raise Conflict if await BetaKey.exists().where(BetaKey.id == key_id) else NotFound
        await record_event("beta_key.revoked", actor, subject_id=key_id, detail={"reason": reason})
