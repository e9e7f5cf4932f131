"""The log: one line an event, JSON or readable, each with the request that it belongs to."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.key_shape import GROUP_PATTERN, PREFIX
from api.settings import get_settings

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The X-Request-ID of the request that is being answered."""

# Events become records of the standard library, as those of all other libraries are, so that there is one
# way from a record to a line. Said on import, because a command that logs may not have set anything up.
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
    """Gatehouse's own logger: `logger.info("refused", status=400)`."""
    return structlog.stdlib.get_logger("gatehouse")


def configure_logging() -> None:
    """Write all records of this process to standard error, as LOG_FORMAT says. Raises `SettingsError`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(readable=_is_readable()))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _is_readable() -> bool:
    chosen = get_settings().log_format
    return sys.stderr.isatty() if chosen == "auto" else chosen == "text"


def formatter(*, readable: bool) -> logging.Formatter:
    """Makes the line of a record; each has event, level, logger, timestamp and request_id."""
    preparing: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        _add_exception,
    ]
    rendering: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _render_line if readable else structlog.processors.JSONRenderer(),
        _mask,
    ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=preparing, processors=rendering)


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["request_id"] = request_id.get()
    return event


def _add_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Where an exception was raised, and what it says without the rows that PostgreSQL repeats in it."""
    # Imported here, because what tells of failures logs, too.
    from api.observability.error_descriptions import describe_error_chain

    raised = event.pop("exc_info", None)
    if raised and isinstance(error := raised[1], BaseException):
        event["exception"] = describe_error_chain(error)
    return event


def _render_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level').upper()} {event.pop('logger')}"
    head += f" [{event.pop('request_id')}] {event.pop('event')}"
    # Kept on one line, so that whoever searches for a request finds all of it, and so that nothing a
    # client sends can pass for a line of its own, or for an order to the terminal.
    said = " ".join([_one_line(head), *(f"{name}={_value(value)}" for name, value in event.items())])
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in said)


def _value(value: Any) -> str:
    text = _one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


_SECRETS = re.compile(
    rf"(?P<key>\b{PREFIX}-){GROUP_PATTERN}-{GROUP_PATTERN}\b"
    # 256 bits in the alphabet of URLs: the token of a session.
    r"|(?P<token>(?<![\w-]))[\w-]{43}(?![\w-])"
    r"|(?P<address>://[^\s/:@\"]*:)[^\s@\"]+(?=@)",
    re.ASCII | re.IGNORECASE,
)


def _mask(_logger: WrappedLogger, _method: str, line: str) -> str:
    """Nothing should log these. Should anything do so, what it wrote cannot be used."""
    return _SECRETS.sub(lambda found: f"{found[found.lastgroup or 0]}***", line)
