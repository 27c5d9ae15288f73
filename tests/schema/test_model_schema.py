"""A schema made from a model takes its fields, rules and defaults; and says when rows may go to JSON directly."""

import datetime
import decimal
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, ValidationError, computed_field, field_serializer, field_validator

from covet.apps import apps
from covet.db import models
from covet.exceptions import ImproperlyConfigured
from covet.schema import OUTPUT, ModelSchema, Schema, needs, projection
from covet.timezone import override
from covet.validators import RegexValidator
from tests.rest.library import Article, Author, Tag, Thing


class Kind(models.TextChoices):
    SMALL = "s", "Small"
    LARGE = "l", "Large"


class Sample(models.Model):
    code = models.CharField(max_length=5, validators=[RegexValidator(r"^[a-z]+$", "Small letters {only}.", "letters")])
    kind = models.CharField(max_length=1, choices=Kind.choices, default=Kind.SMALL)
    note = models.TextField(blank=True)
    rank = models.PositiveSmallIntegerField(default=3)
    price = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    seen = models.DateTimeField(null=True)
    made = models.DateTimeField(auto_now_add=True)
    data = models.JSONField(default=dict)
    site = models.URLField(blank=True)

    class Meta:
        app_label = "library"


class Measured(models.Model):
    any_address = models.GenericIPAddressField(null=True)
    old_address = models.GenericIPAddressField(protocol="IPv4", null=True)
    new_address = models.GenericIPAddressField(protocol="IPv6", null=True, blank=True)
    size = models.FloatField(default=1.0)
    weight = models.FloatField(null=True)

    class Meta:
        app_label = "library"


class MeasuredIn(ModelSchema, model=Measured, exclude=["id"]): ...


class SampleIn(ModelSchema, model=Sample, exclude=["id", "made"]): ...


