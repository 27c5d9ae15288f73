"""Answers that no schema describes: whole, or an error; and responses of handlers, rendered as those of views are."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import NotFound, ProblemResponse, Request, Response, status
from covet.problems import Problem
from covet.rest import ModelSchema, Router, Schema, permissions
from covet.rest.annotations import makes_pairs
from covet.rest.render import UNSET, plan_response
from covet.templates import TemplateResponse
from covet.urls import include, path
from tests.handlers.sites import Site
from tests.rest.library import Tag

ADDRESS = ipaddress.IPv4Address("192.0.2.1")


async def ask(site: Site, handler: Any, **settings: Any) -> Any:
    api = Router(permissions=[permissions.AllowAny])
    handler.__annotations__.pop("return", None)
    api.get("/x")(handler)
    client = await site([path("", include(api))], **settings)
    return await client.get("/x")


async def test_a_generator_is_written_once_and_whole_beside_what_msgspec_does_not_know(site: Site) -> None:
    async def read() -> Any:
        return {"numbers": (number for number in range(3)), "from": ADDRESS}

    answer = await ask(site, read)

    assert answer.json() == {"numbers": [0, 1, 2], "from": "192.0.2.1"}


@pytest.mark.parametrize("first", [1, ADDRESS])
async def test_a_generator_with_an_item_that_cannot_be_written_is_no_empty_list(site: Site, first: Any) -> None:
    async def read() -> Any:
        return (item for item in (first, object()))

    answer = await ask(site, read, DEBUG=True)

    assert answer.status_code == 500
    assert "The handler returned generator, which cannot be written as JSON: " in answer.json()["detail"]


async def test_keys_that_msgspec_does_not_take_are_written(site: Site) -> None:
    async def read() -> Any:
        return {(1, 2): "pair"}

    assert (await ask(site, read)).json() == {"1,2": "pair"}


async def test_a_generator_that_was_read_already_is_no_empty_list(site: Site) -> None:
    """What is written before the odd key has been asked for its items, and has none the second time."""

    async def before() -> Any:
        return {"in": [{"numbers": (number for number in range(3))}], (1, 2): "pair"}

    async def behind() -> Any:
        return {(1, 2): "pair", "in": [{"numbers": (number for number in range(3))}]}

    async def mapped() -> Any:
        return {"numbers": map(str, range(3)), (1, 2): "pair"}

    async def unwritable() -> Any:
        return {"numbers": map(str, range(3)), "what": object()}

    lost, kept, spent, other = [await ask(site, one, DEBUG=True) for one in (before, behind, mapped, unwritable)]

    assert kept.json() == {"1,2": "pair", "in": [{"numbers": [0, 1, 2]}]}
    assert (lost.status_code, spent.status_code) == (500, 500)
    assert "generator at '/in/0/numbers' beside keys that are no text: make it a list" in lost.json()["detail"]
    assert "Unable to serialize unknown type: <class 'object'>" in other.json()["detail"]
    assert "map at '/numbers' beside keys that are no text: make it a list" in spent.json()["detail"]


async def test_what_holds_itself_is_refused_by_name(site: Site) -> None:
    ring: list[Any] = []
    ring.append({"again": ring})

    async def read() -> Any:
        return ring

    answer = await ask(site, read, DEBUG=True)

    assert answer.status_code == 500
    assert "The handler returned list, which cannot be written as JSON: " in answer.json()["detail"]


class Looks:
    """A middleware with a hook, so that views are called in the other way."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: Request) -> Response:
        return await self.get_response(request)  # type: ignore[no-any-return]

    async def process_template_response(self, request: Request, response: TemplateResponse) -> TemplateResponse:
        response.context_data["title"] += "!"
        return response


@pytest.mark.parametrize(("middleware", "said"), [([], "Hello"), ([f"{__name__}.Looks"], "Hello!")])
async def test_a_template_response_of_a_handler_is_rendered(
    site: Site, tmp_path: Path, middleware: list[str], said: str
) -> None:
    (tmp_path / "page.html").write_text("{{ title }}")

    async def read(request: Request) -> Any:
        return TemplateResponse(request, "page.html", {"title": "Hello"})

    answer = await ask(site, read, middleware=middleware, templates=tmp_path)

    assert answer.text == said


async def test_a_template_that_fails_in_a_handlers_response_is_an_answer_of_its_own(site: Site, tmp_path: Path) -> None:
    async def read(request: Request) -> Any:
        return TemplateResponse(request, "nowhere.html", {})

    answer = await ask(site, read, templates=tmp_path)

    assert answer.status_code == 500


async def returned() -> Any:
    return {"a": 1}, 201


async def by_name() -> Any:
    status = 404
    return None, status


async def said_first() -> Any:
    return 201, {"a": 1}


async def text() -> Any:
    return "not found", 404


async def in_a_block() -> Any:
    with contextlib.nullcontext():
        return [1], 202


def in_a_thread() -> Any:
    return {"a": 1}, 201


async def by_module() -> Any:
    return {"a": 1}, status.HTTP_201_CREATED


async def one_of_two() -> Any:
    code = 201 if ADDRESS else 200
    return {"a": 1}, code


