"""JSON documents: paths, look-ups, null words, containment, keys of any kind; the same on all databases."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.errors import NotSupportedError
from covet.db.models import Case, Count, F, JSONNull, Q, Subquery, Value, When
from covet.db.models.expressions import KT, KeyTextTransform, KeyTransform
from covet.db.models.lookups import Exact, In, Range
from covet.exceptions import FieldError
from tests.db.models.conftest import create_tables


class _DayEncoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        return f"day {o:%j}" if isinstance(o, dt.date) else super().default(o)


class Paper(models.Model):
    name = models.CharField(max_length=20)
    data = models.JSONField(null=True)
    encoded = models.JSONField(null=True, encoder=_DayEncoder)

    class Meta:
        app_label = "testpapers"


HOSTILE = [
    "a'b",
    'a"b',
    "a\\b",
    "a`b",
    "%s",
    "%",
    "$1",
    "$.x",
    "a') OR 1=1 --",
    '"; DROP TABLE testpapers_paper; --',
    "a]b[0",
    "{0}",
    "{}",
    "?",
    "é ü",
    "a.b",
    "*",
    "\n",
    "12345678901234567890",
]
ROWS: list[tuple[str, Any]] = [
    ("plain", {"a": "b", "n": 14, "f": 1.5, "yes": True, "no": False, "null": None, "list": [1, [2, 3], {"k": "v"}]}),
    ("deep", {"a": {"b": {"c": "Deep End"}}, "n": 2, "date": "x"}),
    ("list", [10, 20, {"a": 1}]),
    ("text", "just text"),
    ("ten", {"n": 10, "a": "B"}),
    ("empty", {}),
]


@pytest.fixture
async def papers(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, [Paper])
    for name, data in ROWS:
        await Paper.objects.create(name=name, data=data)
    await Paper.objects.create(name="sql null", data=None)
    await Paper.objects.create(name="json null", data=JSONNull())
    yield database


async def _names(*args: Any, **lookups: Any) -> set[str]:
    return set(await Paper.objects.filter(*args, **lookups).values_list("name", flat=True))


@pytest.mark.row("lookups.json_path")
async def test_a_path_leads_to_a_value_by_keys_and_places(papers: Database) -> None:
    assert await _names(data__a="b") == {"plain"}
    assert await _names(data__a__b__c="Deep End") == {"deep"}
    assert await _names(data__a__b={"c": "Deep End"}) == {"deep"}
    assert await _names(data__n=14) == {"plain"} == await _names(data__n=14.0)
    assert await _names(data__f=1.5) == {"plain"}
    assert await _names(data__yes=True) == {"plain"} == await _names(data__no=False)
    assert await _names(data__yes=1) == set() == await _names(data__n="14")
    assert await _names(data__0=10) == {"list"}
    assert await _names(data__list__1__0=2, data__list__2__k="v") == {"plain"}
    assert await _names(data__2__a=1) == {"list"}
    assert await _names(data__date="x") == {"deep"}
    assert await _names(data__contains__x=1) == set()
    assert await _names(data__a__in=["b", "B", 7]) == {"plain", "ten"}
    assert await _names(data__n__in=[2, 10.0]) == {"deep", "ten"}
    assert await _names(data__a=F("data__a")) == {"plain", "deep", "ten"}
    assert await _names(data__n__in=[F("data__n")]) == {"plain", "deep", "ten"}


@pytest.mark.row("lookups.json_path")
async def test_a_place_may_be_counted_from_the_end(papers: Database) -> None:
    if papers.vendor != "mysql":
        assert await _names(**{"data__-1": {"a": 1}}) == {"list"}
        return
    with pytest.raises(NotSupportedError, match="from its end"):
        await _names(**{"data__-1": {"a": 1}})


@pytest.mark.row("lookups.json_path")
async def test_a_whole_document_is_compared_by_value(papers: Database) -> None:
    assert await _names(data={}) == {"empty"}
    assert await _names(data={"a": "B", "n": 10.0}) == {"ten"} == await _names(data={"n": 10, "a": "B"})
    assert await _names(data=[10, 20, {"a": 1}]) == {"list"}
    assert await _names(data="just text") == {"text"}
    assert await _names(data__in=[{}, "just text"]) == {"empty", "text"}
    assert await _names(data__icontains="JUST") == {"text"}


@pytest.mark.row("lookups.json_null")
async def test_the_word_null_and_a_missing_key_differ(papers: Database) -> None:
    every = {name for name, _ in ROWS} | {"sql null", "json null"}
    assert await _names(data__null=None) == {"plain"} == await _names(data__null__iexact=None)
    assert await _names(data__null__isnull=False) == {"plain"}
    assert await _names(data__null__isnull=True) == every - {"plain"}
    assert await _names(data__n__isnull=False) == {"plain", "deep", "ten"}
    assert await _names(data=None) == {"sql null"} == await _names(data__isnull=True)
    assert await _names(data=JSONNull()) == {"json null"} == await _names(data=Value(None, models.JSONField()))
    await Paper.objects.create(name="as Django stores it", data=Value(None, models.JSONField()))
    assert await _names(data=JSONNull()) == {"json null", "as Django stores it"}
    await Paper.objects.filter(name="as Django stores it").delete()
    assert (await Paper.objects.get(name="json null")).data is None
    kept = set(await Paper.objects.exclude(data__a="b").values_list("name", flat=True))
    assert kept >= {"deep", "ten", "sql null"} and "plain" not in kept and "empty" not in kept
    with pytest.raises(ValueError, match="None cannot"):
        await _names(data__a__gt=None)


@pytest.mark.row("lookups.json_contains", on=("postgresql", "mysql"))
@pytest.mark.vendors("postgresql", "mysql")
async def test_containment_looks_at_parts(papers: Database) -> None:
    assert await _names(data__contains={"n": 14}) == {"plain"}
    assert await _names(data__contains={"a": {"b": {}}}) == {"deep"}
    assert await _names(data__contains=[10, 20]) == {"list"}
    assert await _names(data__list__contains=[1]) == {"plain"}
    assert await _names(data__contained_by={"a": "B", "n": 10, "z": 0}) == {"ten", "empty"}
    assert await _names(data__a__contained_by={"b": {"c": "Deep End"}, "z": 1}) == {"deep"}


@pytest.mark.vendors("sqlite")
async def test_containment_is_refused_where_there_is_none(papers: Database) -> None:
    for lookup in ("contains", "contained_by"):
        with pytest.raises(NotSupportedError, match=lookup):
            await _names(**{f"data__{lookup}": {"n": 1}})


@pytest.mark.row("lookups.json_keys")
async def test_keys_are_looked_for(papers: Database) -> None:
    assert await _names(data__has_key="n") == {"plain", "deep", "ten"}
    assert await _names(data__has_key="null") == {"plain"}
    assert await _names(data__a__has_key="b") == {"deep"}
    assert await _names(data__has_keys=["n", "a"]) == {"plain", "deep", "ten"}
    assert await _names(data__has_keys=["n", "date"]) == {"deep"}
    assert await _names(data__has_any_keys=["date", "null"]) == {"plain", "deep"}
    assert await _names(data__has_any_keys=("none",)) == set()
    assert await _names(data__has_key=F("name")) == set()
    assert "plain" not in await _names(~Q(data__has_key="null"))
    with pytest.raises(ValueError, match="list of keys"):
        await _names(data__has_keys="n")
    with pytest.raises(ValueError, match="not an expression"):
        await _names(data__has_any_keys=F("name"))


@pytest.mark.row("lookups.json_keys")
@pytest.mark.row("compiler.injection")
async def test_no_key_is_ever_sql(papers: Database) -> None:
    document = {key: {"in": number} for number, key in enumerate(HOSTILE)}
    await Paper.objects.create(name="hostile", data=document)
    for number, key in enumerate(HOSTILE):
        assert await _names(**{f"data__{key}__in__exact": number}) == {"hostile"}, key
        assert await _names(**{f"data__{key}__in__gte": number}) == {"hostile"}, key
        assert await _names(data__has_key=key) == {"hostile"}, key
        assert await _names(data__has_any_keys=[key, "zz"]) == {"hostile"}, key
        assert await _names(data__has_keys=[key]) == {"hostile"}, key
        found = Paper.objects.filter(name="hostile")
        assert await found.values_list(f"data__{key}", flat=True) == [{"in": number}], key
        assert await found.values(f"data__{key}__in") == [{f"data__{key}__in": number}], key
        assert await found.order_by(f"data__{key}").values_list("name", flat=True) == ["hostile"]
        assert await found.annotate(one=KT(f"data__{key}__in")).values_list("one", flat=True) == [str(number)]
        assert await found.annotate(two=KeyTransform(key, "data")).values_list("two", flat=True) == [{"in": number}]
    with pytest.raises(FieldError, match="NUL"):
        await _names(**{"data__a\x00b": 1})
    assert await Paper.objects.count() == len(ROWS) + 3


@pytest.mark.row("lookups.json_text")
async def test_texts_and_numbers_inside_documents(papers: Database) -> None:
    assert await _names(data__a__iexact="B") == {"plain", "ten"}
    assert await _names(data__a__startswith="b") >= {"plain"}
    assert await _names(data__a__istartswith="B") == {"plain", "ten"}
    assert await _names(data__a__b__c__icontains="deep e") == {"deep"}
    assert await _names(data__a__b__c__endswith="End") == {"deep"}
    assert await _names(data__a__b__c__regex="^Deep") == {"deep"}
    assert await _names(data__a__b__c__iregex="^deep") == {"deep"}
    assert await _names(data__a__b__c__contains="deep") == set() if papers.vendor != "sqlite" else True
    assert await _names(data__n__gt=9) == {"plain", "ten"}
    assert await _names(data__n__gte=2, data__n__lt=14) == {"deep", "ten"}
    assert await _names(data__n__range=(2, 10)) == {"deep", "ten"}
    assert await _names(data__f__lte=1.5) == {"plain"}
    assert await _names(data__a__gt="b") == set() or papers.vendor == "postgresql"
    assert await _names(data__a__gt=1) == set()
    assert await _names(data__n__gt="1") == set()
    assert await _names(data__null__icontains="nul") == set()


@pytest.mark.row("lookups.kt")
async def test_paths_are_selected_ordered_and_grouped(papers: Database) -> None:
    numbered = Paper.objects.filter(data__n__isnull=False)
    names = await numbered.order_by("data__n").values_list("name", flat=True)
    assert names == ["deep", "ten", "plain"] or papers.vendor == "mysql"  # which orders by text
    assert (
        await numbered.order_by("-data__n").values_list("data__n", flat=True) == [14, 10, 2] or papers.vendor == "mysql"
    )
    assert await numbered.order_by("pk").values_list("data__a", "data__list__1") == [
        ("b", [2, 3]),
        ({"b": {"c": "Deep End"}}, None),
        ("B", None),
    ]
    texts = numbered.annotate(text=KT("data__a")).order_by("pk")
    assert (await texts.values_list("text", flat=True))[::2] == ["b", "B"]
    assert await texts.filter(text__iexact="b").count() == 2
    groups = Paper.objects.annotate(kind=KT("data__n")).values("kind").annotate(n=Count("pk")).order_by("kind")
    assert {row["kind"]: row["n"] for row in await groups} == {"2": 1, "10": 1, "14": 1, None: 5}
    assert await numbered.annotate(x=KeyTextTransform("0", KeyTransform("list", "data"))).exclude(x=None).values_list(
        "x", flat=True
    ) == ["1"]
    assert await numbered.annotate(inner=F("data__list")).filter(inner__0=1).count() == 1
    with pytest.raises(ValueError, match="path"):
        KT("data")
    with pytest.raises(FieldError, match="no field"):
        await Paper.objects.annotate(x=KT("name__iexact"))


@pytest.mark.row("lookups.json_path")
async def test_the_fields_own_encoder_writes_what_is_looked_for(papers: Database) -> None:
    day = dt.date(2026, 1, 5)
    await Paper.objects.create(name="encoded", encoded={"on": day})
    assert (await Paper.objects.get(name="encoded")).encoded == {"on": "day 005"}
    assert await _names(encoded__on=day) == {"encoded"}
    assert await _names(encoded={"on": day}) == {"encoded"}
    assert await _names(encoded__on__in=[day]) == {"encoded"}


class Measure(models.Model):
    name = models.CharField(max_length=20)
    whole = models.IntegerField(null=True)
    money = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    real = models.FloatField(null=True)
    is_open = models.BooleanField(null=True)
    day = models.DateField(null=True)
    token = models.UUIDField(null=True)
    moment = models.DateTimeField(null=True)
    data = models.JSONField(null=True)

    class Meta:
        app_label = "testpapers"


@pytest.fixture
async def measures(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, [Measure])
    token = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
    own = {
        "whole": 3,
        "money": Decimal("2.50"),
        "real": 0.5,
        "is_open": True,
        "day": dt.date(2024, 2, 29),
        "token": token,
    }
    spelled = {"n": 3, "m": 2.5, "r": 0.5, "o": True, "d": "2024-02-29", "t": str(token), "name": "same"}
    await Measure.objects.create(name="same", data=spelled, **own)
    await Measure.objects.create(name="less", data={"n": 2, "m": 2.25, "r": 0.25, "o": 1, "name": "LESS"}, **own)
    await Measure.objects.create(name="more", data={"n": 30, "m": 10, "r": 5, "name": 'mo"re'}, **own)
    await Measure.objects.create(name="text", data={"n": "3", "m": "2.50", "o": "true", "name": 3}, **own)
    await Measure.objects.create(name="bare", data={"n": 3, "name": "bare"})
    await Measure.objects.create(name="none")
    yield database


async def _measured(*args: Any, **lookups: Any) -> set[str]:
    return set(await Measure.objects.filter(*args, **lookups).values_list("name", flat=True))


@pytest.mark.row("lookups.json_path")
async def test_a_value_inside_is_compared_with_a_column_by_value(measures: Database) -> None:
    assert await _measured(data__n=F("whole")) == {"same"} == await _measured(data__n__in=[F("whole"), 99])
    assert await _measured(data__n__gt=F("whole")) == {"more"} == await _measured(data__n__gte=F("whole") * 10)
    assert await _measured(data__n__lt=F("whole")) == {"less"} == await _measured(data__n__lte=F("whole") - 1)
    assert await _measured(data__n__range=(F("whole"), 40)) == {"same", "more"}
    assert await _measured(data__m=F("money")) == {"same"} == await _measured(data__m__lte=F("money"), data__o=True)
    assert (
        await _measured(data__r=F("real"))
        == {"same"}
        == await _measured(data__r__lt=F("real") * 2, data__d__isnull=False)
    )
    assert await _measured(data__o=F("is_open")) == {"same"} == await _measured(data__d=F("day"))
    assert await _measured(data__t=F("token")) == {"same"}
    assert await _measured(data__name=F("name")) == {"same", "bare"}
    assert await _measured(~Q(data__n=F("whole"))) == {"less", "more", "text", "bare", "none"}
    assert await _measured(data__n=Value(30)) == {"more"} == await _measured(Exact(F("data__n"), Value(30)))
    assert await _measured(Exact(F("data__n"), F("whole"))) == {"same"}


@pytest.mark.row("lookups.json_path")
async def test_a_column_is_compared_with_a_value_inside_by_value(measures: Database) -> None:
    assert await _measured(whole=F("data__n")) == {"same"} == await _measured(whole__in=[4, F("data__n")])
    assert (
        await _measured(whole__lt=F("data__n"))
        == {"more"}
        == await _measured(whole__range=(1, F("data__n")), is_open=True) - {"same"}
    )
    assert await _measured(name=F("data__name")) == {"same", "bare"}
    assert await _measured(token=F("data__t")) == {"same"}


@pytest.mark.row("lookups.json_path")
async def test_a_value_inside_is_one_of_a_column_of_a_queryset(measures: Database) -> None:
    every = Measure.objects.filter(name="same")

    assert await _measured(data__n__in=every.values("whole")) == {"same", "bare"}
    assert await _measured(data__n__in=Subquery(every.values("whole"))) == {"same", "bare"}
    assert await _measured(data__name__in=every.values("name")) == {"same"}
    assert await _measured(data__n__in=every.values("data__n")) == {"same", "bare"}
    assert await _measured(data__m__in=every.annotate(more=F("money") * 4).values("more")) == {"more"}
    assert await _measured(data__n=every.values("whole")[:1]) == {"same", "bare"}
    assert await _measured(data__n__in=every.values("whole").union(every.values("pk"))) == {"same", "bare"}


@pytest.mark.row("lookups.json_path")
async def test_look_ups_as_expressions_compare_documents_too(measures: Database) -> None:
    """As the names in ``filter()`` do: columns in a list or a range count as the documents that hold them."""
    inside, name = F("data__n"), KeyTransform("name", "data")
    assert await _measured(In(inside, [F("whole"), 99])) == {"same"} == await _measured(In(F("whole"), [4, inside]))
    assert await _measured(In(KeyTransform("n", "data"), [99, F("whole") * 10])) == {"more"}
    assert await _measured(In(name, [F("name")])) == {"same", "bare"} == await _measured(In(F("name"), [name]))
    assert await _measured(In(name, F("name"))) == {"same", "bare"}
    assert await _measured(In(KeyTransform("o", "data"), [F("is_open")])) == {"same"}
    assert await _measured(Range(inside, (F("whole"), 40))) == {"same", "more"}
    assert await _measured(Range(F("whole"), (1, inside))) == await _measured(whole__range=(1, inside))
    every = Measure.objects.filter(name="same")
    assert await _measured(In(inside, every.values("whole"))) == {"same", "bare"}
    assert await _measured(In(inside, Subquery(every.values("whole")))) == {"same", "bare"}
    assert await _measured(In(name, every.values("name"))) == {"same"}
    same = Case(When(In(inside, [F("whole")]), then=Value("same")), default=Value("other"))
    assert await Measure.objects.annotate(x=same).filter(x="same").values_list("name", flat=True) == ["same"]


@pytest.mark.row("lookups.json_path")
async def test_a_list_with_expressions_is_no_document(measures: Database) -> None:
    with pytest.raises(FieldError, match=r"compared with arrays only.*JSONArray"):
        await _measured(data__n=[F("whole"), 1])


@pytest.mark.row("lookups.json_path")
async def test_a_value_inside_has_no_moment_to_be_compared_with(measures: Database) -> None:
    with pytest.raises(FieldError, match="DateTimeField, which JSON has no one form for"):
        await _measured(data__d=F("moment"))
