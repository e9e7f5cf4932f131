"""Reads the parameters of a GraphQL request from a JSON body or a query string.

Source: the GraphQL-over-HTTP specification, "Request Parameters", and Apollo's automatic persisted queries.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from api.http.body import HttpError, parse_json

MAX_PARAMETERS = 100
"""Parameters of a query string. Parsing the 30,000 for which it has room takes longer than any document."""


class Parameters(NamedTuple):
    """The parameters of a request. At least one of `query` and `query_hash` is set.

    `query_hash` is that of a persisted query: the SHA-256 of the query in hexadecimal digits. It is empty if
    the client sent a hash alone, of a version that is not supported.
    """

    query: str | None
    operation_name: str | None
    variables: dict[str, Any] | None
    extensions: dict[str, Any] | None
    query_hash: str | None


def parse_body(body: bytes) -> Parameters:
    """Raises `HttpError` with status 400."""
    values = parse_json(body)
    if not isinstance(values, dict):
        raise HttpError(400, "HTTP.BATCH")
    return _read_parameters(values)


def parse_query_string(query_string: bytes, max_bytes: int) -> Parameters:
    """Raises `HttpError` with status 400, or 414 if it is longer than `max_bytes`."""
    if len(query_string) > max_bytes:
        raise HttpError(414, "HTTP.QUERY_STRING_TOO_LONG", max=max_bytes)
    if query_string.count(b"&") >= MAX_PARAMETERS:
        raise HttpError(400, "HTTP.TOO_MANY_PARAMETERS", max=MAX_PARAMETERS)
    try:
        values = dict(parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise HttpError(400, "HTTP.QUERY_STRING_NOT_UTF8") from None
    return _read_parameters(values)


def has_request(query_string: bytes) -> bool:
    """Whether the query string has a GraphQL request, and not only a browser's own parameters."""
    if query_string.count(b"&") >= MAX_PARAMETERS:
        return True
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
    query_hash = _read_hash(extensions, has_query=bool(query)) if extensions else None
    if not isinstance(query, str) or (not query and query_hash is not None):
        if query or query_hash is None:
            raise HttpError(400, "HTTP.QUERY_REQUIRED")
        query = None
    if operation_name is not None and not isinstance(operation_name, str):
        raise HttpError(400, "HTTP.NOT_TEXT", argument="operationName")
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
            raise HttpError(400, "HTTP.PARAMETER_NOT_JSON", argument=name) from None
    if value is None or value == []:
        return None
    if not isinstance(value, dict):
        raise HttpError(400, "HTTP.PARAMETER_NOT_OBJECT", argument=name)
    return value


_HASH = re.compile(r"[0-9A-Fa-f]{64}")


def _read_hash(extensions: dict[str, Any], *, has_query: bool) -> str | None:
    """The hash of a persisted query, None if the request is none. The hash of another version than 1 is
    ignored beside a query, and empty without one."""
    persisted = extensions.get("persistedQuery")
    if not isinstance(persisted, dict) or "version" not in persisted:
        return None
    if persisted["version"] != 1:
        return None if has_query else ""
    query_hash = persisted.get("sha256Hash")
    if not isinstance(query_hash, str) or not _HASH.fullmatch(query_hash):
        raise HttpError(400, "HTTP.HASH_FORM")
    return query_hash.lower()
