"""The limits of a request, for GraphQL and REST."""

MAX_BODY_BYTES = 64 * 1024

MAX_REQUEST_SECONDS = 30
