"""The limits of a request, for GraphQL and REST. Those of GraphQL documents are `DocumentLimits`."""

MAX_BODY_BYTES = 64 * 1024

MAX_REQUEST_SECONDS = 30
"""From the end of the head to the response."""

RETRY_AFTER_SECONDS = 5
"""When to try again after a 503 that does not know better."""

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of the request line and all headers; also of the trailers of a chunked body."""

MAX_HEAD_SECONDS = 10
"""From the first byte of a head to its last."""

MAX_BODY_SECONDS = 30

MAX_FIRST_REQUEST_SECONDS = 30
"""From the start of a connection to the end of the head of its first request."""
