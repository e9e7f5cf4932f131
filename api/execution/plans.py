"""Execution plans: what a document asks for, compiled once, so that a request only has to run it."""

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
from api.execution.fields import Selection
from api.execution.plan_support import conditions_of
from api.execution.run import HELPERS, Run, is_awaitable
from api.execution.variables import Variables


def make_plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None = None,
    *,
    executor_class: type[Executor[Any]] = Executor,
    hide_suggestions: bool = False,
    kept: SelectionCache | None = None,
) -> "Plan | None":
    """The plan of that operation of a valid document; None if it is graphql-core's to run.

    That is what `conditions_of` says, an operation that the document or the schema does not have, and an
    executor class that is neither graphql-core's nor Strawberry's, because it may do anything else.
    """
    operation = get_operation_ast(document, operation_name)
    if operation is None or executor_class not in _EXECUTOR_CLASSES:
        return None
    root_type = schema.get_root_type(operation.operation)
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    try:
        conditions = conditions_of(operation, fragments)
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
        kept or SelectionCache(),
    )


_EXECUTOR_CLASSES = (Executor, IncrementalExecutor, StrawberryGraphQLCoreExecutionContext)


class Plan:
    """One operation of a document, made ready to run."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        root_type: GraphQLObjectType,
        fragments: dict[str, FragmentDefinitionNode],
        conditions: tuple[str, ...],
        executor_class: type[Executor[Any]],
        hide_suggestions: bool,
        kept: SelectionCache,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._root_type = root_type
        self._fragments = fragments
        self._conditions = conditions
        self._for_strawberry = executor_class is StrawberryGraphQLCoreExecutionContext
        self._hide_suggestions = hide_suggestions
        self._variables = Variables(schema, operation, hide_suggestions=hide_suggestions)
        self._serially = operation.operation is OperationType.MUTATION
        self._kept = kept
        self._roots = kept.roots()

    def run(
        self,
        context: Any,
        variables: Mapping[str, Any] | None = None,
        *,
        root_value: Any = None,
        extensions: dict[str, Any] | None = None,
    ) -> Awaitable[ExecutionResult] | ExecutionResult | list[GraphQLError]:
        """The result of the operation; or, if nothing was executed at all, a list of the reasons."""
        values = self._variables.coerce(variables or {})
        if isinstance(values, list):
            return values
        run = self._begin(values, context, root_value, extensions)
        try:
            root = self._root(values)
            execute = root.execute_serially if self._serially else root.execute
            data = execute(run, root_value, None)
        except GraphQLError as error:
            return run.fail(error)
        return run.result(data) if type(data) is dict else _result_of(run, data)

    def _begin(
        self, values: VariableValues, context: Any, root_value: Any, extensions: dict[str, Any] | None
    ) -> Run:
        # From the sixth attribute of GraphQLResolveInfo on.
        given = (
            self._schema,
            self._fragments,
            root_value,
            self._operation,
            # Strawberry's resolvers are told the values alone.
            values.coerced if self._for_strawberry else values,
            context,
            is_awaitable,
            None,
            HELPERS,
        )
        if self._for_strawberry:
            return Run(values, _OperationContextAwareGraphQLResolveInfo, (*given, extensions))
        return Run(values, GraphQLResolveInfo, given)

    def _root(self, values: VariableValues) -> Selection:
        """The root fields, which depend on what the conditions of the document come to."""
        conditions = self._conditions
        outcome = tuple([values.coerced.get(name, Undefined) for name in conditions]) if conditions else ()
        root = self._roots.get(outcome)
        if root is None:
            # Of this request nothing else is kept: other variables may be passwords.
            decisive = VariableValues(
                {name: values.sources[name] for name in conditions},
                {name: value for name, value in values.coerced.items() if name in conditions},
            )
            compiler = Compiler(
                self._schema,
                self._operation,
                self._fragments,
                decisive,
                self._kept,
                hide_suggestions=self._hide_suggestions,
            )
            root = compiler.select_root(self._root_type)
            # An outcome takes memory of its own, however few fields it has.
            self._kept.count(1 + len(conditions) // 16)
            self._roots[outcome] = root
        return root


async def _result_of(run: Run, data: Awaitable[dict[str, Any]]) -> ExecutionResult:
    try:
        return run.result(await data)
    except GraphQLError as error:
        return run.fail(error)
