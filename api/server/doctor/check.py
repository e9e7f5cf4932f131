"""One check of `gatehouse doctor`: it ends within its time, and every failure of it is one line."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from api.observability.error_descriptions import describe_error, terminal_message
from api.settings import Settings

Status = Literal["ok", "warning", "failure", "skipped"]


class Outcome(NamedTuple):
    """What a check found. The message of a warning or failure says what to do."""

    status: Status
    message: str


Check = Callable[[], Awaitable[Outcome]]
"""Any exception that it raises is a failure."""


@dataclass(frozen=True)
class Finding:
    """The outcome of the check with that name; its message is one line without secrets."""

    check: str
    status: Status
    message: str


async def run_check(name: str, check: Check, settings: Settings, timeout: float) -> Finding:  # noqa: ASYNC109
    """`timeout` is in seconds."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            outcome = await check()
    except Exception as error:  # noqa: BLE001
        if isinstance(error, TimeoutError) and limit.expired():
            outcome = Outcome("failure", f"no answer within {timeout:g} s")
        else:
            outcome = Outcome("failure", terminal_message(error) or describe_error(error))
    return Finding(name, outcome.status, without_secrets(" ".join(outcome.message.split()), settings))


def without_secrets(text: str, settings: Settings) -> str:
    """The text without the values of secret settings, which the error of a server may repeat."""
    for secret in _secrets(settings):
        text = text.replace(secret, "…")
    return text


def _secrets(settings: Settings) -> list[str]:
    """The longest first: one may contain another."""
    values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    passwords = [password for value in values if (password := urlsplit(value).password)]
    found = {*values, *passwords, *map(unquote, passwords)}
    return sorted(found, key=len, reverse=True)
