"""Confirming that it is the user who holds a session, before acts that a thief of the session must not do."""

from api.database.clock import NOW
from api.database.scopes import platform_scope, read_platform
from api.domain.accounts.password_guesses import guess_own_password
from api.domain.accounts.second_factors.proofs import Proof, check_proof
from api.domain.actors import CONFIRMATION_LIFETIME
from api.domain.audit_events.recording import record_event
from api.domain.errors import FieldProblem, InvalidInput, WrongPassword
from api.domain.viewer import Viewer
from tables import Session


async def confirm_identity(viewer: Viewer, password: str | None, proof: Proof) -> int:
    """Confirm the session of the viewer with a proof of the second factor if one is given, or the password.

    Returns for how many seconds it is confirmed. Raises `InvalidInput` without either, `WrongPassword`,
    `WrongCode`, `WrongPasskey`, `PasskeysUnavailable` and `RateLimited`.
    """
    if proof != Proof(None, None):
        method = (await check_proof(viewer.user, viewer.actor, proof)).value
    elif password is not None:
        await _check_password(viewer, password)
        method = "PASSWORD"
    else:
        raise InvalidInput([FieldProblem("password", "REQUIRED")])
    async with platform_scope():
        await Session.update({Session.confirmed_at: NOW}).where(Session.id == viewer.session_id)
        await _record("session.confirmed", viewer, method=method)
    return int(CONFIRMATION_LIFETIME.total_seconds())


async def _check_password(viewer: Viewer, password: str) -> None:
    rows = await read_platform("SELECT password FROM users WHERE id = {}", viewer.user.id)
    stored = rows[0]["password"] if rows else None
    if not await guess_own_password(password, stored, viewer):
        async with platform_scope():
            await _record("session.refused", viewer, reason="wrong password")
        raise WrongPassword


async def _record(action: str, viewer: Viewer, **detail: str) -> None:
    await record_event(
        action, viewer.actor, tenant_id=viewer.user.tenant_id, subject_id=viewer.user.id, detail=detail
    )
