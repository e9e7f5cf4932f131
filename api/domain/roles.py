"""The roles of users."""

from enum import Enum


class Role(Enum):
    SUPER_ADMIN = "SUPER_ADMIN"
    """An operator; has no tenant."""
    ADMIN = "ADMIN"
    MANAGER = "MANAGER"
    CASHIER = "CASHIER"
