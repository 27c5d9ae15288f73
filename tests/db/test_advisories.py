"""One test for each shape of the SQL injections and traps that Django's ORM had to fix, and for what else may come from outside.

Whatever arrives as a name, an alias, an option or a key is refused with a named error or travels as a value. Read against
Django's archive of security issues up to October 2026; what concerns GIS, Oracle, forms and templates has no counterpart here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import operator
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.errors import DatabaseError, DataError, NotSupportedError
from covet.db.models import (
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    RowRange,
    StringAgg,
    Sum,
    Value,
    When,
    Window,
)
from covet.db.models.expressions import KT, KeyTransform
from covet.db.models.functions import Collate, Extract, JSONObject, Left, Lower, RowNumber, Trunc, TruncDate
from covet.db.observe import record_queries
from covet.exceptions import FieldDoesNotExist, FieldError
from tests._apps.blog.models import MODELS, Article, Author
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.row("compiler.injection")

#: What an attacker tries where a name goes.
NAMES = [
    'x" FROM testblog_author; DROP TABLE testblog_author; --',
    "x` FROM testblog_author; DROP TABLE testblog_author; -- ",
    "x'; DROP TABLE testblog_author; --",
    "x\ty",
    "x\ny",
    "x\x00y",
    "x\x0by",
    "x\x1fy",
    "x\u00a0y",
    "x.y",
    "testblog_author.name",
    "x y",
    "x;y",
    "x--y",
    "x#y",
    "x/*y*/",
    "x%y",
    "x%sy",
    "x%(a)sy",
    "x$1y",
    "x?y",
    "x)y",
    "x[y]",
    "x,y",
    "x=y",
    "",
    "1x",
    "x\\",
    "__x",
    "x__",
]


class Note(models.Model):
    data = models.JSONField(default=dict)
    at = models.DateTimeField(null=True)

    class Meta:
        app_label = "testadvisories"


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, [*MODELS, Note])
    ann = await Author.objects.create(name="Ann", age=30)
    await Article.objects.create(title="T", author=ann, views=1)
    await Note.objects.create(data={"a": 1})
    yield database
    assert await Author.objects.count() == 1 and await Article.objects.count() == 1 and await Note.objects.count() == 1


async def refused(build: Callable[[], Any], *errors: type[Exception]) -> None:
    """Building or awaiting it must raise one of the named errors, before any statement is sent."""
    with record_queries() as log, pytest.raises(errors or (FieldError, ValueError, TypeError)):
        made = build()
        if isinstance(made, Awaitable):
            await made
    assert len(log) == 0, log[0].sql


async def test_aliases_of_annotations_and_aggregates(site: Database) -> None:
    """CVE-2022-28346, CVE-2025-59681, CVE-2026-1287: aliases by dictionary expansion, control characters too."""
    for name in NAMES:
        await _aliases_of_annotations_and_aggregates(name)


async def _aliases_of_annotations_and_aggregates(name: str) -> None:
    await refused(lambda: Author.objects.annotate(**{name: Value(1)}))
    await refused(lambda: Author.objects.alias(**{name: Value(1)}))
    await refused(lambda: Author.objects.aggregate(**{name: Count("pk")}))
    await refused(lambda: Author.objects.extra(select={name: "1"}))
    await refused(lambda: Author.objects.values(**{name: Value(1)}))


async def test_aliases_of_filtered_relations(site: Database) -> None:
    """CVE-2025-57833, CVE-2025-13372, CVE-2026-1312: the alias of a FilteredRelation, alone and in order_by."""
    for name in NAMES:
        await _aliases_of_filtered_relations(name)


async def _aliases_of_filtered_relations(name: str) -> None:
    relation = FilteredRelation("articles", condition=Q(articles__views=1))
    await refused(lambda: Author.objects.annotate(**{name: relation}))
    await refused(lambda: Author.objects.alias(**{name: relation}).order_by(name))
    await refused(lambda: Author.objects.annotate(x=FilteredRelation(name)).filter(x__isnull=False))


async def test_names_in_order_by_and_where_else_names_go(site: Database) -> None:
    """CVE-2021-35042: order_by() of what a user sends; and every other method that takes names."""
    for name in NAMES:
        await _names_in_order_by_and_where_else_names_go(name)


async def _names_in_order_by_and_where_else_names_go(name: str) -> None:
    for sign in ("", "-", "+"):
        await refused(lambda sign=sign: Author.objects.order_by(f"{sign}{name}"))  # type: ignore[misc]
    await refused(lambda: Author.objects.filter(**{name: 1}))
    await refused(lambda: Author.objects.exclude(**{f"articles__{name}": 1}))
    await refused(lambda: Author.objects.get(**{f"name__{name}": 1}))
    await refused(lambda: Author.objects.values(name))
    await refused(lambda: Author.objects.values_list(name, named=True))
    if "__" not in name:  # paths of relations are looked at once all models are loaded
        await refused(lambda: Author.objects.only(name))
        await refused(lambda: Author.objects.defer(name))
    await refused(lambda: Author.objects.select_related(name))
    await refused(lambda: Author.objects.filter(name=F(name)))
    await refused(lambda: Author.objects.annotate(x=Lower(name)))
    await refused(lambda: Author.objects.annotate(x=Sum(name)))
    await refused(lambda: Author.objects.latest(name))
    await refused(lambda: Author.objects.update(**{name: 1}))
    await refused(lambda: Author.objects.in_bulk(["x"], field_name=name), Exception)
    await refused(lambda: Author.objects.dates(name, "year"))
    await refused(lambda: Author.objects.select_for_update(of=(name,)), FieldError, ValueError, Exception)
    await refused(lambda: Author.objects.get_or_create(**{name: 1}))
    if "." not in name:
        await refused(lambda: Author.objects.extra(order_by=[name]))
    await refused(lambda: Author.objects.annotate(n=Window(RowNumber(), order_by=name)))


async def test_names_given_to_combined_querysets_and_to_writes(site: Database) -> None:
    """CVE-2021-35042 again: a result of union() has its own way to its order; and names that choose what is written."""
    ann = await Author.objects.get()
    for name in NAMES:
        await _names_given_to_combined_querysets_and_to_writes(name, ann)


async def _names_given_to_combined_querysets_and_to_writes(name: str, ann: Author) -> None:
    both = Author.objects.filter(age=1).union(Author.objects.filter(age=2))
    for sign in ("", "-", "+"):
        await refused(lambda sign=sign: both.order_by(f"{sign}{name}"), FieldError, ValueError, NotSupportedError)  # type: ignore[misc]
        await refused(lambda sign=sign: both.order_by(f"{sign}{name}").values("name"), FieldError, ValueError)  # type: ignore[misc]
    await refused(lambda: both.order_by(F(name).desc(nulls_last=True)))
    await refused(lambda: both.order_by(Lower(name)))
    relation = FilteredRelation("articles")
    await refused(lambda: Author.objects.annotate(x=relation, y=FilteredRelation(f"x__{name}")))
    await refused(lambda: Author.objects.alias(x=relation).values(f"x__{name}"))
    await refused(lambda: Author.objects.alias(x=relation).order_by(f"-x__{name}"))
    await refused(lambda: ann.save(update_fields=[name]), ValueError, FieldError, FieldDoesNotExist)
    await refused(lambda: ann.refresh_from_db(fields=[name]), ValueError, FieldError, FieldDoesNotExist)
    await refused(lambda: Author.objects.bulk_update([ann], [name]), ValueError, FieldError, FieldDoesNotExist)
    for fields in ({"unique_fields": [name]}, {"update_fields": [name]}):
        options = {"update_conflicts": True, "unique_fields": ["name"], "update_fields": ["age"], **fields}
        await refused(
            lambda options=options: Author.objects.bulk_create([Author(name="x")], **options),
            ValueError,
            FieldError,
            FieldDoesNotExist,
        )  # type: ignore[misc]


async def test_names_given_to_what_reads_beside_the_rows(site: Database) -> None:
    """The shape of CVE-2021-35042 for every further method that takes names."""
    for name in NAMES:
        await _names_given_to_what_reads_beside_the_rows(name)


async def _names_given_to_what_reads_beside_the_rows(name: str) -> None:
    for lookup in (name, f"articles__{name}", Prefetch(f"articles__{name}")):  # looked at beside the rows that are read
        with pytest.raises((FieldError, ValueError, AttributeError)):
            await Author.objects.prefetch_related(lookup)
    await refused(lambda: Author.objects.earliest(f"-{name}"))
    await refused(lambda: Author.objects.datetimes(name, "year"))
    await refused(lambda: Author.objects.order_by("name").distinct(name), FieldError, NotSupportedError)
    await refused(lambda: Author.objects.using(f"nowhere{name}").count(), Exception)
    for order in (name, f"-{name}", F(name).desc()):
        await refused(lambda order=order: Author.objects.aggregate(x=StringAgg("name", ",", order_by=order)))  # type: ignore[misc]
    await refused(lambda: Author.objects.aggregate(x=Count("pk", filter=Q(**{name: 1}))))
    await refused(lambda: Author.objects.filter(Exists(Article.objects.filter(author=OuterRef(name)))))
    await refused(lambda: Author.objects.annotate(x=Window(RowNumber(), partition_by=name)))
    await refused(lambda: Author.objects.annotate(x=Case(When(then=Value(1), **{name: 1}))))
    await refused(lambda: Author.objects.annotate(x=KT(f"name__{name}")))


async def test_keys_of_documents_that_are_made(site: Database) -> None:
    """CVE-2024-42005's shape on the way out: the keys of JSONObject(**kwargs) are values."""
    keys = [name for name in NAMES if "\x00" not in name]
    made = await Author.objects.annotate(x=JSONObject(**dict.fromkeys(keys, "age"))).values_list("x", flat=True)
    assert made == [dict.fromkeys(keys, 30)]
    again = Author.objects.annotate(x=JSONObject(**{key: JSONObject(**{key: "age"}) for key in keys}))
    assert await again.values_list("x", flat=True) == [{key: {key: 30} for key in keys}]


