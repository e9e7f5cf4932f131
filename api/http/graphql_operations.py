"""Executes the operation of a GraphQL request, by its plan or by graphql-core."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, cast

import orjson
import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError, OperationType, get_operation_ast
from strawberry.execution import optimized_is_awaitable

from api.execution.cached_documents import Document
from api.execution.document_limits import DocumentLimits
from api.execution.documents import DocumentCache
from api.execution.input_errors import explain_variables
from api.http.body import HttpError
from api.http.graphql_errors import IntrospectionRefused, PersistedQueryNotFound, PersistedQueryNotSupported
from api.http.graphql_parameters import Parameters

Result = ExecutionResult | list[GraphQLError] | bytes
"""The result of an operation or the JSON of it, or the request errors because of which it is not executed."""

NOT_AWAITABLE = (ExecutionResult, list, bytes)
"""Results that are not awaited. A tuple, because `isinstance` takes longer for a union."""


class Operations:
    """`may_introspect(context)` decides whether a request may read the schema; None means that each may.

    The other arguments are those of `DocumentCache`.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: DocumentLimits | None,
        *,
        may_introspect: Callable[[Any], Awaitable[bool]] | None,
        **options: Any,
    ) -> None:
        self._schema = schema._schema
        self._executor_class = schema.execution_context_class
        self._hide_suggestions = may_introspect is not None or schema.config.disable_field_suggestions
        self._documents = DocumentCache(schema, limits, hide_suggestions=self._hide_suggestions, **options)
        self._may_introspect = may_introspect

    def execute(
        self, parameters: Parameters, context: Any, *, may_mutate: bool
    ) -> Awaitable[Result] | Result:
        query, operation_name, variables, _, query_hash = parameters
        document = (
            self._documents.get(cast(str, query))
            if query_hash is None
            else self._find_persisted(query, query_hash)
        )
        if isinstance(document, list):
            return document
        if not may_mutate:
            _require_query(document.ast, operation_name)
        if document.checks and (checks := document.checks.get(operation_name)) is not None:
            excess = checks.find_excess(variables or {})
            if excess is not None:
                return [excess]
            if checks.introspects:
                return self._introspect(document, parameters, context, is_constant=checks.is_constant)
        return self._run(document, parameters, context)

    async def _introspect(
        self, document: Document, parameters: Parameters, context: Any, *, is_constant: bool
    ) -> Result:
        if self._may_introspect is not None and not await self._may_introspect(context):
            return [IntrospectionRefused()]
        answer = document.answers.get(parameters.operation_name) if is_constant else None
        if answer is not None:
            return answer
        result = self._run(document, parameters, context)
        if not isinstance(result, NOT_AWAITABLE):
            result = await result
        if is_constant and isinstance(result, ExecutionResult) and not result.errors:
            answer = orjson.dumps({"data": result.data})
            self._documents.store_answer(document, parameters.operation_name, answer)
            return answer
        return result

    def _run(self, document: Document, parameters: Parameters, context: Any) -> Awaitable[Result] | Result:
        _, operation_name, variables, extensions, _ = parameters
        plan = document.plans.get(operation_name)
        result = (
            plan.run(context, variables, extensions=extensions)
            if plan is not None
            else self._interpret(document.ast, parameters, context)
        )
        if isinstance(result, list):
            operation = get_operation_ast(document.ast, operation_name)
            return explain_variables(
                result, self._schema, operation, variables or {}, hide_suggestions=self._hide_suggestions
            )
        return result

    def _find_persisted(self, query: str | None, query_hash: str) -> Document | list[GraphQLError]:
        """The document with this hash. A request with both the query and its hash stores it."""
        if not query_hash:
            return [PersistedQueryNotSupported()]
        if query is None:
            return self._documents.get_by_hash(query_hash) or [PersistedQueryNotFound()]
        # Without this check a client could store its own document under the hash of another one.
        if sha256(query.encode()).hexdigest() != query_hash:
            raise HttpError(400, "HTTP.OTHER_HASH")
        return self._documents.get(query, query_hash)

    def _interpret(
        self, document: DocumentNode, parameters: Parameters, context: Any
    ) -> Awaitable[ExecutionResult] | ExecutionResult | list[GraphQLError]:
        """The same by graphql-core, for an operation without a plan."""
        _, operation_name, variables, extensions, _ = parameters
        # graphql-core's `execute` does these two steps, but returns the same for request errors, which have a
        # status of their own and no `data`, as for field errors that make `data` null.
        executor = self._executor_class.build(
            self._schema,
            document,
            context_value=context,
            raw_variable_values=variables,
            operation_name=operation_name,
            is_awaitable=cast(Any, optimized_is_awaitable),
            hide_suggestions=self._hide_suggestions,
            operation_extensions=extensions,
        )
        if isinstance(executor, list):
            return executor
        return cast(Any, executor.execute_operation())


def _require_query(document: DocumentNode, operation_name: str | None) -> None:
    """Links and images of any page make a browser send a GET, so a GET must not change anything."""
    operation = get_operation_ast(document, operation_name)
    if operation is not None and operation.operation is not OperationType.QUERY:
        raise HttpError(405, "HTTP.MUTATION_BY_GET", [(b"allow", b"POST")])
