"""GraphQL documents that are made to be expensive, for `benchmarks.hostile_requests`.

A family writes one document for each call, and may give values for its variables.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from graphql import get_introspection_query

Written = str | tuple[str, dict[str, Any]]

INTROSPECTION = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)

MAX_CHARACTERS = 60_000

LEAVES = (
    "id",
    "email",
    "firstName",
    "lastName",
    "role",
    "isOwner",
    "isActive",
    "documentId",
    "phoneNumber",
    "createdAt",
)

KEY = (
    "id key status notes batch recipientEmail expiresAt sentAt usedAt revokedAt revokedReason createdAt "
    "usedBy { id businessName owner { email } }"
)
TENANT = (
    "id businessName nit businessType address phone email isActive suspendedReason createdAt "
    "owner { id email firstName lastName } seats { role used max }"
)
USER = " ".join(LEAVES)
EVENT = "id at action actorEmail tenantId subjectId detail ipAddress"
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"


def count(random: Random, most: int = 2_000) -> int:
    """Mostly near limits that are likely: 15 aliases, 1,000 and 2,000 tokens."""
    return max(
        1, round(min(most, random.choice([5, 15, 40, 100, 160, 200, 330, 400, 500, 990, 1_300, 2_000])))
    )


def cut(text: str) -> str:
    return text.encode()[:MAX_CHARACTERS].decode(errors="ignore")


def repeat(piece: str, times: int) -> str:
    return " ".join([piece] * times)


def aliased(field: str, times: int) -> str:
    return f"{{ {' '.join(f'a{number}: {field}' for number in range(times))} }}"


def aliases(random: Random) -> str:
    field = random.choice(
        [
            "__typename",
            "__schema { types { name description fields { name description args { name description } } } }",
            "__schema { types { ...T } }",
            '__type(name: "Query") { name description fields { name description args { name } } }',
            'validateBetaKey(key: "BETA-TEST-12345") { valid reason message }',
            "viewer { id email tenant { id staff { edges { node { id email } } } } }",
            f"betaKeys(first: 100) {{ edges {{ cursor node {{ {KEY} }} }} {PAGE} }}",
            "query { __typename }",
        ]
    )
    document = aliased(field, random.choice([2, 14, 15, 16, 100, 400]))
    fragment = (
        " fragment T on __Type { name description fields { name description } }" if "...T" in field else ""
    )
    return f"{document}{fragment}"


def repeated_fields(random: Random) -> str:
    times = count(random)
    field = random.choice(
        [
            "__typename",
            "viewer { id }",
            f"viewer {{ {USER} }}",
            "viewer { tenant { owner { tenant { id } } } }",
            'validateBetaKey(key: "x") { valid }',
            'betaKeys(first: 1, filter: { status: USED, search: "x" }) { totalCount }',
            "query { query { __typename } }",
            "__schema { types { name } }",
            "... on Query { viewer { id } }",
            "... { ... { __typename } }",
        ]
    )
    if random.random() < 0.3:
        return f"{{ viewer {{ {repeat(random.choice(['id', 'tenant { id }', USER]), times)} }} }}"
    return f"{{ {repeat(field, times)} }}"


def conflicts(random: Random) -> str:
    """Fields that cannot be merged: each pair is compared, and has an error of its own."""
    times = count(random, 500)
    style = random.randrange(4)
    if style == 0:
        fields = " ".join(f"betaKeys(first: {number}) {{ totalCount }}" for number in range(times))
        return f"{{ {fields} }}"
    if style == 1:
        fields = " ".join(f"viewer {{ id: {random.choice(LEAVES)} }}" for _ in range(times))
        return f"{{ {fields} }}"
    if style == 2:
        fields = " ".join(f"a: {random.choice(LEAVES)}" for _ in range(times))
        return f"{{ viewer {{ {fields} }} }}"
    fragments = " ".join(
        f"fragment f{number} on Query {{ viewer {{ {random.choice(LEAVES)} x: {random.choice(LEAVES)} }} }}"
        for number in range(times // 4)
    )
    return f"{{ {' '.join(f'...f{number}' for number in range(times // 4))} }} {fragments}"


def fragments_in_fragments(random: Random) -> str:
    number, spreads = random.choice([5, 10, 20, 50, 100, 150]), random.choice([1, 2, 3, 8])
    inner = random.choice(
        [
            "__typename",
            "viewer { id }",
            "a: __typename",
            "viewer { ...U }",
            "betaKeys(first: 100) { totalCount }",
        ]
    )

    def body(n: int) -> str:
        style = random.randrange(3)
        spread = f"...f{n + 1}"
        parts = [spread if style < 2 else f"query {{ {spread} }}" for _ in range(spreads)]
        return " ".join([*parts, inner if style else ""])

    fragments = " ".join(f"fragment f{n} on Query {{ {body(n)} }}" for n in range(number))
    last = random.choice(
        [f"fragment f{number} on Query {{ {inner} }}", f"fragment f{number} on Query {{ ...f0 }}", ""]
    )
    user = " fragment U on User { id email tenant { id } }" if "...U" in inner else ""
    return cut(f"{{ ...f0 }} {fragments} {last}{user}")


def fragments_side_by_side(random: Random) -> str:
    number = count(random, 200)
    every = " ".join(f"...f{n}" for n in range(number))
    inner = random.choice(["viewer { id email }", "__typename", "viewer { tenant { id owner { id } } }"])
    fragments = " ".join(f"fragment f{n} on Query {{ {inner} }}" for n in range(number))
    return cut(f"{{ {repeat(every, random.choice([1, 1, 3]))} }} {fragments}")


def fragment_cycles(random: Random) -> str:
    number = count(random, 150)
    targets = [
        " ".join(f"...f{random.randrange(number)}" for _ in range(random.choice([1, 2, 5])))
        for _ in range(number)
    ]
    fragments = " ".join(f"fragment f{n} on Query {{ __typename {targets[n]} }}" for n in range(number))
    return f"{{ ...f0 }} {fragments}"


def directives(random: Random) -> str:
    times = count(random, 400)
    directive = random.choice(
        ["@skip(if: false)", "@include(if: true)", "@unknown", "@deprecated", "@skip", "@include(if: $yes)",
         "@oneOf", "@stream", "@defer(label: \"a\")", "@skip(if: 1)", "@specifiedBy(url: \"x\")"]
    )  # fmt: skip
    style = random.randrange(4)
    if style == 0:
        return f"query($yes: Boolean = true) {{ __typename {repeat(directive, times)} }}"
    if style == 1:
        viewers = repeat(f"viewer {directive} {{ id {directive} }}", times // 4)
        return f"query($yes: Boolean = true) {{ {viewers} }}"
    if style == 2:
        every = repeat(directive, times)
        return f"query Q($yes: Boolean = true {every}) {every} {{ __typename }}"
    conditions = " ".join(f"$c{n}: Boolean = true" for n in range(times // 3))
    fields = " ".join(
        f"... @include(if: $c{n}) {{ viewer {{ {LEAVES[n % len(LEAVES)]} }} }}" for n in range(times // 3)
    )
    return f"query({conditions}) {{ {fields} }}"


def lists(random: Random) -> str:
    times = count(random)
    value = random.choice(["1", '"a"', "A", "true", "null", "1.5", "{}", "[]", "$v", "{a: 1}", '"""block"""'])
    written = random.choice(
        [f"[{repeat(value, times)}]", "[" * times + value + "]" * times, f"{{ a: [{repeat(value, times)}] }}"]
    )
    place = random.choice(
        [
            "betaKeys(filter: %s) { totalCount }",
            "betaKeys(first: %s) { totalCount }",
            "validateBetaKey(key: %s) { valid }",
            "auditEvents(filter: { since: %s }) { edges { node { id } } }",
            "__typename @include(if: %s)",
        ]
    )
    return cut(f"{{ {place % written} }}")


def wide_objects(random: Random) -> str:
    times = count(random, 1_000)
    style = random.randrange(4)
    if style == 0:
        fields = " ".join(f"x{number}: {number}" for number in range(times))
    elif style == 1:
        fields = repeat('email: "a"', times)
    elif style == 2:
        fields = " ".join(f"betaKe{chr(97 + number % 26)}{number}: 1" for number in range(times))
    else:
        fields = "a: {" * (times // 2) + "b: 1" + "}" * (times // 2)
    mutation = random.choice(["register(input: {%s})", "createStaff(input: {%s})", "login(input: {%s})"])
    return cut(f"mutation {{ {mutation % fields} {{ __typename }} }}")


def deep_nesting(random: Random) -> str:
    levels = random.choice([9, 10, 11, 50, 90, 190, 250, 500, 1_000])
    opening, inner = random.choice(
        [
            ("query {", "__typename"),
            ("viewer { tenant { owner {", "id"),
            ("... {", "__typename"),
            ("... on Query {", "__typename"),
            ("__schema { types { fields { type {", "name"),
            ("a {", "b"),
            ("tenants(first: 100) { edges { node { staff(first: 100) { edges { node { tenant {", "id"),
        ]
    )
    closing = "}" * opening.count("{")
    times = max(1, levels // opening.count("{"))
    return f"{{ {(opening + ' ') * times}{inner}{closing * times} }}"


def introspection(random: Random) -> str:
    arguments = "args { name description type { name } }"
    fields = f"fields(includeDeprecated: true) {{ name description {arguments} type {{ name }} }}"
    number = random.randrange(10**6)
    return random.choice(
        [
            INTROSPECTION,
            f"{{ __schema {{ types {{ name {fields} {fields} }} directives {{ name args {{ name }} }} }} }}",
            f"query Q{number} {{ __schema {{ types {{ {fields} inputFields {{ name }} }} }} }}",
            "{ __schema { types { possibleTypes { name possibleTypes { name } interfaces { name } } } } }",
            "{ __schema { types { fields { type { ofType { ofType { ofType { name kind } } } } } } } }",
            "{ __schema { types { interfaces { possibleTypes { name kind enumValues { name } } } } } }",
            "{ __schema { queryType { fields { type { name } args { type { inputFields { name } } } } } } }",
            "{ " + " ".join(f'a{n}: __type(name: "Mutation") {{ {fields} }}' for n in range(15)) + " }",
            f"{{ {' '.join(f'... on Query {{ __schema {{ types {{ {fields} }} }} }}' for _ in range(40))} }}",
            "{ query { query { __schema { types { name description } } } } " + INTROSPECTION.split("{", 1)[1],
        ]
    )


def large_answers(random: Random) -> str:
    staff = f"staff(first: 100) {{ edges {{ cursor node {{ {USER} tenant {{ {TENANT} }} }} }} {PAGE} }}"
    root = random.choice(
        [
            f"betaKeys(first: 100) {{ edges {{ cursor node {{ {KEY} }} }} {PAGE} }}",
            f"tenants(first: 100) {{ edges {{ cursor node {{ {TENANT} }} }} {PAGE} }}",
            f"tenants(first: 100) {{ edges {{ cursor node {{ {TENANT} {staff} }} }} {PAGE} }}",
            f"tenants(first: 10) {{ edges {{ node {{ {staff} }} }} }}",
            f"auditEvents(first: 100) {{ edges {{ cursor node {{ {EVENT} }} }} pageInfo {{ endCursor }} }}",
            f"viewer {{ {USER} tenant {{ {staff} }} }}",
            f"operators {{ {USER} tenant {{ {TENANT} }} }}",
            "sessions { id createdAt lastSeenAt expiresAt userAgent ipAddress isCurrent }",
        ]
    )
    style = random.randrange(4)
    if style == 0:
        return f"{{ {root} }}"
    if style == 1:
        return aliased(root, random.choice([3, 8, 15]))
    if style == 2:
        return aliased(f"query {{ {root} }}", random.choice([3, 8, 15]))
    inner = f"{root} query {{ {root} }}"
    return f"{{ ...A ...B }} fragment A on Query {{ {root} }} fragment B on Query {{ {inner} }}"


def many_operations(random: Random) -> str:
    number = count(random, 700)
    style = random.randrange(4)
    if style == 0:
        return " ".join(f"query q{n} {{ __typename }}" for n in range(number))
    if style == 1:
        return repeat("query q { __typename }", number)
    if style == 2:
        return repeat("{ viewer { id } }", number)
    operations = " ".join(f"query q{n}($v: Int) {{ ...f0 }}" for n in range(number // 3))
    chain = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(number // 3))
    return f"{operations} {chain} fragment f{number // 3} on Query {{ betaKeys(first: $v) {{ totalCount }} }}"


def many_variables(random: Random) -> Written:
    number = count(random, 600)
    kind = random.choice(
        ["Int", "Int!", "[Int]", "RegisterInput", "Unknown", "Query", "[" * 60 + "Int" + "]" * 60, "Int = 1"]
    )
    definitions = " ".join(f"$v{n}: {kind}" for n in range(number))
    values = {f"v{n}": random.choice([1, "x", None, {}]) for n in range(number)}
    style = random.randrange(3)
    if style == 0:
        return cut(f"query({definitions}) {{ __typename }}"), values
    if style == 1:
        uses = " ".join(f"... {{ betaKeys(first: $v{n}) {{ totalCount }} }}" for n in range(number))
        return cut(f"query({definitions}) {{ {uses} }}"), values
    uses = " ".join(f"$v{n}" for n in range(number))
    return cut(
        f"query({definitions}) {{ betaKeys(filter: {{ search: [{uses}] }}) {{ totalCount }} }}"
    ), values


def unknown_names(random: Random) -> str:
    number = count(random)
    style = random.randrange(6)
    if style == 0:
        return "{ " + " ".join(f"viewe{n}" for n in range(number)) + " }"
    if style == 1:
        return "{ viewer { " + " ".join(f"firstNam{n}" for n in range(number)) + " } }"
    if style == 2:
        return "{ " + " ".join(f"... on Tenan{n} {{ id }}" for n in range(number // 5)) + " }"
    if style == 3:
        arguments = " ".join(f"firs{n}: 1" for n in range(number // 3))
        return f"{{ betaKeys({arguments}) {{ totalCount }} }}"
    if style == 4:
        return f"{{ betaKeys(filter: {{ status: {'A' * _many(random)} }}) {{ totalCount }} }}"
    return "{ " + " ".join(f"...missin{n}" for n in range(number // 2)) + " }"


def _many(random: Random) -> int:
    return random.choice([10, 60, 250, 5_000, 60_000])


def long_tokens(random: Random) -> str:
    many = _many(random)
    token = random.choice(
        [
            "9" * many,
            "-" + "9" * many,
            "1." + "3" * many,
            "1e" + "9" * min(many, 60_000),
            '"' + "x" * many + '"',
            '"' + "\\u00e9" * (many // 6) + '"',
            '"' + "\\n" * (many // 2) + '"',
            '"""' + "x\n  " * (many // 4) + '"""',
            '"""' + '\\"""' * (many // 4) + '"""',
            "A" * many,
            '"' + "\\u{1F600}" * (many // 9) + '"',
        ]
    )
    place = random.choice(
        [
            "{ betaKeys(first: %s) { totalCount } }",
            "{ validateBetaKey(key: %s) { valid message } }",
            "query($v: Int = %s) { betaKeys(first: $v) { totalCount } }",
            "{ betaKeys(filter: { status: %s }) { totalCount } }",
            "{ auditEvents(filter: { since: %s }) { edges { node { id } } } }",
            "{ __typename @include(if: %s) }",
            "{ __typename %s }",
        ]
    )
    return cut(place % token)


