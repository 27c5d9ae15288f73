"""A writer gives pydantic's bytes, by the short way or the long one."""

import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    TypeAdapter,
    field_serializer,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticSerializationError

from covet import accel
from covet.accel.twins import models as twin
from covet.schema import Schema, Writer

HALVES = {"chosen": accel.ModelWriter, "python": twin.ModelWriter}
half = pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)


class Colour(enum.Enum):
    RED = "red"
    TWO = 2


class Inner(Schema):
    name: str
    when: datetime.date | None = None
    weight: float | None = None


class Outer(Schema):
    number: int
    text: str = Field(max_length=10**6)
    ratio: float | None
    price: decimal.Decimal
    flag: bool
    key: uuid.UUID
    at: datetime.time
    moment: datetime.datetime
    colour: Colour
    kind: Literal["a", 1, None]
    inner: Inner | None
    many: list[Inner]
    named: dict[str, int | str]


texts = st.text(st.characters(exclude_categories=["Cs"]))
zones = st.none() | st.integers(-1439, 1439).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
inners = st.builds(Inner, name=texts, when=st.none() | st.dates(), weight=st.none() | st.floats())
outers = st.builds(
    Outer,
    number=st.integers(),
    text=texts,
    ratio=st.none() | st.floats(),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    key=st.uuids(),
    at=st.times(timezones=zones),
    moment=st.datetimes(timezones=zones),
    colour=st.sampled_from(Colour),
    kind=st.sampled_from(["a", 1, None]),
    inner=st.none() | inners,
    many=st.lists(inners, max_size=2),
    named=st.dictionaries(texts, st.integers() | texts, max_size=2),
)
writers = [Writer(Outer, made) for made in HALVES.values()]


@given(st.lists(outers, max_size=3))
def test_the_short_way_gives_the_bytes_of_pydantic(values: list[Outer]) -> None:
    for writer in writers:
        assert writer.many(values) == TypeAdapter(list[Outer]).dump_json(values)
        for value in values:
            assert writer.one(value) == value.model_dump_json().encode()


@half
def test_the_short_way_is_taken_where_it_can_be(half: type[twin.ModelWriter]) -> None:
    writer = Writer(Inner, half)
    value = Inner(name="n")

    assert writer.is_short
    assert writer.short_many([value, value]) == writer.many([value, value])
    assert writer.short_many([]) == b"[]"