def errors(schema: type[Schema], **values: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as error:
        schema.model_validate(values)
    return {str(one["loc"][0]): one["type"] for one in error.value.errors()}


def test_fields_exclude_and_all_choose_fields() -> None:
    class Some(ModelSchema, model=Author, fields=["name", "pk"]): ...

    class AllBut(ModelSchema, model=Author, exclude=["email"]): ...

    class Everything(ModelSchema, model=Article, fields="__all__"): ...

    assert list(Some.model_fields) == ["name", "pk"]
    assert list(AllBut.model_fields) == ["id", "name"]
    assert list(Everything.model_fields) == ["id", "title", "body", "author", "editor", "published_at", "views", "tags"]


@pytest.mark.parametrize("keywords", [{}, {"fields": ["nam"]}, {"exclude": ["emial"]}, {"fields": "name"}])
def test_a_schema_that_names_nothing_or_the_wrong_thing_is_an_error(keywords: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        type(ModelSchema)("Wrong", (ModelSchema,), {"__module__": __name__}, model=Author, **keywords)

    assert "Wrong" in str(error.value)


def test_a_misspelt_field_gets_a_suggestion() -> None:
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'email'"):

        class Wrong(ModelSchema, model=Author, fields=["emial"]): ...


def test_defaults_are_the_models() -> None:
    sample = SampleIn(code="abc")

    assert (sample.kind, sample.note, sample.rank, sample.price, sample.data) == ("s", "", 3, None, {})  # type: ignore[attr-defined]


def test_rules_are_the_models() -> None:
    wrong = errors(
        SampleIn,
        code="A",
        kind="x",
        rank=40000,
        price="1.234",
        site="nowhere",
        seen="yesterday",
        nothing=1,
    )

    assert wrong == {
        "code": "letters",
        "kind": "invalid_choice",
        "rank": "less_than_equal",
        "price": "decimal_max_places",
        "site": "invalid",
        "seen": "datetime_from_date_parsing",
        "nothing": "extra_forbidden",
    }
    assert errors(SampleIn) == {"code": "missing"}
    assert errors(SampleIn, code="") == {"code": "blank"}
    assert errors(SampleIn, code="abcdef") == {"code": "string_too_long"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (RegexValidator(r"^[a-z]+$"), r"^[a-z]+$"),
        (RegexValidator(r"\A[A-Z]{2}\Z"), r"^[A-Z]{2}$"),
        (RegexValidator(r"^\d+\Z", flags=re.ASCII), r"^\d+$"),
        # Digits of any script here, 0 to 9 there; what Python alone knows; and what is forbidden.
        (RegexValidator(r"^\d+\Z"), None),
        (RegexValidator(r"(?P<a>x)"), None),
        (RegexValidator(r"x", flags=re.IGNORECASE), None),
        (RegexValidator(r"\\Z"), None),
        (RegexValidator(r"x", inverse_match=True), None),
    ],
    ids=["same", "ends", "ascii", "digits", "named", "flags", "backslash", "inverse"],
)
def test_patterns_are_told_where_json_schema_has_them(rule: RegexValidator, told: str | None) -> None:
    with apps.isolate():

        class Coded(models.Model):
            code = models.CharField(max_length=5, validators=[rule])
            loose = models.SlugField(blank=True, validators=[RegexValidator("^a")])

            class Meta:
                app_label = "library"

        class CodedIn(ModelSchema, model=Coded, fields=["code", "loose"]): ...

    properties = CodedIn.model_json_schema()["properties"]

    assert properties["code"].get("pattern") == told
    assert properties["loose"]["pattern"] == "^$|^[-a-zA-Z0-9_]+$"
    assert properties["loose"]["allOf"] == [{"pattern": "^$|^a"}]


def test_a_blank_address_is_no_address() -> None:
    properties = SampleIn.model_json_schema()["properties"]

    assert "format" not in properties["site"]
    assert SampleIn(code="a", site="").site == ""


def test_braces_in_a_validators_text_stay() -> None:
    with pytest.raises(ValidationError, match=r"Small letters \{only\}"):
        SampleIn(code="9")


def test_rules_do_not_hold_for_answers() -> None:
    read = SampleIn.model_validate({"code": "OLD", "kind": "x"}, context=OUTPUT)

    assert read.model_dump(include={"code", "kind"}) == {"code": "OLD", "kind": "x"}


def test_a_naive_datetime_is_of_the_current_zone() -> None:
    with override("Europe/Berlin"):
        sample = SampleIn(code="a", seen="2026-01-31T12:00:00")

    assert sample.seen == datetime.datetime(2026, 1, 31, 11, tzinfo=datetime.UTC)  # type: ignore[attr-defined]


class ArticleIn(ModelSchema, model=Article, fields=["title", "author", "editor", "tags"]): ...


def test_a_foreign_key_is_its_key_in_json_and_an_unloaded_instance_in_python() -> None:
    article = ArticleIn.model_validate_json(b'{"title": "T", "author": 1, "tags": [2, 3]}')
    values = article.model_dump()

    assert isinstance(values["author"], Author)
    assert values["author"].pk == 1
    assert values["editor"] is None
    assert [(type(tag), tag.pk) for tag in values["tags"]] == [(Tag, 2), (Tag, 3)]
    assert article.model_dump_json() == '{"title":"T","author":1,"editor":null,"tags":[2,3]}'
    assert Article(title=values["title"], author=values["author"]).author_id == 1  # type: ignore[attr-defined]


def test_an_instance_is_taken_as_it_is() -> None:
    ann = Author(pk=5, name="Ann")

    assert ArticleIn(title="T", author=ann).author is ann  # type: ignore[attr-defined]


def test_the_bare_key_stands_under_the_columns_name() -> None:
    class Bare(ModelSchema, model=Article, fields=["author_id", "editor_id"]): ...

    assert Bare(author_id="3").model_dump() == {"author_id": 3, "editor_id": None}


def test_optional_fields_tell_sent_from_unsent() -> None:
    class Patch(ModelSchema, model=Author, fields=["name", "email"], optional="__all__"): ...

    assert Patch.model_validate({"name": "x"}).model_dump(exclude_unset=True) == {"name": "x"}
    assert errors(Patch, name=None) == {"name": "string_type"}


def test_what_the_class_declares_takes_the_models_place() -> None:
    class Loud(ModelSchema, model=Author, fields=["id", "name"]):
        name: int
        extra: str = "-"

    assert list(Loud.model_fields) == ["id", "name", "extra"]
    assert Loud(name="5").name == 5


def test_a_schema_can_be_extended() -> None:
    class Short(ModelSchema, model=Author, fields=["id"]): ...

    class Long(Short, fields=["email"]):
        note: str = ""

    assert list(Long.model_fields) == ["id", "email", "note"]
    shown = projection(Short)
    assert shown is not None
    assert shown.names == ("id",)


def test_a_relation_named_by_a_string_may_come_later() -> None:
    class Early(models.Model):
        later = models.ForeignKey("library.Later", on_delete=models.CASCADE)

        class Meta:
            app_label = "library"

    class EarlyIn(ModelSchema, model=Early, fields=["later"]): ...

    class Later(models.Model):
        class Meta:
            app_label = "library"

    assert isinstance(EarlyIn.model_validate_json(b'{"later": 1}').later, Later)  # type: ignore[attr-defined]


# ── projections


class Plain(ModelSchema, model=Article, fields=["id", "title", "author", "published_at"]): ...


def test_a_plain_schema_reads_its_columns() -> None:
    shown = projection(Plain)

    assert shown is not None
    assert shown.names == ("id", "title", "author_id", "published_at")
    assert shown.keys == ("id", "title", "author", "published_at")


def test_a_schema_of_ones_own_projects_where_its_types_are_the_models() -> None:
    class Own(Schema):
        id: int
        title: str = Field(max_length=3)
        author_id: int
        published_at: datetime.datetime | None

    class Other(Schema):
        id: str

    class Missing(Schema):
        nowhere: int = 0

    assert projection(Own, Article) is not None
    assert projection(Other, Article) is None
    assert projection(Missing, Article) is None


def test_whatever_changes_the_bytes_goes_through_pydantic() -> None:
    class Aliased(ModelSchema, model=Author, fields=["id"]):
        name: str = Field(serialization_alias="n")

    class Computed(ModelSchema, model=Author, fields=["id"]):
        @computed_field
        def double(self) -> int:
            return 2

    class Serialized(ModelSchema, model=Author, fields=["id", "name"]):
        @field_serializer("name")
        def loud(self, value: str) -> str:
            return value.upper()

    class Validated(ModelSchema, model=Author, fields=["id", "name"]):
        @field_validator("name")
        @classmethod
        def loud(cls, value: str) -> str:
            return value.upper()

    class Configured(ModelSchema, model=Thing, fields=["took"]):
        model_config = ConfigDict(ser_json_timedelta="float")

    class Retyped(ModelSchema, model=Thing, fields=["price"]):
        price: float

    class Many(ModelSchema, model=Article, fields=["id", "tags"]): ...

    class Nested(ModelSchema, model=Article, fields=["id"]):
        author: Plain

    for schema in (Aliased, Computed, Serialized, Validated, Configured, Retyped, Many, Nested):
        assert projection(schema) is None, schema


def test_what_a_nested_schema_needs_is_known_before_anything_is_read() -> None:
    class AuthorOut(ModelSchema, model=Author, fields=["name"]):
        articles: list[Plain]

    class Deep(ModelSchema, model=Article, fields=["tags", "editor"]):
        author: AuthorOut | None

    wanted = needs(Deep, Article)

    assert wanted.select == ("author",)
    assert set(wanted.prefetch) == {"tags", "author__articles"}
    assert not needs(Plain, Article)


class ThingOut(ModelSchema, model=Thing, fields="__all__"): ...


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
things = st.fixed_dictionaries(
    {
        "key": st.uuids(),
        "text": st.text(),
        "number": st.integers(-(2**63), 2**63 - 1),
        "ratio": st.floats(),
        "price": st.decimals(min_value=-999999, max_value=999999, places=2),
        "flag": st.booleans(),
        "day": st.none() | st.dates(),
        "at": st.none() | st.times(),
        "moment": st.none() | st.datetimes(timezones=st.just(datetime.UTC)),
        "took": st.none() | st.timedeltas(),
        "raw": st.none() | st.binary(),
        "data": json_values,
    }
)


@given(things)
def test_a_projection_writes_the_bytes_of_pydantic(values: dict[str, Any]) -> None:
    shown = projection(ThingOut)
    assert shown is not None
    thing = Thing(**values)

    by_pydantic = ThingOut.model_validate(thing, context=OUTPUT).model_dump_json().encode()

    assert shown.encode_instance(thing) == by_pydantic
    row = [values[name] for name in shown.names]
    assert shown.encode_rows([row], [None] * len(row)) == b"[" + by_pydantic + b"]"


def test_a_projection_of_one_or_no_field_reads_it() -> None:
    class One(ModelSchema, model=Author, fields=["name"]): ...

    shown = projection(One)
    assert shown is not None

    assert shown.encode_instances([Author(name="a"), Author(name="b")]) == b'[{"name":"a"},{"name":"b"}]'


def test_decimals_and_uuids_of_a_request_are_exact() -> None:
    read = ThingOut.model_validate_json(
        b'{"key":"00000000-0000-0000-0000-000000000001","text":"t","number":1,"ratio":1,"price":1.1,"flag":true}'
    )

    assert read.price == decimal.Decimal("1.1")  # type: ignore[attr-defined]
    assert read.key == uuid.UUID(int=1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("inner", ["Meta", "Config"])
@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ({"model": Author, "fields": ["name"]}, "class AuthorOut(ModelSchema, model=Author, fields=['name'])"),
        ({"model": Author, "model_fields": ["name"]}, "class AuthorOut(ModelSchema, model=Author, fields=['name'])"),
        ({"model": Author, "exclude": ["name"]}, "class AuthorOut(ModelSchema, model=Author, exclude=['name'])"),
        ({"model": Author}, "class AuthorOut(ModelSchema, model=Author, fields='…')"),
    ],
    ids=["fields", "model_fields", "exclude", "model"],
)
def test_a_class_inside_that_names_the_model_is_refused(inner: str, said: dict[str, Any], advice: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        type(ModelSchema)("AuthorOut", (ModelSchema,), {"__module__": __name__, inner: type(inner, (), said)})
    assert f"AuthorOut has a class {inner}, which says nothing here: write {advice}." in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "advice"),
    [
        ("partial", "Did you mean 'optional='__all__''?"),
        ("feilds", "Did you mean 'fields'?"),
        ("colour", "There are: model, fields, exclude, optional."),
    ],
    ids=["partial", "misspelt", "unknown"],
)
def test_a_keyword_that_a_model_schema_has_not_is_named(keyword: str, advice: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        type(ModelSchema)("AuthorOut", (ModelSchema,), {}, model=Author, fields=["name"], **{keyword: True})
    assert str(caught.value) == f"class AuthorOut(ModelSchema) has no keyword {keyword!r}. {advice}"


def test_keywords_of_pydantics_configuration_and_of_bases_are_taken() -> None:
    class Coloured(ModelSchema):
        def __init_subclass__(cls, *, colour: str, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.__colour__ = colour  # type: ignore[attr-defined]

    class AuthorOut(ModelSchema, model=Author, fields=["name"], frozen=True): ...

    class Red(Coloured, colour="red"):
        size: int

    assert AuthorOut.model_config["frozen"]
    assert Red.__colour__ == "red"  # type: ignore[attr-defined]


def test_what_a_schema_knows_of_its_model_is_no_annotation_that_pydantic_reads_again() -> None:
    class Titles(ModelSchema, model=Article, fields=["title"]):
        pass

    assert not Titles.__class_vars__
    assert Titles.__covet_model__ is Article


class Defaulted(models.Model):
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    is_shown = models.BooleanField(default=1)
    begins = models.DateField(default="2026-01-31")
    takes = models.DurationField(default=datetime.timedelta(0))
    kind = models.CharField(max_length=1, choices=Kind.choices, default=Kind.LARGE)
    part = models.FloatField(default=1)
    code = models.UUIDField(default="12345678-1234-5678-1234-567812345678")

    class Meta:
        app_label = "library"


def test_a_default_of_another_type_is_left_to_the_checks_of_the_model() -> None:
    class Odd(models.Model):
        raw = models.BinaryField(default=1.5)  # type: ignore[call-overload]  # the mistake
        sized = models.BinaryField(default=5)  # type: ignore[call-overload]  # the mistake
        day = models.DateField(default="2026-02-30")

        class Meta:
            app_label = "library"

    class OddIn(ModelSchema, model=Odd, exclude=["id"]): ...

    assert OddIn().raw == 1.5
    assert OddIn().sized == 5  # and not five bytes
    assert {message.id for field in Odd._meta.fields for message in field.check()} == {"fields.E014", "fields.E170"}


def test_a_default_has_the_type_that_openapi_tells() -> None:
    class DefaultedIn(ModelSchema, model=Defaulted, exclude=["id"]): ...

    properties = DefaultedIn.model_json_schema()["properties"]

    assert {name: one["default"] for name, one in properties.items() if "default" in one} == {
        "price": "0",
        "is_shown": True,
        "begins": "2026-01-31",
        "kind": "l",
        "part": 1.0,
        "code": "12345678-1234-5678-1234-567812345678",
    }
    assert DefaultedIn().price == decimal.Decimal(0)
    assert DefaultedIn().begins == datetime.date(2026, 1, 31)


@pytest.mark.parametrize("wrong", ["", "1.2.3", "1.2.3.4/8", "01.2.3.4", "localhost"])
def test_an_address_that_is_none_is_refused(wrong: str) -> None:
    assert errors(MeasuredIn, any_address=wrong).keys() == {"any_address"}


def test_an_address_is_of_the_fields_protocol() -> None:
    assert errors(MeasuredIn, old_address="::1", new_address="127.0.0.1") == {
        "old_address": "invalid",
        "new_address": "invalid",
    }
    assert MeasuredIn(old_address="127.0.0.1", new_address="::1", any_address="127.0.0.1").old_address == "127.0.0.1"
    assert MeasuredIn(any_address="::1", new_address="").any_address == "::1"


def test_an_address_is_told_as_the_next_read_tells_it() -> None:
    row = Measured(any_address="2001:0DB8::1", old_address="127.0.0.1", new_address=None)

    told = MeasuredIn.model_validate(row, from_attributes=True, context=OUTPUT)

    assert (told.any_address, told.old_address, told.new_address) == ("2001:db8::1", "127.0.0.1", None)


@pytest.mark.parametrize("wrong", ["inf", "-Infinity", "nan", "1e400", float("inf"), float("nan")])
def test_a_number_that_is_not_finite_is_refused_and_told(wrong: Any) -> None:
    assert errors(MeasuredIn, size=wrong, weight=wrong) == {"size": "finite_number", "weight": "finite_number"}

    shown = MeasuredIn.model_validate(Measured(size=float(wrong)), from_attributes=True, context=OUTPUT)
    assert not float("-inf") < shown.size < float("inf")
    assert MeasuredIn(size="1e300").size == 1e300
