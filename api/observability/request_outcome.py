"""What is noted of the request that is being answered, for those who count and trace."""

from contextvars import ContextVar

SEVERAL = "several"
"""What stands for the operation of a document that asks for different root fields."""


class RequestOutcome:
    """`operation` is a root field or a REST door; `outcome` is `ok`, or the code of what went wrong.

    Both come from small sets, whatever clients send: the names that they give their operations do not.
    """

    __slots__ = ("operation", "outcome")

    def __init__(self, operation: str | None) -> None:
        self.operation = operation
        self.outcome = "ok"


current: ContextVar[RequestOutcome | None] = ContextVar("answer", default=None)
"""None unless requests are counted or traced. Tasks of a request share the one object."""


def record_operation(name: str) -> None:
    """A root field is being resolved."""
    answer = current.get()
    if answer is not None and answer.operation != name:
        answer.operation = name if answer.operation is None else SEVERAL


def record_outcome(code: str) -> None:
    """Something went wrong; of several things the last one is kept."""
    answer = current.get()
    if answer is not None:
        answer.outcome = code
