"""Execution plans compared with graphql-core's interpreter and with the JSON encoding alone."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, cast
from uuid import UUID

import orjson
import uvloop
from graphql import parse, validate
from strawberry import ID
from strawberry.execution import optimized_is_awaitable

from api.database.embedded import EmbeddedServer
from api.domain.beta_keys.listing import KeyFilter, count_keys
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.business_types import BusinessType
from api.domain.roles import Role
from api.execution.documents import RULES, DocumentCache
from api.execution.plans import make_plan
from api.schema.beta_keys import BetaKey, BetaKeyConnection, BetaKeyValidation
from api.schema.error_types import FieldError, InvalidInput
from api.schema.pagination import Edge, PageInfo, SharedTotal
from api.schema.registration import Registration
from api.schema.schema import schema
from api.schema.tenant_types import Tenant, User
from benchmarks.load import Clients, Load
from benchmarks.report import print_heading, print_row
from benchmarks.requests import (
    INVALID,
    IS_FULL_PAGE,
    IS_INVALID,
    IS_TEN_TIMES_VALID,
    KEYS,
    REGISTER,
    TEN_LOOK_UPS,
    VALIDATE,
    VIEWER_AND_TENANT,
    invalid_registrations,
    key_pages,
    make_tokens,
    registrations,
    ten_look_ups,
)
from benchmarks.servers import Database, baseline, gatehouse

ROUNDS = 3

# Over HTTP


def measure_documents(clients: Clients, server: EmbeddedServer, keys: list[str]) -> None:
    """Larger responses than that of one key look-up, over HTTP."""
    database = Database(server, "documents").migrate("all")
    database.add_keys(keys)
    (token,) = make_tokens(1)
    database.add_operator(token)
    workloads = {
        "a page of 100 keys, all fields": ("bare_keys", key_pages(token), IS_FULL_PAGE),
        "ten aliases": ("bare_ten", ten_look_ups(keys), IS_TEN_TIMES_VALID),
        "five field errors": ("bare_invalid", invalid_registrations(keys[:100]), IS_INVALID),
    }
    with ExitStack() as stack:
        ours = stack.enter_context(gatehouse(database))
        interpreted = stack.enter_context(gatehouse(database, EXECUTION_PLANS="off"))
        print_heading("answers/s at 32 connections", "Gatehouse", "theirs")
        for name, (application, requests, expected) in workloads.items():
            load = partial(Load, requests=requests, expected=expected)
            with baseline(application, database) as bare:
                servers = (bare, ours, interpreted)
                rounds = [[clients.run(load(port=s.port)).rate for s in servers] for _ in range(ROUNDS)]
            bare_rates, our_rates, interpreted_rates = zip(*rounds, strict=True)
            print_row(f"{name}: bare function", our_rates, bare_rates)
            print_row(f"{name}: graphql-core", our_rates, interpreted_rates)


# Execution alone


class Case(NamedTuple):
    document: str
    variables: dict[str, Any]
    field: str
    """The root field. A resolver that returns `answer` at once replaces its own."""
    answer: object
    at_least: float | None = None


_NOW = datetime(2026, 1, 31, tzinfo=UTC)

_ID = str(UUID(int=1))


def _cases() -> dict[str, Case]:
    valid = BetaKeyValidation(valid=True, reason=None, message="This beta key is valid.")
    row: Any = None
    tenant: Any = Tenant(
        id=ID(_ID), business_name="Tienda", nit="9001", business_type=BusinessType.TIENDA, address="Calle 10",
        phone=None, email=None, is_active=True, suspended_reason=None, created_at=_NOW, row=row,
    )  # fmt: skip
    user = User(
        id=ID(_ID), email="ana@example.com", first_name="Ana", last_name="Ríos", role=Role.ADMIN,
        is_owner=True, is_active=True, document_id=None, phone_number=None, created_at=_NOW, tenant=tenant,
        row=row,
    )  # fmt: skip
    key = BetaKey(
        id=ID(_ID), key="BETA-AAAAA-AAAAA", status=BetaKeyStatus.AVAILABLE, notes="feria", batch="launch",
        recipient_email=None, expires_at=_NOW, sent_at=None, used_at=None, used_by=None, revoked_at=None,
        revoked_reason=None, created_at=_NOW,
    )  # fmt: skip
    page = PageInfo(has_next_page=True, has_previous_page=False, start_cursor="a", end_cursor="b")
    total = SharedTotal(lambda: count_keys(KeyFilter()))
    keys = BetaKeyConnection(edges=[Edge(cursor="a", node=key)] * 100, page_info=page, total=total)
    registered = Registration(access_token="t", expires_at=_NOW, user=user, tenant=tenant)
    problems = [FieldError(field=f"field{n}", code="INVALID", message="Not acceptable.") for n in range(5)]
    invalid = InvalidInput(code="INVALID_INPUT", message="Some fields are not valid.", fields=problems)
    (form,) = (orjson.loads(body.partition(b"\r\n\r\n")[2])["variables"] for body in registrations(["x"], 1))
    return {
        "one look-up": Case(VALIDATE, {"key": "x"}, "validateBetaKey", valid),
        "ten aliases": Case(TEN_LOOK_UPS, {f"k{n}": "x" for n in range(10)}, "validateBetaKey", valid),
        "the viewer and a tenant": Case(VIEWER_AND_TENANT, {}, "viewer", user),
        "a page of 100 keys, all fields": Case(KEYS, {}, "betaKeys", keys, at_least=5),
        "register's answer": Case(REGISTER, form, "register", registered),
        "five field errors": Case(INVALID, form, "register", invalid),
    }


def measure_execution() -> None:
    """Execution from variables to JSON, with resolvers that return at once."""
    rows: dict[str, tuple[list[float], list[float], list[float]]] = uvloop.run(_time_cases())
    print_heading("execution alone, answers/s", "Gatehouse", "theirs")
    for name, (ours, interpreted, bare) in rows.items():
        print_row(f"{name}: graphql-core", ours, interpreted, at_least=_cases()[name].at_least)
        print_row(f"{name}: the JSON alone", ours, bare)
    print_heading("a document, documents/s", "plan", "validated")
    for name, case in _cases().items():
        plans, validations = zip(*(_time_compiling(case) for _ in range(ROUNDS)), strict=True)
        print_row(f"compiled for: {name}", plans, validations, at_least=1 / 3)
    print_heading("a flood of documents, documents/s", "plans", "none")
    floods = [(_time_flood(plans=True), _time_flood(plans=False)) for _ in range(3 * ROUNDS)]
    flooded, plain = zip(*floods, strict=True)
    print_row("each sent once", flooded, plain, at_least=1 / 1.1)


async def _time_cases() -> dict[str, tuple[list[float], list[float], list[float]]]:
    return {name: await _time_case(case) for name, case in _cases().items()}


async def _time_case(case: Case) -> tuple[list[float], list[float], list[float]]:
    document = parse(case.document)
    with _replaced_resolver(case):
        plan = make_plan(schema._schema, document, executor_class=schema.execution_context_class)
        if plan is None:
            raise RuntimeError(f"no plan can run {case.document}")

        async def planned() -> Any:
            result: Any = plan.run(None, case.variables)
            return await result

        async def interpreted() -> Any:
            executor: Any = schema.execution_context_class.build(
                schema._schema,
                document,
                raw_variable_values=case.variables,
                is_awaitable=cast(Any, optimized_is_awaitable),
            )
            return await executor.execute_operation()

        result = await planned()
        if result.errors or result != await interpreted():
            raise RuntimeError(f"{case.document} answers {result}")

        async def bare() -> Any:
            return result

        rounds = [[await _rate(answer) for answer in (planned, interpreted, bare)] for _ in range(ROUNDS)]
    ours, theirs, json_alone = zip(*rounds, strict=True)
    return [*ours], [*theirs], [*json_alone]


async def _rate(answer: Callable[[], Awaitable[Any]], seconds: float = 0.5) -> float:
    """Responses for each second of CPU of this thread."""
    count = 0
    started = time.thread_time()
    while (used := time.thread_time() - started) < seconds:
        for _ in range(20):
            orjson.dumps((await answer()).data)
        count += 20
    return count / used


@contextmanager
def _replaced_resolver(case: Case) -> Iterator[None]:
    """The root field of a case returns its answer at once."""

    async def resolve(_source: object, _info: object, **_arguments: object) -> object:
        return case.answer

    types = (schema._schema.query_type, schema._schema.mutation_type)
    (field,) = (type_.fields[case.field] for type_ in types if type_ and case.field in type_.fields)
    original, field.resolve = field.resolve, resolve
    try:
        yield
    finally:
        field.resolve = original


def _time_compiling(case: Case) -> tuple[float, float]:
    """Plans that are made and run once, and validations of the same document, each for one second of CPU."""
    document = parse(case.document)

    async def first_runs(count: int) -> float:
        started = time.thread_time()
        for _ in range(count):
            plan = make_plan(schema._schema, document, executor_class=schema.execution_context_class)
            result: Any = plan.run(None, case.variables) if plan is not None else None
            await result
        return count / (time.thread_time() - started)

    with _replaced_resolver(case):
        made = uvloop.run(first_runs(100))
    started = time.thread_time()
    for _ in range(50):
        validate(schema._schema, document, RULES)
    return made, 50 / (time.thread_time() - started)


def _time_flood(*, plans: bool) -> float:
    """The rate of documents that are each sent once."""
    documents = DocumentCache(schema, plans=plans)
    started = time.thread_time()
    for number in range(300):
        documents.get(f"{VALIDATE} # {number}")
    return 300 / (time.thread_time() - started)
