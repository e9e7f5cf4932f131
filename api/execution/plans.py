"""Execution plans: an operation compiled once, and run for each request."""

from collections.abc import Awaitable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from graphql.execution import Executor
from graphql.execution.incremental import IncrementalExecutor
from graphql.execution.values import VariableValues
from graphql.pyutils import Undefined
from strawberry.schema.schema import (
    StrawberryGraphQLCoreExecutionContext,
    _OperationContextAwareGraphQLResolveInfo,
)

from api.execution.compiler import Compiler, SelectionCache
from api.execution.definitions import fragments_of
from api.execution.fields import SelectionSet
from api.execution.introspection import IntrospectionSource
from api.execution.plan_support import condition_variables
from api.execution.run import HELPERS, Run, is_awaitable
from api.execution.variables import VariableCoercer


def make_plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None = None,
    *,
    executor_class: type[Executor[Any]] = Executor,
    hide_suggestions: bool = False,
    cache: SelectionCache | None = None,
    introspection: IntrospectionSource | None = None,
) -> "Plan | None":
    """The plan of an operation of a valid document; None if graphql-core has to execute the operation.

    That is so if `condition_variables` returns None, if the document or the schema lacks the operation, or if
    `executor_class` is not one of graphql-core's or Strawberry's, because it may behave in another way.
    """
    operation = get_operation_ast(document, operation_name)
    if operation is None or executor_class not in _EXECUTOR_CLASSES:
        return None
    root_type = schema.get_root_type(operation.operation)
    fragments = fragments_of(document)
    try:
        conditions = condition_variables(operation, fragments)
    except RecursionError:
        return None
    if root_type is None or conditions is None:
        return None
    return Plan(
        schema,
        operation,
        root_type,
        fragments,
        conditions,
        executor_class,
        hide_suggestions,
        cache or SelectionCache(),
        introspection or IntrospectionSource(schema),
    )


_EXECUTOR_CLASSES = (Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext)


class Plan:
    """A compiled operation. `conditions` are the variables of its `@skip` and `@include` directives."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        root_type: GraphQLObjectType,
        fragments: dict[str, FragmentDefinitionNode],
        conditions: tuple[str, ...],
        executor_class: type[Executor[Any]],
        hide_suggestions: bool,
        cache: SelectionCache,
        introspection: IntrospectionSource,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._root_type = root_type
        self._fragments = fragments
        self._conditions = conditions
        self._uses_strawberry = executor_class is StrawberryGraphQLCoreExecutionContext
        self._hide_suggestions = hide_suggestions
        self._variables = VariableCoercer(schema, operation, hide_suggestions=hide_suggestions)
        self._is_mutation = operation.operation is OperationType.MUTATION
        self._cache = cache
        self._introspection = introspection
        self._roots = cache.add_operation()

    def run(
        self,
        context: Any,
        variables: Mapping[str, Any] | None = None,
        *,
        root_value: Any = None,
        extensions: dict[str, Any] | None = None,
    ) -> Awaitable[ExecutionResult] | ExecutionResult | list[GraphQLError]:
        """The result of the operation, or the request errors because of which it is not executed."""
        values = self._variables.coerce(variables or {})
        if isinstance(values, list):
            return values
        run = self._create_run(values, context, root_value, extensions)
        try:
            root = self._find_root_fields(values)
            execute = root.execute_fields_serially if self._is_mutation else root.execute_fields
            data = execute(run, root_value, None)
        except GraphQLError as error:
            return run.build_failed_result(error)
        return run.build_result(data) if type(data) is dict else _await_result(run, data)

    def _create_run(
        self, values: VariableValues, context: Any, root_value: Any, extensions: dict[str, Any] | None
    ) -> Run:
        # The attributes of GraphQLResolveInfo after `path`, in their order.
        info_tail = (
            self._schema,
            self._fragments,
            root_value,
            self._operation,
            # Strawberry gives resolvers a dictionary of the values, graphql-core its VariableValues.
            values.coerced if self._uses_strawberry else values,
            context,
            is_awaitable,
            None,
            HELPERS,
        )
        if self._uses_strawberry:
            return Run(values, _OperationContextAwareGraphQLResolveInfo, (*info_tail, extensions))
        return Run(values, GraphQLResolveInfo, info_tail)

    def _find_root_fields(self, values: VariableValues) -> SelectionSet:
        """The root fields for the values of the conditions, compiled unless they are in the cache."""
        conditions = self._conditions
        key = tuple([values.coerced.get(name, Undefined) for name in conditions]) if conditions else ()
        root = self._roots.get(key)
        if root is None:
            # Only these values stay in memory with the plan: other variables may be passwords.
            condition_values = VariableValues(
                {name: values.sources[name] for name in conditions},
                {name: value for name, value in values.coerced.items() if name in conditions},
            )
            compiler = Compiler(
                self._schema,
                self._operation,
                self._fragments,
                condition_values,
                self._cache,
                self._introspection,
                hide_suggestions=self._hide_suggestions,
            )
            root = compiler.compile_root_fields(self._root_type)
            # A combination takes memory even if it selects no field.
            self._cache.count(1 + len(conditions) // 16)
            self._roots[key] = root
        return root


async def _await_result(run: Run, data: Awaitable[dict[str, Any]]) -> ExecutionResult:
    try:
        return run.build_result(await data)
    except GraphQLError as error:
        return run.build_failed_result(error)
