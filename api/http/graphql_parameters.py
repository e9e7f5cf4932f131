"""Reads the parameters of a GraphQL request from a JSON body or a query string.

Source: the GraphQL-over-HTTP specification, "Request Parameters".
"""

from typing import Any
from urllib.parse import parse_qsl

import orjson

from api.http.body import HttpError

Parameters = tuple[str, str | None, dict[str, Any] | None, dict[str, Any] | None]
"""The query, the operation name, the variables and the extensions."""


def parse_body(body: bytes) -> Parameters:
    """Raises `HttpError` with status 400."""
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpError(400, "The body is not JSON in UTF-8.") from None
    if not isinstance(values, dict):
        raise HttpError(400, "The body must be one JSON object; there is no batching.")
    return _check_types(values)


def parse_query_string(query_string: bytes, max_bytes: int) -> Parameters:
    """Raises `HttpError` with status 400, or 414 if it is longer than `max_bytes`."""
    if len(query_string) > max_bytes:
        raise HttpError(414, f"The query string is longer than {max_bytes} bytes.")
    try:
        values: dict[str, Any] = dict(
            parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict")
        )
    except UnicodeDecodeError:
        raise HttpError(400, "The query string is not UTF-8.") from None
    # The specification gives an empty operation name the meaning of an absent one.
    values["operationName"] = values.get("operationName") or None
    for name in ("variables", "extensions"):
        if name in values:
            try:
                values[name] = orjson.loads(values[name])
            except orjson.JSONDecodeError:
                raise HttpError(400, f"The parameter {name} is not JSON.") from None
    return _check_types(values)


def has_query(query_string: bytes) -> bool:
    """Whether the query string has the parameter `query`."""
    parameters = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return any(name == "query" for name, _ in parameters)


def _check_types(values: dict[str, Any]) -> Parameters:
    query = values.get("query")
    if not isinstance(query, str):
        raise HttpError(400, "The parameter query is required, and must be a string.")
    operation_name = values.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise HttpError(400, "The parameter operationName must be a string.")
    variables = values.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise HttpError(400, "The parameter variables must be an object.")
    extensions = values.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise HttpError(400, "The parameter extensions must be an object.")
    return query, operation_name, variables, extensions
