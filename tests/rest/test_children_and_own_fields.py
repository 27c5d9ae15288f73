"""Models with a parent's table, and fields of a project's own, through an API: on three databases and both ways of a request."""

from typing import Any

import pytest

from covet.rest import ListPage, ModelSchema, ModelViewSet, Router, permissions
from covet.rest.default_schemas import default_input, default_output
from tests.rest.library import Lorry, Trailer, Van, Vehicle, written


class TrailerOut(ModelSchema, model=Trailer, fields=["plate", "load"]): ...


class Trailers(ModelViewSet, model=Trailer):
    permissions = [permissions.AllowAny]
    filters = ["load__gte"]


class ShortTrailers(ModelViewSet, model=Trailer):
    schema = TrailerOut
    permissions = [permissions.AllowAny]
    pagination = ListPage


class Vans(ModelViewSet, model=Van):
    permissions = [permissions.AllowAny]


@pytest.fixture
async def client(library: Any) -> Any:
    api = Router()
    api.register("trailers", Trailers)
    api.register("short", ShortTrailers)
    api.register("vans", Vans)
    return await library(api)


async def test_a_child_is_created_without_the_keys_of_its_parents(client: Any) -> None:
    made = await client.post("/api/trailers/", json={"plate": "B-1", "load": 900})
    short = await client.post("/api/short/", json={"plate": "B-2", "load": 800})

    assert (made.status_code, short.status_code) == (201, 201), made.text + short.text
    trailer = await Trailer.objects.get(plate="B-1")
    assert made.json()["id"] == trailer.pk
    assert await Vehicle.objects.count() == await Lorry.objects.count() == await Trailer.objects.count() == 2


async def test_nor_does_one_that_names_its_link_ask_for_the_key(client: Any) -> None:
    made = await client.post("/api/vans/", json={"plate": "B-1", "seats": 7})

    van = await Van.objects.get(plate="B-1")
    assert (made.status_code, made.json()) == (201, {"id": van.pk, "plate": "B-1", "base": van.pk, "seats": 7})


def test_the_keys_of_its_parents_are_no_fields_of_a_body() -> None:
    assert written(default_input(Trailer)) == {"plate", "load", "axles", "spare", "place", "written"}
    assert written(default_input(Trailer, TrailerOut)) == {"plate", "load"}
    assert {"id", "lorry_ptr"} <= set(default_output(Trailer).model_fields)


async def test_an_object_of_a_field_of_ones_own_is_shown_as_its_column_has_it(client: Any) -> None:
    for plate, load in (("B-1", 900), ("B-2", 100)):
        await Trailer.objects.create(plate=plate, load=load, spare=None if load == 100 else 5)

    [shown] = (await client.get("/api/trailers/?load__gte=500")).json()["items"]
    row = await client.get(f"/api/trailers/{shown['id']}/")
    patched = await client.patch(f"/api/trailers/{shown['id']}/", json={"spare": 7})

    assert (shown["plate"], shown["load"], shown["spare"]) == ("B-1", 900, 5)
    assert row.json() == shown and patched.json() == {**shown, "spare": 7}
    assert (await client.get("/api/short/")).json() == [{"plate": "B-1", "load": 900}, {"plate": "B-2", "load": 100}]
    assert (await Trailer.objects.get(plate="B-1")).load.kilos == 900


async def test_an_object_of_a_document_is_shown_as_that_has_it(client: Any) -> None:
    for plate, place in (("B-1", 1 + 2j), ("B-2", None), ("B-3", {"by": [3]})):
        await Trailer.objects.create(plate=plate, place=place, written=place)

    shown = (await client.get("/api/trailers/")).json()["items"]
    row = await client.get(f"/api/trailers/{shown[0]['id']}/")

    assert [(one["place"], one["written"]) for one in shown] == [([1, 2],) * 2, (None, None), ({"by": [3]},) * 2]
    assert row.json() == shown[0]
    assert (await Trailer.objects.get(plate="B-1")).written == 1 + 2j


async def test_what_is_no_value_of_its_column_is_refused(client: Any) -> None:
    for wrong in ([1], "x", {"kilos": 1}):
        answer = await client.post("/api/trailers/", json={"plate": "B-1", "load": wrong})

        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/load"]
