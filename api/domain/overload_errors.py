"""Errors of requests that the server does not carry out, through no fault of their contents."""

from api.domain.errors import DomainError


class Overloaded(DomainError):
    """More passwords are to be hashed than the server can hash in time; nothing was done or counted.

    Retry after `retry_after_seconds`, which is at least 1.
    """

    code = "OVERLOADED"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class ClientGone(DomainError):
    """The client went away before its request was carried out; nothing was done."""

    code = "CLIENT_GONE"
