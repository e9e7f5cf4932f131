"""Plans answer what graphql-core's interpreter answers, with Gatehouse's own resolvers and rows."""

from collections import Counter
from random import Random
from typing import Any, cast

import asyncpg
import orjson
import pytest
from graphql import ExecutionResult, OperationDefinitionNode, OperationType, parse, validate
from strawberry.execution import optimized_is_awaitable

from api.execution.documents import RULES
from api.execution.plans import make_plan
from api.schema.context import Context
from api.schema.schema import schema
from tests.execution.documents import Made, make_document
from tests.support import Api, hire, issue_key, registration

pytestmark = pytest.mark.anyio

DOCUMENTS = 500


async def test_documents_are_answered_alike_by_real_resolvers(
    api_with_plans: Api, database: asyncpg.Connection, is_thorough: bool
) -> None:
    """Queries of an operator, an owner, a cashier and a visitor; mutations of a visitor change no rows."""
    keys = [await issue_key(database, notes="feria") for _ in range(3)]
    owner = await api_with_plans.register(registration(keys[0]))
    tenant_id = owner["tenant"]["id"]
    people = {
        "operator": (await hire(database, None, "SUPER_ADMIN")).token,
        "owner": owner["accessToken"],
        "cashier": (await hire(database, tenant_id, "CASHIER")).token,
        "nobody": None,
    }
    ids = [tenant_id, owner["user"]["id"], *map(str, await _column(database, "SELECT id FROM beta_keys"))]
    scalars = {
        "ID": lambda random: random.choice([*ids, *ids, "1"]),
        "String": lambda random: random.choice([*keys, "feria", "", "BETA-TEST-12345"]),
        "DateTime": lambda random: random.choice(["2026-01-31T12:00:00Z", "never"]),
        "JSON": lambda random: random.choice([{"a": 1}, []]),
    }
    tally: Counter[str] = Counter()
    seed, count = 0, DOCUMENTS if is_thorough else DOCUMENTS // 10

    while tally["compared"] < count:
        seed += 1
        random = Random(seed)
        made = make_document(schema._schema, random, scalars)
        document = parse(made.text)
        if validate(schema._schema, document, RULES):
            continue
        writes = any(
            definition.operation is OperationType.MUTATION
            for definition in document.definitions
            if isinstance(definition, OperationDefinitionNode)
        )
        who = "nobody" if writes else random.choice([*people])
        language = random.choice(["en", "es"])
        expected = await _interpret(made, _context(people[who], language))
        answer = await _plan(made, _context(people[who], language))
        tally["compared"] += 1
        if answer is None:
            continue
        tally["planned"] += 1
        tally["with errors"] += '"errors":[{' in expected
        tally["with data"] += '"data":{' in expected
        assert answer == expected, f"seed {seed}, {who}\n{made.text}\n{made.variables}"

    # Nothing is proven by answers that are all refused, or all complete.
    assert tally["planned"] > 0.9 * count, tally
    assert tally["with errors"] > 0.1 * count, tally
    assert tally["with data"] > 0.2 * count, tally


async def _column(database: asyncpg.Connection, sql: str) -> list[Any]:
    return [row[0] for row in await database.fetch(sql)]


def _context(token: str | None, language: str) -> Context:
    headers = [(b"accept-language", language.encode())]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    return Context({"type": "http", "headers": headers, "client": ("127.0.0.1", 4711)})


async def _interpret(made: Made, context: Context) -> str:
    executor = schema.execution_context_class.build(
        schema._schema,
        parse(made.text),
        context_value=context,
        raw_variable_values=made.variables,
        operation_name=made.operation_name,
        is_awaitable=cast(Any, optimized_is_awaitable),
    )
    return await _written(executor if isinstance(executor, list) else executor.execute_operation())


async def _plan(made: Made, context: Context) -> str | None:
    plan = make_plan(
        schema._schema,
        parse(made.text),
        made.operation_name,
        executor_class=schema.execution_context_class,
    )
    return None if plan is None else await _written(plan.run(context, made.variables))


async def _written(result: Any) -> str:
    if not isinstance(result, ExecutionResult | list):
        result = await result
    data, errors = (None, result) if isinstance(result, list) else (result.data, result.errors or [])
    # Which of two fields that ask the database fails first is for the database to settle.
    told = sorted(orjson.dumps(error.formatted).decode() for error in errors)
    return f'{{"errors":[{",".join(told)}],"data":{orjson.dumps(data).decode()}}}'
