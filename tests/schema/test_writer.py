"""A writer gives pydantic's bytes, by the short way or the long one."""

import datetime
import decimal
import enum
import uuid
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_serializer

from covet.schema import Schema, Writer


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
writer = Writer(Outer)


@given(st.lists(outers, max_size=3))
def test_the_short_way_gives_the_bytes_of_pydantic(values: list[Outer]) -> None:
    assert writer.many(values) == TypeAdapter(list[Outer]).dump_json(values)
    for value in values:
        assert writer.one(value) == value.model_dump_json().encode()


def test_the_short_way_is_taken_where_it_can_be() -> None:
    assert Writer(Outer)._encode is not None
    assert Writer(Inner)._encode is not None


class Aliased(Schema):
    name: str = Field(alias="n")


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
        Aliased(n="x"),
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

    assert own._encode is None
    assert own.one(value) == value.model_dump_json(by_alias=True).encode()
    assert own.many([value, value]) == b"[%b,%b]" % (own.one(value), own.one(value))


class Secret(Inner):
    password: str


def test_a_subclass_shows_no_more_than_what_was_declared() -> None:
    class Holder(Schema):
        inner: Inner

    holder = Holder(inner=Secret(name="n", password="s3cr3t"))

    assert Writer(Holder).one(holder) == b'{"inner":{"name":"n","when":null,"weight":null}}'
    assert b"s3cr3t" not in Writer(Inner).many([Secret(name="n", password="s3cr3t")])


@pytest.mark.parametrize("where", ["outside", "inside"])
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_word_put_in_the_place_of_a_number_is_shown_as_pydantic_shows_it(where: str) -> None:
    class Holder(Schema):
        inner: Inner
        weight: float = 1.0

    holder = Holder(inner=Inner(name="n"))
    target: Any = holder if where == "outside" else holder.inner
    target.weight = "heavy"

    assert Writer(Holder).one(holder) == holder.model_dump_json().encode()
