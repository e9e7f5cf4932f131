"""Requests of at most 64 KB that are made to cost as much processor time as they can.

Each family tries one way: a shape of document, of variables, of a body, of headers. `hostile_requests` draws
from all of them, with sizes from small to the limit, and is the same for a seed.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import quote

import orjson

from api.http.limits import MAX_BODY_BYTES
from api.schema.schema import schema
from benchmarks.hostile_documents import DOCUMENTS, INTROSPECTION, Written
from tests.execution.documents import make_document


@dataclass(frozen=True)
class HostileRequest:
    family: str
    body: bytes
    method: str = "POST"
    path: str = "/graphql"
    headers: dict[str, str] = field(default_factory=dict)
    may_sign_in: bool = True
    """Whether it may be sent with a token. A random mutation would end the session."""

    def varied(self, number: int) -> "HostileRequest":
        """A request that costs the same, and whose document no cache knows."""
        with suppress(orjson.JSONDecodeError):
            values = orjson.loads(self.body)
            if isinstance(values, dict) and isinstance(values.get("query"), str):
                return replace(self, body=orjson.dumps({**values, "query": values["query"] + " " * number}))
        return self


def hostile_requests(count: int, seed: int) -> Iterator[HostileRequest]:
    random = Random(seed)
    families = [*_FAMILIES.items()]
    for number in range(count):
        name, make = families[number % len(families)]
        request = make(name, random)
        if len(request.body) <= MAX_BODY_BYTES:
            yield request


def post(family: str, query: str, **parameters: object) -> HostileRequest:
    return HostileRequest(family, orjson.dumps({"query": query, **parameters}))


def _document(write: Callable[[Random], Written]) -> Callable[[str, Random], HostileRequest]:
    def make(family: str, random: Random) -> HostileRequest:
        written = write(random)
        if isinstance(written, str):
            return post(family, written)
        query, variables = written
        return post(family, query, variables=variables)

    return make


def _valid_document(family: str, random: Random) -> HostileRequest:
    """Documents that the schema allows, as those of an ordinary client, but of many fields."""
    made = make_document(schema._schema, random, {"DateTime": lambda _: "2027-01-31T12:00:00Z"})
    request = post(family, made.text, variables=made.variables, operationName=made.operation_name)
    return replace(request, may_sign_in="mutation" not in made.text)


def _size(random: Random, most: int) -> int:
    """Mostly near the limit, where the costs are."""
    return max(1, round(most * random.choice([0.01, 0.05, 0.1, 0.25, 0.5, 0.8, 1.0])))


# Variables and bodies


_FIELDS = (
    "betaKey", "businessName", "nit", "businessType", "address", "businessPhone", "businessEmail",
    "firstName", "lastName", "email", "password", "documentId", "phoneNumber", "emailVerificationToken",
)  # fmt: skip

_PIECES = (
    "a", "é", "ﷺ", "\ufdfa", "\U0001d49c", "1", "+57 300 ", "a@", "@a.co", ".", "-", " ", "\u200b",
    "e\u0301\u0323", "İ", "%", "\\", "'", "٣", "\u202e", "ｱﾞ", "(", "ext. 1;", "xn--", "\t", "Ä", "999",
    "2027-01-31T", "://", "<b>", "β", "😀",
)  # fmt: skip


def _long_text(random: Random) -> str:
    pieces = random.choices(_PIECES, k=random.choice([1, 1, 2, 4]))
    text = "".join(pieces) * _size(random, 60_000)
    return text.encode()[: _size(random, 60_000)].decode(errors="ignore")


def _form(random: Random) -> dict[str, object]:
    form: dict[str, object] = {
        **dict.fromkeys(_FIELDS, "Ana"),
        "email": "ana@example.com",
        "nit": "900123456",
        "businessType": "TIENDA",
        "password": "correct horse battery",
        "businessEmail": "shop@example.com",
    }
    for name in random.sample(_FIELDS, random.choice([1, 1, 1, 2, 4])):
        form[name] = _long_text(random)[: random.choice([60_000, 30_000, 5_000, 500, 130])]
    return form


REGISTER = "mutation($i: RegisterInput!) { register(input: $i) { ... on Error { code message } } }"
REGISTER_FIELDS = """mutation($i: RegisterInput!) { register(input: $i) {
  ... on InvalidInput { fields { field code message } } } }"""


def _register(family: str, random: Random) -> HostileRequest:
    if random.random() < 0.3:
        body = orjson.dumps(_form(random))
        return HostileRequest(family, body, path="/api/auth/register")
    return post(family, random.choice([REGISTER, REGISTER_FIELDS]), variables={"i": _form(random)})


_TEXT_ARGUMENTS = tuple(
    f"{kind} Q($t: {type_}!) {{ {field} {selection} }}"
    for kind, type_, selection, fields in (
        (
            "query",
            "String",
            "{ __typename }",
            (
                "validateBetaKey(key: $t)",
                "betaKeys(filter: { search: $t })",
                "tenants(filter: { search: $t })",
                "betaKeys(after: $t)",
                "auditEvents(filter: { actorEmail: $t, action: $t })",
            ),
        ),
        ("query", "ID", "{ id }", ("betaKey(id: $t)", "tenant(id: $t)")),
        ("query", "DateTime", "{ __typename }", ("auditEvents(filter: { since: $t, until: $t })",)),
        (
            "mutation",
            "String",
            "{ __typename }",
            (
                "requestPasswordReset(email: $t)",
                "requestEmailVerification(email: $t)",
                "verifyEmail(email: $t, code: $t)",
                "login(input: { email: $t, password: $t })",
                "resetPassword(input: { email: $t, code: $t, newPassword: $t })",
                "issueBetaKeys(input: { notes: $t, batch: $t })",
                "updateTenant(input: { businessName: $t, phone: $t, email: $t })",
                "verifySecondFactor(input: { challenge: $t, code: $t })",
                "changePassword(input: { currentPassword: $t, newPassword: $t })",
            ),
        ),
    )
    for field in fields
)

_REST = {
    "/api/auth/login": ("email", "password"),
    "/api/auth/check-user": ("identifier",),
    "/api/auth/verify-email/request-otp": ("email",),
    "/api/auth/verify-email/verify-otp": ("email", "otpCode"),
}


def _texts(family: str, random: Random) -> HostileRequest:
    text = _long_text(random)
    if random.random() < 0.3:
        path, names = random.choice([*_REST.items()])
        return HostileRequest(family, orjson.dumps(dict.fromkeys(names, text)), path=path)
    query = random.choice(_TEXT_ARGUMENTS)
    return post(family, query, variables={"t": text[: 60_000 // query.count("$t")]})


def _variables(family: str, random: Random) -> HostileRequest:
    size = _size(random, 6_000)
    values: list[object] = [
        {"i": {f"x{number}": number for number in range(size)}},
        {f"x{number}": number for number in range(size)},
        {"i": [{}] * size},
        {"i": [[]] * size},
        {"i": {"betaKey": [1] * size, "email": {"a": 1}, "nit": list(range(size))}},
        {"i": {name: {"x": [1] * (size // 14)} for name in _FIELDS}},
        {"i": _nested("[", "]", _size(random, 30_000))},
        {"i": _nested('{"a":', "}", _size(random, 9_000))},
        {"i": int("9" * 18)},
        {"i": "x" * 60_000},
    ]
    value = random.choice(values)
    query = random.choice(
        [REGISTER, REGISTER_FIELDS, "query($i: Int) { betaKeys(first: $i) { totalCount } }"]
    )
    if isinstance(value, dict) and isinstance(value.get("i"), bytes):
        return HostileRequest(
            family, b'{"query": %b, "variables": {"i": %b}}' % (orjson.dumps(query), value["i"])
        )
    return post(family, query, variables=value)


def _nested(opening: str, closing: str, levels: int) -> bytes:
    return (opening * levels + "1" + closing * levels).encode()


def _bodies(family: str, random: Random) -> HostileRequest:
    size = _size(random, 64_000)
    body = random.choice(
        [
            b"[" * size,
            _nested("[", "]", size // 2),
            _nested('{"a":', "}", size // 7),
            b'{"query": "{ __typename }", "variables": ' + _nested("[", "]", size // 3) + b"}",
            b"[" + b"{}," * (size // 3) + b"{}]",
            b'[{"query":"{__typename}"}' + b',{"query":"{__typename}"}' * (size // 25) + b"]",
            b"{" + b",".join(b'"k%d":%d' % (number, number) for number in range(size // 14)) + b"}",
            b'{"query": ' + b"9" * size + b"}",
            b'{"query": "{ __typename }", "x": 0.' + b"1" * size + b"}",
            b'{"query": "' + b"\\u0041" * (size // 6) + b'"}',
            b'{"query": "' + b"\\" * size,
            b"\xff" * size,
            b'{"query": "{ __typename }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "'
            + b"a" * size
            + b'"}}}',
            b'{"query": "{ __typename }", "variables": "' + b"[" * size + b'"}',
            b'{"query": "{ __typename }", "operationName": "' + b"x" * size + b'"}',
        ]
    )
    path = random.choice(["/graphql", "/graphql", "/api/auth/login", "/api/auth/register"])
    return HostileRequest(family, body, path=path)


def _addresses(family: str, random: Random) -> HostileRequest:
    """Query strings and paths."""
    size = _size(random, 50_000)
    query = random.choice(
        [
            "&" * size,
            "a&" * (size // 2),
            "query=" + "%7B" * (size // 3),
            "query=" + quote(INTROSPECTION),
            "query={__typename}&variables=" + "%5B" * (size // 3),
            "query=%23" + "%C3%A9" * (size // 6),
            "&".join(f"a{number}={number}" for number in range(size // 12)),
        ]
    )
    path = random.choice(
        [
            f"/graphql?{query}",
            f"/graphql?{query}",
            "/" * size,
            "/api/beta-keys/validate/" + "%41" * (size // 3),
        ]
    )
    headers: dict[str, str] = random.choice([{}, {"accept": "text/html"}])
    return HostileRequest(family, b"", "GET", path, headers)


def _headers(family: str, random: Random) -> HostileRequest:
    size = _size(random, 60_000)
    names = (
        "accept",
        "accept-language",
        "authorization",
        "x-forwarded-for",
        "x-request-id",
        "user-agent",
        "cookie",
    )
    values = ("a,", "text/html;q=0.", "es;q=1,", "Bearer ", "1.1.1.1,", "é", ";", "q=1;", "x")
    headers: dict[str, str] = {}
    if random.random() < 0.3:
        headers = {f"x{number}": "1" for number in range(size // 20)}
    else:
        value = random.choice(values)
        headers = {random.choice(names): value * (size // len(value))}
    body = orjson.dumps({"query": "{ __typename }"})
    return HostileRequest(family, body, headers={name: value.strip() for name, value in headers.items()})


_FAMILIES: dict[str, Callable[[str, Random], HostileRequest]] = {
    **{name: _document(write) for name, write in DOCUMENTS.items()},
    "valid documents": _valid_document,
    "forms": _register,
    "long texts": _texts,
    "variables": _variables,
    "bodies": _bodies,
    "addresses": _addresses,
    "headers": _headers,
}