async def test_prefixes_of_order_by_are_not_stripped_more_than_once(site: Database) -> None:
    """CVE-2020-… shapes: several signs, and the question mark with something after it."""
    for item in ("--name", "?name", "-?", "name desc", "name;", "1", "RANDOM()"):
        await refused(lambda item=item: Author.objects.order_by(item))  # type: ignore[misc]


async def test_options_of_q_do_not_come_by_dictionary_expansion(site: Database) -> None:
    """CVE-2025-64459: ``_connector`` and ``_negated`` among the look-ups that a user sends."""
    for name, value in (("_connector", "OR 1=1 OR"), ("_connector", "OR"), ("_negated", True), ("_negated", "1")):
        sent = {name: value, "name": "nobody"}
        await refused(lambda sent=sent: Author.objects.filter(**sent))  # type: ignore[misc]
        await refused(lambda sent=sent: Author.objects.filter(Q(age=1), **sent))  # type: ignore[misc]
        await refused(lambda sent=sent: Author.objects.exclude(**sent))  # type: ignore[misc]
        await refused(lambda sent=sent: Author.objects.get(**sent))  # type: ignore[misc]
        await refused(lambda sent=sent: Author.objects.complex_filter(sent))  # type: ignore[misc]
        await refused(lambda sent=sent: Author.objects.annotate(x=Case(When(then=Value(1), **sent))))  # type: ignore[misc]
    with pytest.raises(ValueError, match="_connector"):
        Q(name="x", _connector="OR 1=1 OR")


