"""The log: one line an event, each with the request that it belongs to."""

import logging
import sys
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The X-Request-ID of the request that is being answered."""


def configure_logging() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get()
        # Kept on one line, so that whoever searches for a request finds all of it, and so that nothing a
        # client sends can pass for a line of its own.
        return " | ".join(line.strip() for line in super().format(record).splitlines() if line.strip())
