"""The part that a user plays."""

import strawberry

from api.domain import roles

Role = strawberry.enum(roles.Role, name="Role")
