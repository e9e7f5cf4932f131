"""Changing and revoking a beta key."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

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
    """Change a key; `given` are the fields of the API that the client wrote.

    Raises `InvalidInput` and `NotFound`.
    """
    changes = read_changes(given, EDITABLE)
    if "expires_at" in changes:
        # Whoever notices expiries looks at it anew.
        changes["expired_at"] = None
    async with platform_scope():
        key = await BetaKey.objects().where(BetaKey.id == key_id).lock_rows("UPDATE").first()
        if key is None:
            raise NotFound
        differences = apply_changes(key, changes, EDITABLE)
        if differences:
            key.expired_at = changes.get("expired_at", key.expired_at)
            key.updated_at = datetime.now(UTC)
            await key.save([BetaKey.notes, BetaKey.expires_at, BetaKey.expired_at, BetaKey.updated_at])
            await record_event("beta_key.updated", actor, subject_id=key_id, detail={"changes": differences})


async def revoke_key(actor: Actor, key_id: UUID, reason: str | None) -> None:
    """Make an unused key admit nobody. It stays on record.

    Raises `InvalidArgument`, `NotFound`, or `Conflict` where it was used or revoked before.
    """
    if reason is not None:
        reason = fields.argument("reason", fields.text(500), reason)
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
