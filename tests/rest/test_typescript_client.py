"""The TypeScript client compiles under the strictest rules and does on Node what its types say, against a real server."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest

from covet.http.errors import NotFound
from covet.http.files import UploadedFile
from covet.http.request import Request
from covet.http.response import Response
from covet.http.streaming import ServerEvent
from covet.rest import Body, Cookie, Form, Header, ModelViewSet, Query, Router, Schema, permissions
from tests.rest.library import Article, Author
from tests.rest.typescript import on_node, tsc

__all__ = ["on_node", "tsc"]


class AuthorViewSet(ModelViewSet, model=Author):
    """Who writes."""

    permissions = [permissions.IsAuthenticatedOrReadOnly]
    filters = ["name__in", "email"]
    tags = ["authors"]


class Cat(Schema):
    kind: Literal["cat"]
    lives: int | None = 9


class Dog(Schema):
    kind: Literal["dog"]
    name: str


class Tree(Schema):
    name: str
    children: list[Tree] = []


def kitchen() -> Router:
    api = Router()
    api.register("authors", AuthorViewSet)

    class ArticleViewSet(ModelViewSet, model=Article):
        permissions = [permissions.AllowAny]

    api.register("articles", ArticleViewSet)
    anyone: dict[str, Any] = {"permissions": [permissions.AllowAny]}

    @api.post("/pets", **anyone)
    async def adopt(pet: Annotated[Cat | Dog, Body(examples=[{"kind": "dog", "name": "Rex"}])]) -> Cat | Dog:
        """Take a pet home.

        It stays */ there.
        """
        return pet

    @api.post("/photos", deprecated=True, **anyone)
    async def upload(photo: UploadedFile, title: Annotated[str, Form()] = "-") -> dict[str, int]:
        return {title: photo.size}

    @api.get("/echo/<str:word>", **anyone)
    async def echo(
        word: str,
        many: Annotated[list[int], Query()] = [],  # noqa: B006
        x_trace: Annotated[str, Header()] = "",
        theme: Annotated[str, Cookie()] = "",
    ) -> dict[str, Any]:
        return {"word": word, "many": many, "trace": x_trace, "theme": theme}

    @api.put("/trees", **anyone)
    async def plant(tree: Tree) -> Tree:
        return tree

    @api.delete("/trees", name="delete", **anyone)
    async def fell() -> None: ...

    @api.get("/fail", **anyone)
    async def fail(request: Request) -> str:
        raise RuntimeError

    @api.get("/ticks/<int:count>", **anyone)
    async def ticks(count: int) -> AsyncIterator[ServerEvent]:
        for number in range(count):
            yield ServerEvent(f"tick\n{number}", event="tick", id=str(number), retry_ms=5)
        while count == 3:  # until the client goes
            yield ServerEvent({"last": True})
            await asyncio.sleep(0)

    @api.get("/rings/<int:count>", name="events", **anyone)
    async def rings(count: int) -> AsyncIterator[Cat | Dog]:
        if count > 9:
            raise NotFound("So many rings no tree has.")
        for number in range(count):
            yield Cat(kind="cat", lives=number) if number % 2 else Dog(kind="dog", name="é" * number)

    @api.get("/picture", responses={200: {"description": "A picture.", "content": {"image/png": {}}}}, **anyone)
    async def picture() -> Response:
        return Response(b"\x89PNG", media_type="image/png")

    @api.get("/dates", **anyone)
    async def dates(day: datetime.date, moments: Annotated[list[datetime.datetime], Query()] = []) -> list[Any]:  # noqa: B006
        return [day, *moments]

    @api.put("/nothing", **anyone)
    async def nothing(
        maybe: Annotated[int | None, Body(embed=True)] = None, words: Annotated[list[str] | None, Query()] = None
    ) -> dict[str, Any]:
        return {"maybe": maybe, "words": words}

    @api.post("/album", **anyone)
    async def album(photos: list[UploadedFile], note: Annotated[str | None, Form()] = None) -> list[str]:
        return [f"{one.name}:{one.size}:{one.content_type}" for one in photos]

    @api.webhook("tree.fallen")
    async def fallen(tree: Tree) -> None:
        """Sent once a tree lies."""

    return api


SCRIPT = """
import { ApiError, Client, isApiError, type AuthorsCreateError, type CatInput, type ServerEvent, type Webhooks } from "./client.js";

const log: unknown[] = [];
const baseUrl: string = process.argv[2] ?? "";
const known = new Client({ baseUrl, headers: { "X-User": "-" } });
const unknown = new Client({ baseUrl });

const ann = await known.authorsCreate({ body: { name: "Ann", email: "ann@example.com" } });
log.push(ann.name);
for (const name of ["Bea", "Cy", "Dan"]) await known.authorsCreate({ body: { name, email: `${name}@example.com` } });

const page = await unknown.authorsList({ size: 2 });
log.push(page.items.length, page.total, page.next !== null);
const names: string[] = [];
for await (const author of unknown.authorsListItems({ size: 2 })) names.push(author.name);
log.push(names);
const some = await unknown.authorsList({ name__in: ["Ann", "Cy"] });
log.push(some.items.map((author) => author.name));

const chosen = await unknown.authorsRead({ pk: ann.id, fields: ["name"] });
const perhaps: string | undefined = chosen.email;
log.push(chosen.name, perhaps === undefined);
const shown: (string | undefined)[] = [];
for await (const author of unknown.authorsListItems({ fields: ["name"], size: 3 })) shown.push(author.name);
log.push(shown.length);

