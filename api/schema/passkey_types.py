"""The GraphQL type of a passkey."""

from datetime import datetime

import strawberry

from tables import Passkey as Row


@strawberry.type(description="A passkey of the viewer: a device or an account of a password manager.")
class Passkey:
    id: strawberry.ID = strawberry.field(description="A UUID.")
    name: str = strawberry.field(description="The name that the viewer gave it.")
    created_at: datetime = strawberry.field(description="When it was added.")
    last_used_at: datetime | None = strawberry.field(description="When it was used last; null if it was not.")

    @classmethod
    def of(cls, row: Row) -> "Passkey":
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )
