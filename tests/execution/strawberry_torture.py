"""A schema with all that Strawberry puts around resolvers, which do as those of `torture` do."""

import asyncio
import datetime
import decimal
import enum
import uuid
from collections.abc import AsyncIterator
from random import Random
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.scalars import JSON

from tests.execution.differential import Seen
from tests.execution.values import fail

T = TypeVar("T")
Info = strawberry.Info[Seen, object]


def dice(info: Info, *what: object) -> Random:
    info.context.called(info._raw_info, {str(place): value for place, value in enumerate(what)})
    assert info.selected_fields is not None
    return Random(f"{info.context.seed}{info.path.as_list()}")


@strawberry.enum
class Size(enum.Enum):
    SMALL = "s"
    LARGE = 2
    ODD = strawberry.enum_value("o", name="UNUSUAL")


class Refused(Exception):
    pass


@strawberry.interface
class Error:
    message: str


@strawberry.type
class NotToday(Error):
    field: str


class RefusedHandler(strawberry.ExceptionHandler):
    exception_type = Refused
    error_type = NotToday

    def handle(self, exception: Exception, *, field: Any, info: Info) -> NotToday | None:
        # To decline is to leave it an error of the answer.
        return (
            None if str(exception) == "declined" else NotToday(message=str(exception), field=info.field_name)
        )


class Lucky(BasePermission):
    message = "you are not lucky"
    error_extensions = {"code": "UNLUCKY"}  # noqa: RUF012

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        return dice(info, "lucky", *kwargs).random() < 0.7


class LuckyLater(BasePermission):
    message = "you will not be lucky"

    async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        await asyncio.sleep(0)
        return dice(info, "lucky later").random() < 0.7


class Shouting(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: Info, **kwargs: Any) -> Any:
        return str(next_(source, info, **kwargs)).upper()


class ShoutingLater(FieldExtension):
    async def resolve_async(self, next_: Any, source: Any, info: Info, **kwargs: Any) -> Any:
        return str(await next_(source, info, **kwargs)).upper()


@strawberry.input
class Point:
    x: int
    y: int = 2
    label: str | None = strawberry.UNSET
    size: Size = Size.SMALL
    tags: list[str] = strawberry.field(default_factory=lambda: ["a"])
    maybe: strawberry.Maybe[int | None] = None


@strawberry.input(one_of=True)
class Either:
    name: strawberry.Maybe[str]
    point: strawberry.Maybe[Point]


@strawberry.interface
class Named:
    name: str

    @strawberry.field
    def length(self) -> int:
        return len(self.name)


@strawberry.type
class Box(Generic[T]):
    item: T
    items: list[T]


@strawberry.type
class Child(Named):
    size: Size
    born: datetime.datetime | None
    id: strawberry.ID
    weight: decimal.Decimal
    key: uuid.UUID
    data: JSON
    count: int
    secret: strawberry.Private[object]

    @strawberry.field
    async def parent(self, info: Info) -> "Parent | None":
        return await parent(info)

    @strawberry.field
    def trouble(self, info: Info) -> str:
        fail(dice(info, self.secret))
        return "never"


@strawberry.type
class Parent(Named):
    children: list[Child | None]
    box: Box[Child]
    other: Annotated["Parent", strawberry.lazy("tests.execution.strawberry_torture")] | None
    missing: str | None
    computed: int = strawberry.field(name="sum")

    @strawberry.field
    async def loaded(self, number: int = 1) -> int:
        return await DataLoader(_load).load(number)

    @strawberry.field
    async def stream(self, info: Info) -> list[int]:
        random = dice(info)
        return _numbers(random.randrange(4))  # pyright: ignore[reportReturnType]


class ParentRow(Parent):
    """Has an attribute that is computed, and may fail, in the place of one that is stored."""

    def __getattribute__(self, name: str) -> Any:
        if name != "computed":
            return super().__getattribute__(name)
        if len(self.name) % 3 == 0:
            raise ValueError(f"cannot compute {self.name}")
        return len(self.name) if len(self.name) % 2 else "no number"


async def _load(numbers: list[int]) -> list[int]:
    await asyncio.sleep(0)
    return [2 * number for number in numbers]


async def _numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


def child(random: Random) -> Any:
    # Not all of these are what the types say; that is what they are for.
    attributes: dict[str, Any] = {
        "name": random.choice(["Luz", "Ana", ""]),
        "size": random.choice([*Size, "s", "nothing"]),
        "born": random.choice([None, datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC), "never"]),
        "id": random.choice(["1", 2]),
        "weight": random.choice([decimal.Decimal("1.50"), 3]),
        "key": random.choice([uuid.UUID(int=7), "no key"]),
        "data": random.choice([{"a": [1]}, None, 5]),
        "count": random.choice([1, 2**31, True, "5"]),
        "secret": "secret",
    }
    made = Child(**attributes)
    if random.random() < 0.1:
        del made.__dict__[random.choice(["size", "born", "name", "data"])]
    return made