def ignored_text(random: Random) -> str:
    size = random.choice([1_000, 10_000, 60_000])
    filler = random.choice(
        [" ", ",", "\n", "\r\n", "\t", "#\n", "#" + "x" * 50 + "\n", "\ufeff", "# é\n", "#"]
    )
    text = filler * (size // len(filler.encode()))
    return random.choice(
        [f"{text}{{ __typename }}", f"{{ __typename {text} }}", f"{{ __typename }} {text}", text]
    )


def token_soup(random: Random) -> str:
    vocabulary = (
        "{", "}", "(", ")", "[", "]", ":", "$a", "@b", "...", "!", "=", "on", "fragment F on Query", "query",
        "mutation", "viewer", "id", "1", '"s"', "|", "&", "#c\n", "type A", "extend", "null", "a: b",
    )  # fmt: skip
    text = " ".join(random.choices(vocabulary, k=count(random)))
    return random.choice([text, f"{{ viewer {{ id }} }} {text}", f"{{ {repeat('id', count(random))} {text}"])


def type_definitions(random: Random) -> str:
    return " ".join(
        random.choice(
            [
                f"type T{n} {{ a: Int }}",
                f"directive @d{n} on FIELD",
                f"extend type Query {{ x{n}: Int }}",
                f"enum E{n} {{ A B }}",
                "{ __typename }",
            ]
        )
        for n in range(count(random, 600))
    )


def mutations(random: Random) -> str:
    times = random.choice([1, 5, 15, 40])
    field = random.choice(
        [
            'login(input: { email: "a@example.com", password: "x" }) { __typename }',
            'requestPasswordReset(email: "a@example.com") { ... on Error { code message } }',
            'verifyEmail(email: "a@example.com", code: "123456") { __typename }',
            "issueBetaKeys(input: { count: 1000 }) { ... on IssuedBetaKeys { keys { " + KEY + " } } }",
            "issueBetaKeys(input: { count: 100 }) { ... on IssuedBetaKeys { keys { " + KEY + " } } }",
            "register(input: { betaKey: 1 }) { __typename }",
        ]
    )
    return f"mutation {aliased(field, times)}"


DOCUMENTS: dict[str, Callable[[Random], Written]] = {
    write.__name__.replace("_", " "): write
    for write in (
        aliases, repeated_fields, conflicts, fragments_in_fragments, fragments_side_by_side, fragment_cycles,
        directives, lists, wide_objects, deep_nesting, introspection, large_answers, many_operations,
        many_variables, unknown_names, long_tokens, ignored_text, token_soup, type_definitions, mutations,
    )
}  # fmt: skip