async def test_keys_of_documents(site: Database) -> None:
    """CVE-2019-14234, CVE-2024-42005, CVE-2024-53908: keys in look-ups, values() and has_key are values or quoted."""
    for key in [name for name in NAMES if name and "\x00" not in name]:
        await _keys_of_documents(key)


async def _keys_of_documents(key: str) -> None:
    for name in (f"data__{key}", f"data__a__{key}__b", f"data__{key}__icontains", f"data__{key}__has_key"):
        assert await Note.objects.filter(**{name: "x"}) == []
    assert await Note.objects.filter(data__has_key=key) == []
    assert await Note.objects.filter(data__has_any_keys=[key]) == []
    assert await Note.objects.filter(data__has_keys=[key, "a"]) == []
    assert await Note.objects.values_list(f"data__{key}", flat=True) == [None]
    assert await Note.objects.values(f"data__{key}") == [{f"data__{key}": None}]
    assert await Note.objects.annotate(x=KT(f"data__{key}")).values_list("x", flat=True) == [None]
    assert await Note.objects.annotate(x=KeyTransform(key, "data")).values_list("x", flat=True) == [None]
    assert len(await Note.objects.order_by(f"data__{key}")) == 1
    assert await Note.objects.filter(data={key: 1}) == []


async def test_a_key_with_a_nul_is_refused(site: Database) -> None:
    await refused(lambda: Note.objects.filter(**{"data__a\x00b": 1}))
    await refused(lambda: Note.objects.values("data__a\x00b"))


