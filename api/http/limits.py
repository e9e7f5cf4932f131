"""The limits of a request, for GraphQL and REST. Those of GraphQL documents are `DocumentLimits`."""

MAX_BODY_BYTES = 64 * 1024

MAX_REQUEST_SECONDS = 30
