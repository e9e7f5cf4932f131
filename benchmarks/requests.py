"""The requests of the load client, built before the measurement starts."""

import random
from collections.abc import Iterable

import orjson

from api.key_shape import ALPHABET, SYMBOLS, format_key

VALIDATE = "query Validate($key: String!) { validateBetaKey(key: $key) { valid message } }"

REGISTER = """
mutation Register($input: RegisterInput!) {
  register(input: $input) {
    __typename
    ... on Registration { accessToken expiresAt user { id email role } tenant { id businessName nit } }
    ... on Error { code message }
  }
}
"""

VIEWER = "query Viewer { viewer { email tenant { businessName seats { role used max } } } }"

VIEWER_AND_TENANT = (
    "{ viewer { id email firstName role isOwner tenant { id businessName nit businessType } } }"
)

STAFF = """
query Staff($after: String) {
  viewer { tenant { staff(first: 20, after: $after) {
    edges { cursor node { id email firstName lastName role isActive } } pageInfo { hasNextPage endCursor }
  } } }
}
"""

KEYS = """
query Keys { betaKeys(first: 100) {
  edges { cursor node { id key status notes batch recipientEmail expiresAt sentAt usedAt
    usedBy { id businessName } revokedAt revokedReason createdAt } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
} }
"""

TEN_LOOK_UPS = "query Ten(" + ", ".join(f"$k{n}: String!" for n in range(10)) + ") { " + " ".join(
    f"a{n}: validateBetaKey(key: $k{n}) {{ valid message }}" for n in range(10)
) + " }"  # fmt: skip

INVALID = """
mutation Invalid($input: RegisterInput!) {
  register(input: $input) {
    __typename ... on Error { code message } ... on InvalidInput { fields { field code message } }
  }
}
"""

IS_VALID = b'"valid":true'
IS_REGISTRATION = b'"__typename":"Registration"'
IS_SIGNED_IN = b'"seats":[{"role":"ADMIN","used":1,"max":1}'
IS_FULL_PAGE = b'"hasNextPage":true'
IS_TEN_TIMES_VALID = b'"a9":{"valid":true'
IS_INVALID = b'"__typename":"InvalidInput"'


def make_keys(count: int, seed: int) -> list[str]:
    """`count` different keys, always the same for a seed. They protect nothing, so `random` suffices."""
    choices = random.Random(seed).choices
    keys: dict[str, None] = {}
    while len(keys) < count:
        keys[format_key("".join(choices(ALPHABET, k=SYMBOLS)))] = None
    return list(keys)


def validations(keys: Iterable[str]) -> list[bytes]:
    return [_post(VALIDATE, {"key": key}) for key in keys]


def registrations(keys: Iterable[str], first: int) -> list[bytes]:
    """One registration for each key; their businesses are numbered from `first`."""
    return [_post(REGISTER, {"input": business(key, number)}) for number, key in enumerate(keys, first)]


def make_tokens(count: int) -> list[str]:
    """`count` different session tokens."""
    return [f"{number:043}" for number in range(count)]


def viewers(tokens: Iterable[str]) -> list[bytes]:
    return [_post(VIEWER, {}, token) for token in tokens]


def staff_page(token: str, after: str | None) -> bytes:
    return _post(STAFF, {"after": after}, token)


def key_pages(token: str) -> list[bytes]:
    return [_post(KEYS, {}, token)]


def ten_look_ups(keys: list[str]) -> list[bytes]:
    return [
        _post(TEN_LOOK_UPS, {f"k{n}": key for n, key in enumerate(keys[first : first + 10])})
        for first in range(0, len(keys) - 9, 10)
    ]


def invalid_registrations(keys: Iterable[str]) -> list[bytes]:
    """Registrations with five invalid fields."""
    invalid = {"email": "ana", "password": "short", "businessPhone": "1", "firstName": "", "nit": "\n"}
    return [_post(INVALID, {"input": {**business(key, 1), **invalid}}) for key in keys]


def business(key: str, number: int) -> dict[str, str]:
    """A registration form with every field, which takes the longest to validate."""
    return {
        "betaKey": key,
        "businessName": f"Tienda {number}",
        "nit": f"900.{number:09}-8",
        "businessType": "TIENDA",
        "address": "Calle 10 # 20-30, Medellín",
        "businessPhone": "+57 604 444 1234",
        "businessEmail": f"tienda-{number}@example.com",
        "firstName": "María",
        "lastName": "Gómez",
        "email": f"maria-{number}@example.com",
        "password": "Correct-horse-1",
        "documentId": "1020304050",
        "phoneNumber": "300 123 4567",
    }


def _post(query: str, variables: dict[str, object], token: str | None = None) -> bytes:
    body = orjson.dumps({"query": query, "variables": variables})
    authorization = b"" if token is None else b"authorization: Bearer %b\r\n" % token.encode()
    return (
        b"POST /graphql HTTP/1.1\r\nhost: localhost\r\nuser-agent: benchmarks\r\naccept: application/json\r\n"
        b"%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (authorization, len(body), body)
    )
