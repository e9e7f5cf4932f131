"""The part that a user plays."""

import strawberry

from api.domain import users

Role = strawberry.enum(users.Role, name="Role")
