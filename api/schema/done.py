"""The success of mutations that return no data."""

import strawberry


@strawberry.type(description="The mutation succeeded and returns no data.")
class Done:
    message: str = strawberry.field(
        description="What was done, as a sentence for people in the language of the request."
    )