const patched = await known.authorsPatch({ pk: ann.id, body: { name: "Anna" } });
log.push(patched.name, (await unknown.authorsRead({ pk: ann.id })).name);
const nothing: void = await known.authorsDelete({ pk: ann.id });
log.push(nothing === undefined);

try {
  await unknown.authorsRead({ pk: ann.id });
} catch (error) {
  if (isApiError(error, 404)) log.push(error.status, error.problem?.title);
}
try {
  await unknown.authorsCreate({ body: { name: "x", email: "x@example.com" } });
} catch (thrown) {
  const error = thrown as AuthorsCreateError;
  log.push(error.status === 401, error instanceof ApiError);
}
try {
  await known.authorsCreate({ body: { name: "", email: "no" } });
} catch (error) {
  if (isApiError(error)) log.push(error.status, error.of("/name") !== undefined, error.of("/other") === undefined);
}

const cat: CatInput = { kind: "cat", lives: null };
const pet = await unknown.adopt({ body: cat });
log.push(pet.kind === "cat" ? pet.lives : pet.name);
log.push(await unknown.upload({ body: { photo: new Blob(["1234"]), title: "four" } }));
log.push(await unknown.echo({ word: "a/b c", many: [1, 2], xTrace: "t", theme: "dark" }).catch((error) => error.status));
log.push(await unknown.echo({ word: "a b", many: [1, 2], xTrace: "t", theme: "dark" }));
log.push((await unknown.plant({ body: { name: "oak", children: [{ name: "twig" }] } })).children?.[0]?.name);
log.push(await unknown.delete());
log.push(await unknown.fail().catch((error: unknown) => isApiError(error, 500)));

const ticks: ServerEvent[] = [];
for await (const tick of unknown.ticks({ count: 3 })) {
  ticks.push(tick);
  if (ticks.length === 4) break;
}
log.push(ticks);
const rings: (number | string | null | undefined)[] = [];
for await (const ring of unknown.events2({ count: 3 })) rings.push(ring.kind === "cat" ? ring.lives : ring.name);
log.push(rings);
try {
  for await (const _ of unknown.events2({ count: 10 })) log.push("never");
} catch (error) {
  log.push(isApiError(error, 404) && error.problem?.detail);
}
const picture: Blob = await unknown.picture();
log.push(picture.size, picture.type);
const when = "2026-01-31T10:00:00Z";
log.push(await unknown.dates({ day: "2026-01-31", moments: [when, when] }));
log.push(await unknown.nothing({ words: ["a", "b,c"] }), await unknown.nothing({ body: { maybe: null } }));
log.push(await unknown.album({ body: { photos: [new File(["12"], "a.txt", { type: "text/plain" }), new Blob(["123"])] } }));

const fallen: Webhooks["tree.fallen"] = { name: "oak" };
log.push(fallen.name);

const cookie = `sessionid=x; csrftoken=${"0".repeat(80)}`;
const body = { name: "Eve", email: "eve@example.com" };
const forged = new Client({ baseUrl, headers: { "X-User": "-", Cookie: cookie } });
log.push(await forged.authorsCreate({ body }).catch((error: unknown) => isApiError(error, 403)));
const proven = new Client({ baseUrl, csrfToken: "0".repeat(80), headers: { "X-User": "-", Cookie: cookie } });
log.push((await proven.authorsCreate({ body })).name);

let sent: Headers | undefined;
const spy = async (url: string, init: RequestInit) => ((sent = new Headers(init.headers)), fetch(url, init));
await new Client({ baseUrl, token: async () => "secret", fetch: spy }).authorsList();
log.push(sent?.get("Authorization"));
await new Client({ baseUrl: "http://other.example", fetch: async () => Response.json({ items: [], next: "http://evil.example/" }) })
  .authorsListItems().next().catch((error: Error) => log.push(error.message));

console.log(JSON.stringify(log));
"""

EXPECTED = [
    "Ann",
    *(2, 4, True),
    ["Ann", "Bea", "Cy", "Dan"],
    ["Ann", "Cy"],
    *("Ann", True, 4),
    *("Anna", "Anna"),
    True,
    *(404, "Not Found"),
    *(True, True),
    *(422, True, True),
    None,
    {"four": 4},
    404,
    {"word": "a b", "many": [1, 2], "trace": "t", "theme": "dark"},
    "twig",
    None,
    True,
    [
        *({"event": "tick", "data": f"tick\n{number}", "id": str(number), "retry": 5} for number in range(3)),
        {"event": "message", "data": '{"last":true}', "id": "2"},
    ],
    ["", 1, "éé"],
    "So many rings no tree has.",
    *(4, "image/png"),
    ["2026-01-31", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"],
    {"maybe": None, "words": ["a", "b,c"]},
    {"maybe": None, "words": None},
    ["a.txt:2:text/plain", "blob:3:application/octet-stream"],
    "oak",
    True,
    "Eve",
    "Bearer secret",
    "The next page is on another server: http://evil.example/",
]


@pytest.mark.parametrize("site", ["protocol"], indirect=True)
async def test_the_client_compiles_strictly_and_works_on_node(on_node: Any) -> None:
    assert await on_node(kitchen(), SCRIPT) == EXPECTED
