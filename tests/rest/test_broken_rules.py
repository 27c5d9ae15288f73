"""What a client is told of a constraint that its values break: the words and the code of the constraint, where it has its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from covet.apps import apps
from covet.db import connections, models
from covet.db.database import Database
from covet.db.errors import UniqueViolation
from covet.db.models.table import table_of
from covet.i18n import gettext_lazy
from covet.rest import Body, ModelViewSet, Router, permissions
from covet.rest.errors import problem_of
from covet.schema.rules import broken_constraint

with apps.isolate():

    class Seat(models.Model):
        row = models.CharField(max_length=5)
        number = models.IntegerField()
        code = models.CharField(max_length=10)
        price = models.IntegerField(default=1)
        reduced = models.IntegerField(default=0)

        class Meta:
            app_label = "theatre"
            constraints = [
                models.UniqueConstraint(
                    fields=["row", "number"],
                    name="theatre_seat_once",
                    violation_error_message=gettext_lazy("There is such a seat."),
                    violation_error_code="seat_taken",
                ),
                models.UniqueConstraint(fields=["code"], name="theatre_seat_code"),
                models.CheckConstraint(
                    condition=models.Q(reduced__lt=models.F("price")),
                    name="theatre_seat_reduced",
                    violation_error_message="%(name)s: less than the price, please.",
                ),
                models.CheckConstraint(condition=models.Q(number__gt=0), name="theatre_seat_number"),
            ]

    class Pair(models.Model):
        first = models.IntegerField()
        second = models.IntegerField()

        class Meta:
            app_label = "theatre"
            unique_together = [("first", "second")]

    class Place(models.Model):
        name = models.CharField(max_length=5)
        is_closed = models.BooleanField(default=False)

        class Meta:
            app_label = "theatre"
            constraints = [
                models.UniqueConstraint(
                    fields=["name"],
                    name=f"theatre_place_{word}",
                    condition=models.Q(is_closed=word == "closed"),
                    violation_error_message=f"There is such a place, {word}.",
                )
                for word in ("closed", "open")
            ]


class Pairs(ModelViewSet, model=Pair):
    permissions = [permissions.AllowAny]


class Seats(ModelViewSet, model=Seat):
    permissions = [permissions.AllowAny]
    bulk = True


@pytest.fixture
async def client(library: Callable[..., Any]) -> Any:
    api = Router()
    api.register("seats", Seats)
    client = await library(api)
    async with connections["default"].schema_editor() as editor:
        await editor.create_table(table_of(Seat))
    return client


@pytest.fixture
async def translated(library: Callable[..., Any]) -> Any:
    api = Router()
    api.register("seats", Seats)
    api.register("pairs", Pairs)
    client = await library(
        api,
        middleware=["covet.middleware.locale.LocaleMiddleware", "tests.rest.conftest.UserFromHeader"],
        LANGUAGES=[("en", "English"), ("de", "German"), ("fr", "French")],
    )
    async with connections["default"].schema_editor() as editor:
        for model in (Seat, Pair):
            await editor.create_table(table_of(model))
    return client


async def test_a_unique_rule_says_its_own_words(client: Any) -> None:
    first = {"row": "A", "number": 1, "code": "x"}
    assert (await client.post("/api/seats/", json=first)).status_code == 201

    taken = await client.post("/api/seats/", json={**first, "code": "y"})
    coded = await client.post("/api/seats/", json={**first, "number": 2})
    listed = await client.post("/api/seats/bulk/", json=[{**first, "number": 3, "code": "z"}, {**first, "code": "y"}])

    assert (taken.status_code, taken.json()["detail"]) == (409, "There is such a seat.")
    assert taken.json()["errors"] == [
        {"detail": "There is such a seat.", "pointer": f"/{name}", "code": "seat_taken"} for name in ("row", "number")
    ]
    assert coded.json()["errors"] == [{"detail": "This code is taken already.", "pointer": "/code", "code": "unique"}]
    assert listed.status_code == 409 and listed.json()["detail"] == "There is such a seat."


async def test_a_check_says_its_own_words(client: Any) -> None:
    seat = {"row": "A", "number": 1, "code": "x"}

    own = await client.post("/api/seats/", json={**seat, "price": 3, "reduced": 3})
    plain = await client.post("/api/seats/", json={**seat, "number": 0})

    assert (own.status_code, own.json()["detail"]) == (422, "theatre_seat_reduced: less than the price, please.")
    assert (plain.status_code, plain.json()["detail"]) == (422, "The values break the rule 'theatre_seat_number'.")


async def test_a_check_points_at_what_it_compares_and_was_sent(client: Any) -> None:
    seat = {"row": "A", "number": 1, "code": "x"}
    pk = (await client.post("/api/seats/", json={**seat, "price": 9})).json()["id"]

    both = await client.post("/api/seats/", json={**seat, "number": 2, "code": "y", "price": 3, "reduced": 3})
    one = await client.patch(f"/api/seats/{pk}/", json={"reduced": 9})
    other = await client.patch(f"/api/seats/{pk}/", json={"number": 0, "row": "B"})
    listed = await client.patch("/api/seats/bulk/", json=[{"id": pk, "price": 0}])

    assert [error["pointer"] for error in both.json()["errors"]] == ["/price", "/reduced"]
    assert one.json()["errors"] == [
        {"detail": "theatre_seat_reduced: less than the price, please.", "pointer": "/reduced", "code": "check"}
    ]
    assert [error["pointer"] for error in other.json()["errors"]] == ["/number"]
    assert [error["pointer"] for error in listed.json()["errors"]] == ["/0/price"]


async def test_rules_are_told_in_the_visitors_language(translated: Any) -> None:
    client, seat = translated, {"row": "A", "number": 1, "code": "x"}
    german, french = {"Accept-Language": "de"}, {"Accept-Language": "fr"}
    assert (await client.post("/api/seats/", json=seat)).status_code == 201

    coded = await client.post("/api/seats/", json={**seat, "number": 2}, headers=german)
    paired = await client.post("/api/pairs/", json={"first": 1, "second": 2}, headers=german)
    again = await client.post("/api/pairs/", json={"first": 1, "second": 2}, headers=french)
    checked = await client.post("/api/seats/", json={**seat, "code": "y", "number": 0}, headers=german)

    assert [error["detail"] for error in coded.json()["errors"]] == ["code ist schon vergeben."]
    assert paired.status_code == 201
    assert {error["detail"] for error in again.json()["errors"]} == {
        "Cette combinaison de first et second est déjà prise."
    }
    assert checked.json()["detail"] == "Die Werte verletzen die Regel „theatre_seat_number“."


# MySQL has no rules with a condition.
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
async def test_of_two_rules_for_the_same_fields_the_broken_one_speaks_or_none(database: Database) -> None:
    """SQLite names the fields alone: better no words than those of a rule that is kept."""
    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Place))
    places = Place.objects.using(database.alias)
    await places.create(name="a")

    with pytest.raises(UniqueViolation) as caught:
        await places.create(name="a")
    problem = await problem_of(caught.value, (), Place)

    own, common = "There is such a place, open.", "Something with these values exists already."
    assert problem.detail == (common if database.vendor == "sqlite" else own)
    assert [one.pointer for one in problem.errors] == ["/name"]


def test_a_rule_of_another_table_says_nothing() -> None:
    """Though it is for fields of the same names, and the body is for both."""
    broken = UniqueViolation("UNIQUE constraint failed: theatre_hall.row, theatre_hall.number")
    broken.table, broken.columns = "theatre_hall", ("row", "number")
    other = UniqueViolation("UNIQUE constraint failed: theatre_seat.row, theatre_seat.number")
    other.table, other.columns = "theatre_seat", ("row", "number")

    assert broken_constraint(broken, (Seat, Pair), ["row", "number"]) is None
    assert broken_constraint(other, (Seat, Seat, Pair), ["row", "number"]) == Seat._meta.constraints[0]


class Ticket(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    seat_code: str
    number: int = 1


class SeatBody(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    code: str
    number: int = 1


class SeatStruct(msgspec.Struct, rename={"code": "seatCode"}):
    code: str
    number: int = 1


class Wrapped(BaseModel):
    new_seat: SeatBody = Field(alias="newSeat")


@pytest.fixture
async def by_hand(library: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Handlers that write rows by themselves, with classes of pydantic's own for bodies."""
    api = Router(permissions=[permissions.AllowAny])

    @api.post("/plain/")
    async def plain(seat: SeatBody) -> None:
        await Seat.objects.create(row="A", **seat.model_dump())

    @api.post("/struct/")
    async def struct(seat: SeatStruct) -> None:
        await Seat.objects.create(row="A", code=seat.code, number=seat.number)

    @api.post("/wrapped/")
    async def wrapped(body: Wrapped) -> None:
        await Seat.objects.create(row="A", **body.new_seat.model_dump())

    @api.post("/embedded/")
    async def embedded(seat: Annotated[SeatBody, Body(embed=True)]) -> None:
        await Seat.objects.create(row="A", **seat.model_dump())

    @api.post("/otherwise/")
    async def otherwise(ticket: Ticket) -> None:
        await Seat.objects.create(row="A", code=ticket.seat_code, number=ticket.number)

    @api.post("/cleaned/")
    async def cleaned(body: Wrapped) -> None:
        await Seat(row="A", **body.new_seat.model_dump()).full_clean()

    @api.post("/nothing/")
    async def nothing(code: str) -> None:
        await Seat.objects.create(row="A", code=code, number=1)

    client = await library(api)
    async with connections["default"].schema_editor() as editor:
        await editor.create_table(table_of(Seat))
    monkeypatch.setitem(apps.current().all_models, "theatre", {"seat": Seat})
    await Seat.objects.create(row="A", number=1, code="x")
    return client


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("plain", {"code": "x", "number": 2}, "/code"),
        ("struct", {"seatCode": "x", "number": 2}, "/seatCode"),
        ("wrapped", {"newSeat": {"code": "x", "number": 2}}, "/newSeat/code"),
        ("embedded", {"seat": {"code": "x", "number": 2}}, "/seat/code"),
        ("otherwise", {"seatCode": "x", "number": 2}, None),
    ],
)
async def test_a_handler_that_writes_by_itself_points_into_its_body(
    by_hand: Any, path: str, body: Any, pointer: str | None
) -> None:
    answer = await by_hand.post(f"/api/{path}/", json=body)

    assert answer.status_code == 409, answer.text
    assert [one["pointer"] for one in answer.json().get("errors", [])] == ([] if pointer is None else [pointer])


async def test_a_handler_that_writes_by_itself_tells_the_constraints_own_words(by_hand: Any) -> None:
    taken = await by_hand.post("/api/plain/", json={"code": "y", "number": 1})
    from_query = await by_hand.post("/api/nothing/?code=z")

    assert taken.json()["detail"] == from_query.json()["detail"] == "There is such a seat."
    assert taken.json()["errors"] == [{"detail": "There is such a seat.", "pointer": "/number", "code": "seat_taken"}]
    assert "errors" not in from_query.json()


async def test_what_full_clean_says_points_into_the_body_that_holds_it(by_hand: Any) -> None:
    answer = await by_hand.post("/api/cleaned/", json={"newSeat": {"code": "x", "number": 2}})

    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/newSeat/code"]
