"""Which roles of a tenant manage which, and what its staff sees of one another."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from api.domain.errors import Forbidden, Problem
from api.domain.roles import Role
from api.domain.viewer import Viewer
from tables import StaffInvitation, Tenant, User

MANAGEABLE_ROLES: Mapping[Role, frozenset[Role]] = {
    Role.ADMIN: frozenset({Role.ADMIN, Role.MANAGER, Role.CASHIER}),
    Role.MANAGER: frozenset({Role.CASHIER}),
}
"""The roles whose accounts each role invites, creates, changes and removes; the owner has further rules."""


def managed_tenant(viewer: Viewer) -> Tenant:
    """The viewer's tenant. Raises `Forbidden` if the viewer manages no role in it."""
    if viewer.tenant is None or Role(viewer.user.role) not in MANAGEABLE_ROLES:
        raise Forbidden
    return viewer.tenant


def require_can_manage(user: User, role: Role) -> None:
    """Raises `Forbidden` unless `user` manages accounts of that role."""
    if role not in MANAGEABLE_ROLES.get(Role(user.role), ()):
        raise Forbidden


def require_can_give(user: User, values: Mapping[str, object]) -> None:
    """Raises `Forbidden` if an input has a role that `user` does not manage.

    Called before the other fields are checked, whose problems are for those who may create such an account.
    """
    role = next((role for role in Role if role.value == values.get("role")), None)
    if role is not None and role is not Role.SUPER_ADMIN:
        require_can_manage(user, role)


def require_may_see_invitations(viewer: Viewer | None) -> None:
    """Raises `Forbidden` unless the viewer is an operator or manages staff."""
    role = None if viewer is None else Role(viewer.user.role)
    if role is not Role.SUPER_ADMIN and role not in MANAGEABLE_ROLES:
        raise Forbidden


def may_see_personal_data(viewer: Viewer | None, row: User | StaffInvitation) -> bool:
    """Whether the viewer is the user, an operator, or manages the role: `document_id`, `phone_number`."""
    if viewer is None:
        return False
    return (
        viewer.user.id == row.id
        or viewer.user.role == Role.SUPER_ADMIN.value
        or Role(row.role) in MANAGEABLE_ROLES.get(Role(viewer.user.role), ())
    )


def _staff_role(value: str) -> str:
    """A role of a tenant; operators are created by the command line only."""
    if value == Role.SUPER_ADMIN.value:
        raise Problem("INVALID_CHOICE")
    return value


StaffRole = Annotated[str, AfterValidator(_staff_role)]