@pytest.mark.parametrize("kind", ["year' FROM at)); DROP TABLE x; --", "", "YEAR", "microsecond", "year, now()", "dow"])
async def test_kinds_of_trunc_and_extract(site: Database, kind: str) -> None:
    """CVE-2022-34265: Trunc(kind) and Extract(lookup_name)."""
    await refused(lambda: Note.objects.annotate(x=Trunc("at", kind)))
    await refused(lambda: Note.objects.annotate(x=Extract("at", kind)))
    await refused(lambda: Note.objects.datetimes("at", kind))
    await refused(lambda: Note.objects.dates("at", kind))


async def test_time_zones_are_values(site: Database) -> None:
    class Zone(dt.tzinfo):
        key = "UTC'); DROP TABLE testblog_author; --"

        def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
            return dt.timedelta(0)

    with contextlib.suppress(DataError, Exception):
        await Note.objects.annotate(x=TruncDate("at", tzinfo=Zone())).values_list("x")


@pytest.mark.parametrize(
    "options",
    [
        {"analyze true, format json) select 1; --": True},
        {"ANALYZE); DROP TABLE testblog_author; --": True},
        {"analyze\n": True},
        {"--": True},
        {"format": "json; DROP TABLE x"},
        {"format": "JSON) SELECT 1 --"},
    ],
    ids=repr,
)
async def test_options_of_explain(site: Database, options: dict[str, Any]) -> None:
    """CVE-2022-28347: explain(**options), and its format."""
    await refused(lambda: Author.objects.explain(**options), ValueError)


async def test_the_delimiter_of_string_agg(site: Database) -> None:
    """CVE-2020-7471: StringAgg(delimiter)."""
    for delimiter in ["'", "\\", "\\'", "') FROM testblog_author; --", "%s", "%", "--", "$1", "?", "`"]:
        await _the_delimiter_of_string_agg(delimiter)


async def _the_delimiter_of_string_agg(delimiter: str) -> None:
    await Author.objects.filter(name="Ann").update(name="Ann")
    other = await Author.objects.create(name="Bob")
    found = await Author.objects.aggregate(x=StringAgg("name", delimiter))
    assert found["x"] in (f"Ann{delimiter}Bob", f"Bob{delimiter}Ann")
    await other.delete()


