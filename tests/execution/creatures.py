"""A schema of people and dogs, and what a plan answers to a document on it."""

from typing import Any

from graphql import ExecutionResult, build_schema, parse, validate

from api.execution.plans import Plan, make_plan
from tests.execution.differential import Seen, compare

SCHEMA = build_schema(
    """
    interface Being { name: String! }
    type Dog implements Being { name: String! barks: Boolean owner: Human! }
    type Human implements Being {
      name: String! age: Int friends: [Human] dogs: [Dog!]! best: [Dog!] strict: Human!
    }
    union Creature = Dog | Human
    input Size { width: Int! = 1 height: Int }
    input Either @oneOf { name: String number: Int }
    type Query {
      field(a: Int, b: Int! = 7, list: [Int!], size: Size, either: Either): String
      required(a: Int!): String
      human: Human
      strict: Human!
      being: Being
      creature: Creature
      matrix: [[Int!]]
      strictMatrix: [[Int!]!]!
      number: Int
      enumerated: Color
      later: String
    }
    enum Color { RED GREEN }
    type Mutation { first: Int second: Int! third: Int }
    type Subscription { tick: Int }
    """
)


def _told(_source: object, _info: object, **arguments: object) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(arguments.items()))


for _name in ("field", "required"):
    SCHEMA.type_map["Query"].fields[_name].resolve = _told  # pyright: ignore[reportAttributeAccessIssue]

ANA = {"__typename": "Human", "name": "Ana", "age": 33, "dogs": [], "friends": [{"name": "Luz"}, None]}

REX = {"__typename": "Dog", "name": "Rex", "barks": True}


async def answer(
    text: str, root: Any = None, variables: dict[str, Any] | None = None, operation: str | None = None
) -> tuple[Any, list[str]]:
    """Data, and errors as message and path, of a plan; fails where graphql-core answers differently."""
    assert not validate(SCHEMA, parse(text)), validate(SCHEMA, parse(text))
    planned, _ = await compare(SCHEMA, text, variables, operation, root_value=lambda: root or {})
    assert planned
    plan = make_plan(SCHEMA, parse(text), operation)
    assert plan is not None
    result: Any = plan.run(Seen(), variables, root_value=root or {})
    if isinstance(result, list):
        return None, [error.message for error in result]
    result = result if isinstance(result, ExecutionResult) else await result
    told = [f"{error.message} @ {'.'.join(map(str, error.path or ()))}" for error in result.errors or ()]
    return result.data, told


def plan_for(text: str) -> Plan:
    assert not validate(SCHEMA, parse(text))
    plan = make_plan(SCHEMA, parse(text))
    assert plan is not None
    return plan


async def awaited(result: Any) -> Any:
    return result if isinstance(result, ExecutionResult) else await result
