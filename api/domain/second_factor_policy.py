"""Who signs in with a second factor."""

from datetime import datetime

from api.domain.roles import Role
from api.settings import get_settings
from tables import User


def is_available(role: str) -> bool:
    """Whether a user of this role may set a second factor up: not with `OPERATOR_SECOND_FACTOR=off`."""
    return role != Role.SUPER_ADMIN.value or get_settings().operator_second_factor != "off"


def is_asked(role: str, second_factor_at: datetime | None) -> bool:
    """Whether a user who has a second factor since `second_factor_at`, or none, signs in with it too."""
    return second_factor_at is not None and is_available(role)


def is_required(role: str) -> bool:
    """Whether each user of this role must have a second factor."""
    return role == Role.SUPER_ADMIN.value and get_settings().operator_second_factor == "required"


def must_set_up(user: User) -> bool:
    """Whether the user must set up a second factor before anything else."""
    return user.second_factor_at is None and is_required(user.role)


def may_see_second_factor(viewer: User, user: User) -> bool:
    """Whether the viewer may know if `user` has a second factor: an attacker would choose one without."""
    return viewer.id == user.id or viewer.role == Role.SUPER_ADMIN.value