async def parent(info: Info) -> Any:
    random = dice(info)
    for _ in range(random.randrange(3)):
        await asyncio.sleep(0)
    if random.random() < 0.1:
        fail(random)
    if random.random() < 0.1:
        return random.choice([None, child(random), "no parent"])
    made = random.choice([Parent, ParentRow])(
        name="x" * random.randrange(6),
        children=[child(random) if random.random() < 0.8 else None for _ in range(random.randrange(4))],
        box=Box(item=child(random), items=[child(random)]),
        other=None,
        missing="here",
        computed=3,
    )
    if random.random() < 0.3:
        made.__dict__.pop("missing")
    return made


class Iterator:
    """Has no iterator of its own, which Python lets it do without."""

    def __init__(self) -> None:
        self._left = [2, 1]

    def __next__(self) -> int:
        if not self._left:
            raise StopIteration
        return self._left.pop()


class Iterable:
    def __iter__(self) -> Iterator:
        return Iterator()


@strawberry.type
class Guarded:
    """Fields without resolvers that are more than an attribute all the same."""

    unlucky: str = strawberry.field(permission_classes=[Lucky])
    loud: str = strawberry.field(extensions=[Shouting()])
    handled: NotToday | Child = strawberry.field(default=None)
    numbers: list[int] = strawberry.field(default_factory=list)


class GuardedRow(Guarded):
    def __getattribute__(self, name: str) -> Any:
        if name == "handled":
            raise Refused("not this attribute")
        return super().__getattribute__(name)


@strawberry.type
class Query:
    plain: str = "plain"

    @strawberry.field
    def guarded(self) -> Guarded:
        numbers: Any = Iterable()
        return GuardedRow(unlucky="out", loud="quiet", numbers=numbers)

    @strawberry.field
    async def parent(self, info: Info) -> Parent | None:
        return await parent(info)

    @strawberry.field
    async def named(self, info: Info) -> Named:
        random = dice(info)
        return child(random) if random.random() < 0.5 else await parent(info)

    @strawberry.field
    def boxes(self, info: Info, count: int = 2) -> list[Box[Child]]:
        random = dice(info, count)
        return [Box(item=child(random), items=[child(random)] * (n % 3)) for n in range(min(count, 5))]

    @strawberry.field(permission_classes=[Lucky])
    def lucky(self, info: Info, number: int | None = None) -> str:
        return f"lucky {dice(info, number).random()}"

    @strawberry.field(permission_classes=[Lucky, LuckyLater], extensions=[ShoutingLater()])
    async def lucky_later(self) -> str | None:
        await asyncio.sleep(0)
        return "lucky"

    @strawberry.field(extensions=[Shouting()])
    def shout(self, text: str, times: int = 1) -> str:
        return text * max(0, min(times, 3))

    @strawberry.field
    def point(self, info: Info, point: Point, points: list[Point] | None = None) -> str:
        dice(info, point.x, point.y, point.size, point.label, point.maybe)
        # Whatever one request does to its arguments, the next one must not notice.
        point.tags.append("changed")
        return f"{point} {points}"

    @strawberry.field
    def either(self, either: Either, when: datetime.date | None = None, size: Size = Size.LARGE) -> str:
        return f"{either} {when} {size}"

    @strawberry.field
    def lists(self, numbers: list[int] = [1, 2], matrix: list[list[Size]] | None = None) -> str:  # noqa: B006
        told = f"{numbers} {matrix}"
        numbers.append(3)
        return told

    @strawberry.field
    async def maybe_refused(self, info: Info) -> Child | NotToday:
        random = dice(info)
        if random.random() < 0.5:
            raise Refused(random.choice(["not today", "declined"]))
        return child(random) if random.random() < 0.9 else Box(item=1, items=[])  # pyright: ignore[reportReturnType]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def change(self, info: Info, point: Point) -> Child | NotToday:
        random = dice(info, point.x)
        await asyncio.sleep(0)
        if random.random() < 0.4:
            raise Refused("not now")
        return child(random)

    @strawberry.mutation
    def now(self, info: Info, number: int) -> int:
        if dice(info, number).random() < 0.2:
            fail(dice(info))
        return number


SCHEMA = strawberry.Schema(Query, Mutation, types=[Child, Parent], exception_handlers=[RefusedHandler()])
