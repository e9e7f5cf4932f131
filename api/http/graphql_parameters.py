"""Reads the parameters of a GraphQL request from a JSON body or a query string.

Source: the GraphQL-over-HTTP specification, "Request Parameters", and Apollo's automatic persisted queries.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from api.http.body import HttpError, parse_json


class Parameters(NamedTuple):
    """The parameters of a request. At least one of `query` and `query_hash` is set."""

    query: str | None
    operation_name: str | None
    variables: dict[str, Any] | None
    extensions: dict[str, Any] | None
    query_hash: str | None
    """The SHA-256 of the query in hexadecimal digits, if it is a persisted query."""


def parse_body(body: bytes) -> Parameters:
    """Raises `HttpError` with status 400."""
    values = parse_json(body)
    if not isinstance(values, dict):
        raise HttpError(400, "The body must be one JSON object; there is no batching.")
    return _read_parameters(values)


def parse_query_string(query_string: bytes, max_bytes: int) -> Parameters:
    """Raises `HttpError` with status 400, or 414 if it is longer than `max_bytes`."""
    if len(query_string) > max_bytes:
        raise HttpError(414, f"The query string is longer than {max_bytes} bytes.")
    try:
        values = dict(parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise HttpError(400, "The query string is not UTF-8.") from None
    return _read_parameters(values)


def has_request(query_string: bytes) -> bool:
    """Whether the query string has a GraphQL request, and not only a browser's own parameters."""
    parameters = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return any(name in ("query", "extensions") for name, _ in parameters)


def _read_parameters(values: dict[str, Any]) -> Parameters:
    query = values.get("query")
    operation_name = values.get("operationName")
    variables = values.get("variables")
    extensions = values.get("extensions")
    # Nearly every request has a dictionary of variables and no extensions.
    if type(variables) is not dict:
        variables = _read_object("variables", variables)
    if extensions is not None:
        extensions = _read_object("extensions", extensions)
    query_hash = _read_hash(extensions) if extensions else None
    if not isinstance(query, str) or (not query and query_hash):
        if query or query_hash is None:
            raise HttpError(400, "The parameter query is required, and must be a string.")
        query = None
    if operation_name is not None and not isinstance(operation_name, str):
        raise HttpError(400, "The parameter operationName must be a string.")
    # The specification gives an empty operation name the meaning of an absent one.
    return Parameters(query, operation_name or None, variables, extensions, query_hash)


def _read_object(name: str, value: Any) -> dict[str, Any] | None:
    """An object, or JSON text of one. What clients send for no object at all is None.

    That is an empty text, and the empty list which is PHP's JSON of an empty array.
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise HttpError(400, f"The parameter {name} is not JSON.") from None
    if value is None or value == []:
        return None
    if not isinstance(value, dict):
        raise HttpError(400, f"The parameter {name} must be an object.")
    return value


_HASH = re.compile(r"[0-9A-Fa-f]{64}")


def _read_hash(extensions: dict[str, Any]) -> str | None:
    """The hash of a persisted query. Other versions than 1 are ignored: their hash has another meaning."""
    persisted = extensions.get("persistedQuery")
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        return None
    query_hash = persisted.get("sha256Hash")
    if not isinstance(query_hash, str) or not _HASH.fullmatch(query_hash):
        raise HttpError(400, "extensions.persistedQuery.sha256Hash must have 64 hexadecimal digits.")
    return query_hash.lower()
