"""What users change of their own account: names, document and phone. The address: `email_change`."""

from collections.abc import Mapping

from api.database.row_writes import update_row
from api.database.rows import read_row, select_list
from api.domain.audit_events.recording import record_event
from api.domain.errors import Unauthenticated
from api.domain.fields import DocumentId, NoneIfBlank, PersonName, Phone
from api.domain.forms import Changes
from api.domain.viewer import Viewer, scope_of
from tables import User


class ViewerChanges(Changes):
    """What a user may change of the own account."""

    first_name: PersonName = ""
    last_name: PersonName = ""
    document_id: NoneIfBlank[DocumentId] = None
    phone_number: NoneIfBlank[Phone] = None


async def update_viewer(viewer: Viewer, values: Mapping[str, object]) -> User:
    """Change the viewer's own details; `values` are the fields of `ViewerChanges`.

    Raises `InvalidInput`, and `Unauthenticated` if the viewer is gone or inactive by now.
    """
    changes = ViewerChanges.read(values)
    async with scope_of(viewer):
        rows = await User.raw(_LOCK, viewer.user.id)
        if not rows:
            raise Unauthenticated
        user = read_row(User, "u", rows[0])
        differences = changes.apply(user)
        if differences:
            await update_row(user, changes.columns)
            await record_event(
                "account.updated",
                viewer.actor,
                tenant_id=user.tenant_id,
                subject_id=user.id,
                detail={"changes": differences},
            )
    return user


_LOCK = f"""
SELECT {select_list(User, "u", leave_out=(User.password,))} FROM users u
 WHERE u.id = {{}} AND u."isActive" FOR NO KEY UPDATE
"""