async def test_values_stay_values_wherever_they_stand(site: Database) -> None:
    """CVE-2020-9402 and the like: numbers, tolerances and texts that are formatted into SQL."""
    hostile = "x' OR '1'='1"
    assert await Author.objects.filter(name=hostile) == []
    assert await Author.objects.annotate(x=Value(hostile)).values_list("x", flat=True) == [hostile]
    assert await Author.objects.filter(name__in=[hostile, '"', "\\"]) == []
    assert await Author.objects.filter(name__icontains="%' OR 1=1 --") == []
    await refused(lambda: RowRange(start="1; DROP TABLE x", end=0), ValueError)  # type: ignore[arg-type]
    await refused(lambda: Author.objects.annotate(x=Collate("name", 'x" ; DROP TABLE y; --')), ValueError)
    with pytest.raises((FieldError, ValueError, TypeError, DataError)):
        await Author.objects.annotate(x=Left("name", "name); DROP TABLE x"))


async def test_long_lists_are_bound(site: Database) -> None:
    """Many values: one statement, chunks, or a named error; never text."""
    ids = list(range(10**9, 10**9 + 70_000))
    assert await Author.objects.filter(pk__in=ids) == []
    assert await Author.objects.in_bulk(ids) == {}
    assert await Author.objects.filter(name__in=[str(number) for number in ids]).count() == 0


@pytest.mark.parametrize("name", ["__".join(["author"] * 10_000), "author" + "__x" * 10_000, "x" * 1_000_000], ids=len)
async def test_names_of_thousands_of_steps(site: Database, name: str) -> None:
    """Depth bombs: a name that would join or walk thousands of times ends with a short error, at once."""
    for build in (
        lambda: Article.objects.filter(**{name: 1}),
        lambda: Article.objects.order_by(name),
        lambda: Article.objects.values(name),
        lambda: Article.objects.annotate(x=F(name)),
        lambda: Article.objects.select_related(name),
        lambda: Article.objects.annotate(x=FilteredRelation(name)),
    ):
        with pytest.raises((FieldError, ValueError)) as caught:
            await build()
        assert len(str(caught.value)) < 1000


async def test_a_path_of_thousands_of_keys_is_refused(site: Database) -> None:
    await refused(lambda: Note.objects.filter(**{"data" + "__x" * 10_000: 1}), FieldError)


def _nested(wrap: Callable[[Any], Any]) -> Any:
    tree = wrap(Q(name="x"))
    for _ in range(100_000):
        tree = wrap(tree)
    return tree


@pytest.mark.parametrize(
    "wrap",
    [Q, lambda tree: ~Q(tree, age=1), lambda tree: Q(tree, Q(age=1) | Q(age=2), _connector="OR")],
    ids=["nested", "negated", "alternating"],
)
@pytest.mark.vendors("sqlite")  # no statement is sent: it is the same on all three
async def test_trees_of_a_hundred_thousand_levels(site: Database, wrap: Any) -> None:
    """Deep Q trees: a named error, no RecursionError and no crash of the interpreter or the database."""
    tree = _nested(wrap)
    for build in (
        lambda: Author.objects.filter(tree),
        lambda: Author.objects.exclude(tree),
        lambda: Author.objects.annotate(n=Count("pk", filter=tree)),
        lambda: Author.objects.aggregate(n=Count("pk", filter=tree)),
        lambda: Author.objects.annotate(x=Case(When(tree, then=Value(1)))),
        lambda: Author.objects.annotate(x=FilteredRelation("articles", condition=tree)),
        lambda: Author.objects.filter(Exists(Author.objects.filter(pk=OuterRef("pk")).filter(tree))),
    ):
        await refused(build, FieldError)


