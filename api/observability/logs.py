"""The log: one line for each event, as JSON or as text, with the id of its request."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.key_shape import GROUP_PATTERN, PREFIX
from api.observability.error_descriptions import describe_error_chain
from api.settings import get_settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The X-Request-ID of the current request."""

# Events become records of the standard library, so that one formatter serves them and those of all other
# libraries. Configured on import, because not every command calls `configure_logging`.
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.render_to_log_kwargs,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Gatehouse's own logger: `logger.info("stopped", url=url)`."""
    return structlog.stdlib.get_logger("gatehouse")


def configure_logging() -> None:
    """Write all records of this process to standard error in LOG_FORMAT. Raises `SettingsError`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(as_text=_is_text()))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _is_text() -> bool:
    log_format = get_settings().log_format
    return sys.stderr.isatty() if log_format == "auto" else log_format == "text"


def formatter(*, as_text: bool) -> logging.Formatter:
    """Formats a record as one line with event, level, logger, timestamp, request_id and its own fields."""
    enrich: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        _add_exception,
    ]
    render: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _render_text if as_text else structlog.processors.JSONRenderer(),
        _mask_secrets,
    ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=enrich, processors=render)


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["request_id"] = request_id.get()
    return event


def _add_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces structlog's traceback, because the message of an exception may repeat rows of a table."""
    exc_info = event.pop("exc_info", None)
    if exc_info and isinstance(error := exc_info[1], BaseException):
        event["exception"] = describe_error_chain(error)
    return event


def _render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level').upper()} {event.pop('logger')}"
    head += f" [{event.pop('request_id')}] {event.pop('event')}"
    # One line, so that a search for a request id finds the whole event. Escaped, so that a client cannot
    # forge a line of its own or send control sequences to a terminal.
    line = " ".join([_one_line(head), *(f"{name}={_format_value(value)}" for name, value in event.items())])
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def _format_value(value: Any) -> str:
    text = _one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


_SECRETS = re.compile(
    # Also after a percent-encoded character, as in the query of an address.
    rf"(?P<key>(?:\b|(?<=%[0-9A-F]{{2}})){PREFIX}-){GROUP_PATTERN}-{GROUP_PATTERN}\b"
    # A session token: 256 bits in URL-safe Base64.
    r"|(?P<token>(?<![\w-]))[\w-]{43}(?![\w-])"
    r"|(?P<address>://[^\s/:@\"]*:)[^\s@\"]+(?=@)",
    re.ASCII | re.IGNORECASE,
)


def _mask_secrets(_logger: WrappedLogger, _method: str, line: str) -> str:
    """A second line of defence: no code logs a beta key, a token or a password on purpose."""
    return mask_secrets(line)


def mask_secrets(text: str) -> str:
    """The text without its beta keys, tokens and passwords."""
    return _SECRETS.sub(lambda match: f"{match[match.lastgroup or 0]}***", text)
