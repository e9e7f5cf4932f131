"""The operation and the outcome of the current request, for metrics and traces."""

from contextvars import ContextVar

SEVERAL = "several"
"""The operation of a document with different root fields."""


class RequestOutcome:
    """`operation` is a root field or a REST endpoint; `outcome` is `ok`, or an error code.

    Both are labels of metrics, so their values come from small sets. The operation name that a client chooses
    is not used.
    """

    __slots__ = ("operation", "outcome", "wrong_guesses")

    def __init__(self, operation: str | None) -> None:
        self.operation = operation
        self.outcome = "ok"
        self.wrong_guesses: list[str] = []
        """What was guessed wrongly, such as `keys`: once for each guess of the request."""


current_outcome: ContextVar[RequestOutcome | None] = ContextVar("current_outcome", default=None)
"""None unless metrics or traces are on. All tasks of a request share the object."""


def record_operation(name: str) -> None:
    """Record that the root field `name` is resolved."""
    outcome = current_outcome.get()
    if outcome is not None and outcome.operation != name:
        outcome.operation = name if outcome.operation is None else SEVERAL


def record_outcome(code: str) -> None:
    """Record an error code. A later code of the same request replaces it."""
    outcome = current_outcome.get()
    if outcome is not None:
        outcome.outcome = code


def record_wrong_guess(guessed: str) -> None:
    """Record a wrong guess of a key, code, password or second factor."""
    outcome = current_outcome.get()
    if outcome is not None:
        outcome.wrong_guesses.append(guessed)