@pytest.mark.vendors("sqlite")  # as above
async def test_expressions_of_a_hundred_thousand_levels(site: Database) -> None:
    total: Any = F("age")
    for _ in range(100_000):
        total = total + 1
    for build in (
        lambda: Author.objects.annotate(x=total),
        lambda: Author.objects.filter(age=total),
        lambda: Author.objects.order_by(total),
        lambda: Author.objects.values(x=total),
        lambda: Author.objects.values_list(total),
        lambda: Author.objects.update(age=total),
        lambda: Author.objects.aggregate(x=Sum(total)),
    ):
        await refused(build, FieldError)


async def test_wide_trees_are_no_deep_ones(site: Database) -> None:
    many = functools.reduce(operator.or_, [Q(name=str(number)) for number in range(900)])
    assert await Author.objects.filter(many | Q(name="Ann")).count() == 1
    every = functools.reduce(operator.and_, [~Q(name=str(number)) for number in range(900)])
    assert await Author.objects.filter(every).count() == 1


async def test_attributes_of_instances_cannot_be_hidden(site: Database) -> None:
    for name in ("_state", "_row_state", "_meta"):
        await refused(lambda name=name: Author.objects.annotate(**{name: Value(1)}), ValueError)  # type: ignore[misc]
    with pytest.raises(ValueError, match="conflicts"):
        await Author.objects.prefetch_related(Prefetch("articles", to_attr="name"))


@pytest.mark.parametrize("value", [0, 0.0, False], ids=["int", "float", "bool"])
async def test_a_number_is_not_the_number_that_a_text_begins_with(site: Database, value: Any) -> None:
    """CVE-2014-0474: MySQL compares a text with a number as numbers, so that 0 is every token that begins with a letter."""
    try:
        assert await Author.objects.filter(name=value) == []
        assert await Author.objects.filter(name__in=[value, "x"]) == []
        assert await Author.objects.exclude(name=value).count() == 1
    except (ValueError, TypeError, DatabaseError):
        return  # said so


class Anything:
    """A value of no field; named alike in every process, as the workers of a run must name their tests."""

    def __repr__(self) -> str:
        return "<anything>"


WRONG: list[tuple[str, Any]] = [
    ("age", "abc"),
    ("age", 10**30),
    ("age__in", ["abc"]),
    ("age__gt", "1 OR 1=1"),
    ("age", Anything()),
    ("age", [1, 2]),
    ("age", {"a": 1}),
    ("pk", "1 OR 1=1"),
    ("name__gt", None),
    ("age__range", 5),
    ("age__isnull", "yes"),
    ("age__in", 5),
    ("articles__day", "not a day"),
    ("articles__published_at", "2026-13-45"),
    ("articles__rating", "NaN; DROP"),
    ("name", "half\ud800"),
]


@pytest.mark.parametrize(
    ("name", "value"), WRONG, ids=lambda value: "object" if value.__class__ is object else repr(value)
)
async def test_wrong_values_are_named_or_match_nothing(site: Database, name: str, value: Any) -> None:
    """Values of a wrong type never reach the SQL text, and what cannot be compared says so or finds nothing."""
    try:
        found = await Author.objects.filter(**{name: value})
    except (FieldError, ValueError, TypeError, DataError, NotSupportedError):
        return
    assert found == []


async def test_values_that_no_database_takes_are_errors_that_say_so(site: Database) -> None:
    edge = dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    for condition, error, words in (
        ({"name__contains": "\x00"}, ValueError, "NUL character"),
        ({"name__istartswith": "A\x00"}, ValueError, "NUL character"),
        ({"name": "\ud800"}, DataError, "surrogate"),
        ({"name__regex": "("}, (ValueError, DatabaseError), "parenthes|subpattern"),
        ({"articles__published_at__lt": edge}, (ValueError, DataError), "beyond the years|out of range"),
        ({"articles__day__isnull": "x"}, ValueError, "'isnull' takes True or False"),
    ):
        with pytest.raises(error, match=words):
            await Author.objects.filter(**condition)
    assert await Author.objects.filter(name__regex="^.+$").count() == 1
