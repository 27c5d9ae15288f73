"""``model_to_dict``: an instance as a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.models import model_to_dict
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.row("models.to_dict")


class Label(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "testdict"


class Base(models.Model):
    id: int
    title = models.CharField(max_length=20)
    made = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "testdict"


class Piece(Base):
    label_id: int | None
    label = models.ForeignKey(Label, models.SET_NULL, null=True, related_name="pieces")
    others = models.ManyToManyField(Label)
    data = models.JSONField(default=dict)
    hidden = models.IntegerField(default=0, editable=False)

    class Meta:
        app_label = "testdict"


@pytest.fixture
async def piece(database: Database) -> AsyncIterator[Piece]:
    await create_tables(database, [Label, Base, Piece, Piece.others.through])
    labels = [await Label.objects.create(name=name) for name in "ab"]
    made = await Piece.objects.create(title="x", label=labels[0], data={"n": [1]})
    await made.others.add(*labels)
    yield made


async def test_editable_fields_give_their_values_and_relations_their_keys(piece: Piece) -> None:
    found = await model_to_dict(piece)

    assert found.pop("others") == list(await piece.others.all())
    assert found == {
        "id": piece.id,
        "title": "x",
        "base_ptr": piece.pk,
        "label": piece.label_id,
        "data": {"n": [1]},
    }


async def test_fields_are_chosen_and_left_out(piece: Piece) -> None:
    with record_queries() as queries:
        assert await model_to_dict(piece, fields=["title", "hidden", "label"]) == {
            "title": "x",
            "label": piece.label_id,
        }
        assert await model_to_dict(piece, ["title", "label"], ["label"]) == {"title": "x"}
        assert "others" not in await model_to_dict(piece, exclude=["others"])
        assert await model_to_dict(piece, fields=[]) == {}
    assert not queries


async def test_what_is_not_loaded_is_read_and_what_is_prefetched_is_not(piece: Piece) -> None:
    part = await Piece.objects.only("title").get(pk=piece.pk)
    with record_queries() as queries:
        assert await model_to_dict(part, fields=["title"]) == {"title": "x"}
    assert not queries
    with record_queries() as queries:
        assert (await model_to_dict(part, exclude=["others"]))["data"] == {"n": [1]}
    assert len(queries) == 1
    (loaded,) = await Piece.objects.prefetch_related("others")
    with record_queries() as queries:
        assert len((await model_to_dict(loaded))["others"]) == 2
    assert not queries


async def test_an_unsaved_instance_has_no_related_rows() -> None:
    found = await model_to_dict(Piece(title="y"))

    assert (found["id"], found["title"], found["label"], found["others"]) == (None, "y", None, [])


async def test_wrong_names_are_told() -> None:
    with pytest.raises(FieldError, match=r"Piece has no field 'titel' \(in model_to_dict\(fields=\[…\]\)\).*'title'"):
        await model_to_dict(Piece(), fields=["titel"])
    with pytest.raises(FieldError, match=r"model_to_dict\(exclude"):
        await model_to_dict(Piece(), exclude=["nothing"])
    with pytest.raises(TypeError, match=r"takes several names, as in fields=\['title'\]"):
        await model_to_dict(Piece(), fields="title")