@pytest.mark.parametrize(
    "handler", [returned, by_name, said_first, text, in_a_block, in_a_thread, by_module, one_of_two]
)
@pytest.mark.parametrize("returns", [None, dict, Any])
async def test_a_pair_with_a_status_is_no_list(site: Site, handler: Any, returns: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])
    copy = FunctionType(handler.__code__, globals(), handler.__name__)
    copy.__annotations__ = {} if returns is None else {"return": returns}
    api.get("/x")(copy)
    client = await site([path("", include(api))], DEBUG=True)

    answer = await client.get("/x")

    assert answer.status_code == 500
    assert (
        "The handler returned a pair with a status. Write return JSONResponse(value, status=404), "
        in answer.json()["detail"]
    )


async def width() -> Any:
    return 640, 480


async def named(n: int = 404) -> Any:
    return "bees", n


async def fractions() -> Any:
    return 0.5, 200


async def counted(n: int = 404) -> Any:
    return [{"a": 1}], n


async def cut_off(n: int = 404) -> Any:
    rows = [0] * 501
    return rows[:500][:1], len(rows[:n])


def first(rows: list[int], *, size: int) -> list[int]:
    return rows[:size][:1]


async def asked_for(n: int = 404) -> Any:
    return first([0] * 501, size=500), n


@pytest.mark.parametrize(
    ("handler", "body"),
    [
        (width, [640, 480]),
        (named, ["bees", 500]),
        (fractions, [0.5, 200]),
        (counted, [[{"a": 1}], 500]),
        (cut_off, [[0], 500]),
        (asked_for, [[0], 500]),
    ],
)
async def test_a_pair_that_may_be_meant_is_a_list(site: Site, handler: Any, body: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])
    copy = FunctionType(handler.__code__, globals(), handler.__name__, handler.__defaults__)
    copy.__annotations__ = {"n": int}
    api.get("/x")(copy)
    client = await site([path("", include(api))])

    answer = await client.get("/x?n=500")

    assert answer.json() == body


def test_what_makes_no_pair_is_written_at_once() -> None:
    async def one() -> Any:
        return {"a": (1, 2, 3), "b": [4, 5]}

    assert not makes_pairs(one)
    assert not makes_pairs([].count)
    assert makes_pairs(returned)


async def problem() -> Any:
    return Problem(409, detail="There is one.")


@pytest.mark.parametrize("returns", [None, dict, Any, dict[str, int]])
async def test_a_problem_is_no_answer_of_200(site: Site, returns: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])
    copy = FunctionType(problem.__code__, globals(), "problem")
    copy.__annotations__ = {} if returns is None else {"return": returns}
    api.get("/x")(copy)
    client = await site([path("", include(api))], DEBUG=True)

    answer = await client.get("/x")

    assert answer.status_code == 500
    assert "Write return ProblemResponse(problem), or raise an error such as Conflict(…)." in answer.json()["detail"]


@pytest.mark.parametrize("said", ["returns", "response"])
def test_a_problem_that_is_announced_is_refused_at_the_start(said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"answers with a Problem, .* write -> ProblemResponse"):
        plan_response(UNSET if said == "returns" else Problem, Problem if said == "returns" else Any, "f")


async def test_a_problem_response_goes_as_it_is(site: Site) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/x")
    async def taken() -> ProblemResponse:
        return ProblemResponse(Problem(409, detail="There is one."))

    answer = await (await site([path("", include(api))])).get("/x")

    assert (answer.status_code, answer.json()["detail"]) == (409, "There is one.")


async def test_a_queryset_without_a_schema_is_told_to_name_one(site: Site) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/x")
    async def all_tags():  # type: ignore[no-untyped-def]  # what says nothing of its answer
        return Tag.objects.all()

    answer = await (await site([path("", include(api))], DEBUG=True)).get("/x")

    assert answer.status_code == 500
    assert "Write response=list[ArticleOut] or response=Page[ArticleOut] at the route." in answer.json()["detail"]


class Settled(Schema):
    """A schema that everything fits, since nothing is required."""

    count: int = 0


class TagKey(ModelSchema, model=Tag, fields=["id"]): ...


async def fetched() -> Settled:
    return Settled()


@pytest.mark.parametrize(
    ("response", "value", "said"),
    [
        (TagKey, lambda: Tag.objects.all(), "the answer is one row. Write return await ….get(…), or response=list[…]"),
        (TagKey, lambda: Tag.objects, "the answer is one row"),
        (Settled, lambda: NotFound("none"), "Write raise NotFound(…)."),
        (Settled, lambda: Problem(409), "Write return ProblemResponse(problem)"),
        (Settled, lambda: Settled, "returned the class Settled itself. Write return Settled(…)."),
        (Settled | None, lambda: Settled, "returned the class Settled itself. Write return Settled(…)."),
        (list[TagKey], lambda: Tag(id=1), "returned Tag, and the answer is a list."),
        (list[Settled], lambda: fetched(), "did not await it"),
        (list[Settled], lambda: None, "The handler returned None."),
    ],
)
async def test_what_a_schema_of_defaults_would_take_is_refused(
    site: Site, response: Any, value: Any, said: str
) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/x", response=response)
    async def read() -> Any:
        return value()

    answer = await (await site([path("", include(api))], DEBUG=True)).get("/x")

    assert answer.status_code == 500
    assert said in answer.json()["detail"]