class Node(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    node_name: str
    short_id: int = Field(0, serialization_alias='i"d')
    below: list["Node"] = []

    @field_validator("node_name")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


nodes: st.SearchStrategy[Node] = st.recursive(
    st.builds(Node, nodeName=texts), lambda inner: st.builds(Node, nodeName=texts, below=st.lists(inner, max_size=3))
)


@given(nodes)
def test_names_of_json_and_values_of_ones_own_class_inside_go_the_short_way(node: Node) -> None:
    expected = node.model_dump_json(by_alias=True).encode()

    assert Writer(Node).is_short
    assert [Writer(Node, made).one(node) for made in HALVES.values()] == [expected, expected]
    if accel.active()["ModelWriter"] == "rust":
        assert Writer(Node).short_many([node]) == b"[%b]" % expected


class Piece(Schema):
    text: str
    number: int = 0
    ratio: float = 0.5
    a_name_that_is_longer_than_thirty_two_bytes: bool = True


# One character of each kind that matters: plain, escaped by a letter and by a number, and of two to four bytes.
KINDS = ("x", '"', "\\", "\n", "\x00", "\x1f", "\x20", "\x7f", "\x80", "é", "€", "😀")


@half
@pytest.mark.parametrize("size", [*range(20), 31, 32, 33, 63, 64, 65, 1023, 1024])
def test_a_text_of_each_size_is_escaped_wherever_it_must_be(half: type[twin.ModelWriter], size: int) -> None:
    places = sorted({0, 1, 2, 3, 4, 7, 8, size // 2, size - 1} & set(range(size)))
    texts = ["x" * size] + ["x" * place + kind + "x" * (size - place - 1) for place in places for kind in KINDS]
    values = [Piece(text=text) for text in texts]

    assert Writer(Piece, half).many(values) == TypeAdapter(list[Piece]).dump_json(values)
    assert Writer(Piece, half).one(values[-1]) == values[-1].model_dump_json().encode()


@half
def test_numbers_of_each_length_are_written(half: type[twin.ModelWriter]) -> None:
    whole = [sign * (10**power + more) for power in range(22) for more in (-1, 0, 1, 9) for sign in (1, -1)]
    values = [Piece(text="", number=number, ratio=number / 7) for number in whole if abs(number) < 10**15]
    values += [Piece(text="", number=number) for number in whole]

    assert Writer(Piece, half).many(values) == TypeAdapter(list[Piece]).dump_json(values)


@half
def test_what_a_long_answer_leaves_behind_is_in_no_other(half: type[twin.ModelWriter]) -> None:
    writer = Writer(Piece, half)
    long = [Piece(text="s3cr3t" * 30) for _ in range(500)]
    longer = [Piece(text="s3cr3t" * 3000) for _ in range(50)]

    for values in (long, longer, long, longer[:1]):
        assert writer.many(values) == TypeAdapter(list[Piece]).dump_json(values)
        assert writer.many([Piece(text="n")]) == TypeAdapter(list[Piece]).dump_json([Piece(text="n")])
        assert writer.many([]) == b"[]"


@half
def test_a_list_that_fails_half_way_leaves_nothing_to_the_next(half: type[twin.ModelWriter]) -> None:
    writer = Writer(Inner, half)
    good, odd = Inner(name="good"), Inner(name=Word("odd"))

    assert writer.many([good, odd]) == TypeAdapter(list[Inner]).dump_json([good, odd])
    assert writer.many([good]) == TypeAdapter(list[Inner]).dump_json([good])


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    held: T


@half
def test_a_generic_schema_goes_the_short_way(half: type[twin.ModelWriter]) -> None:
    writer = Writer(Box[int], half)

    assert writer.short_many([Box[int](held=3)]) == b'[{"held":3}]'


class Counted(Schema):
    name: str
    _seen: int = PrivateAttr(1)

    @functools.cached_property
    def size(self) -> int:
        return len(self.name)


def remembered() -> Counted:
    value = Counted(name="n")
    assert value.size == 1
    return value


def turned() -> Inner:
    value = Inner(name="n")
    value.__dict__.update(name=value.__dict__.pop("name"))
    return value


def lacking() -> Inner:
    value = Inner(name="n")
    del value.weight
    return value


def deep(levels: int) -> Node:
    node = Node.model_validate({"nodeName": "n"})
    for _ in range(levels):
        node = Node.model_validate({"nodeName": "n", "below": [node]})
    return node


@half
@pytest.mark.parametrize(
    "make",
    [
        remembered,
        turned,
        lacking,
        lambda: deep(80),
        lambda: Inner(name="n", weight=1e300),
        lambda: Inner(name="n", weight=float("nan")),
        lambda: Inner(name="n", weight=float("-inf")),
        lambda: Inner(name=Word("n")),
    ],
    ids=["cached property", "another order", "a field deleted", "deep", "huge", "nan", "infinite", "a kind of text"],
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_values_that_are_not_as_declared_are_written_as_pydantic_writes_them(
    half: type[twin.ModelWriter], make: Callable[[], BaseModel]
) -> None:
    value = make()
    writer = Writer(type(value), half)
    listed: TypeAdapter[Any] = TypeAdapter(list[type(value)])  # type: ignore[arg-type, misc]

    assert writer.is_short
    assert writer.one(value) == value.model_dump_json(by_alias=True).encode()
    assert writer.many([value]) == listed.dump_json([value], by_alias=True)


class Word(str):
    __slots__ = ()


@half
def test_half_a_character_is_refused_as_pydantic_refuses_it(half: type[twin.ModelWriter]) -> None:
    value = Inner(name="n")
    value.name = "\ud800"

    with pytest.raises(PydanticSerializationError):
        Writer(Inner, half).one(value)


class Hidden(Schema):
    name: str
    note: str | None = Field(None, exclude_if=lambda value: value is None)


class Rooted(RootModel[list[int]]):
    pass


class Serialized(Schema):
    name: str

    @field_serializer("name")
    def loud(self, value: str) -> str:
        return value.upper()


class Spanned(Schema):
    took: datetime.timedelta


class Open(Schema):
    model_config = ConfigDict(extra="allow")

    name: str


class Anything(Schema):
    value: Any


class Foreign(BaseModel):
    raw: bytes


@pytest.mark.parametrize(
    "value",
    [
        Hidden(name="x", note=None),
        Rooted([1]),
        Serialized(name="x"),
        Spanned(took=datetime.timedelta(days=400)),
        Open(name="x", more=1),  # type: ignore[call-arg]
        Anything(value={1: b"x"}),
        Foreign(raw=b"x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_else_a_schema_says_is_pydantics(value: BaseModel) -> None:
    own = Writer(type(value))

    assert not own.is_short
    assert own.one(value) == value.model_dump_json(by_alias=True).encode()
    assert own.many([value, value]) == b"[%b,%b]" % (own.one(value), own.one(value))


class Secret(Inner):
    password: str


@half
def test_a_subclass_shows_no_more_than_what_was_declared(half: type[twin.ModelWriter]) -> None:
    class Holder(Schema):
        inner: Inner

    holder = Holder(inner=Secret(name="n", password="s3cr3t"))

    assert Writer(Holder, half).one(holder) == b'{"inner":{"name":"n","when":null,"weight":null}}'
    assert b"s3cr3t" not in Writer(Inner, half).many([Secret(name="n", password="s3cr3t")])


@half
@pytest.mark.parametrize("where", ["outside", "inside"])
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_word_put_in_the_place_of_a_number_is_shown_as_pydantic_shows_it(
    half: type[twin.ModelWriter], where: str
) -> None:
    class Holder(Schema):
        inner: Inner
        weight: float = 1.0

    holder = Holder(inner=Inner(name="n"))
    target: Any = holder if where == "outside" else holder.inner
    target.weight = "heavy"

    assert Writer(Holder, half).one(holder) == holder.model_dump_json().encode()
