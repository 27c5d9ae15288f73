"""The TypeScript client says of model APIs what there is to say, and a real server understands it: chosen fields and rows, patches,
many rows at once, cursors, files, events, conditions, and what went wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from covet.http.errors import HTTPException
from covet.http.files import UploadedFile
from covet.http.request import Request
from covet.http.streaming import ServerEvent
from covet.rest import (
    Body,
    CursorPage,
    Form,
    Header,
    JsonPatch,
    MergePatch,
    ModelSchema,
    ModelViewSet,
    Nested,
    Router,
    Schema,
    permissions,
)
from tests.rest.library import Article, Author, Book, Chapter, Tag
from tests.rest.typescript import on_node, tsc

__all__ = ["on_node", "tsc"]

ANYONE: dict[str, Any] = {"permissions": [permissions.AllowAny]}


class AuthorOut(ModelSchema, model=Author, fields=["id", "name", "email"]): ...


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "author", "editor", "views", "tags"]): ...


class TagOut(ModelSchema, model=Tag, fields=["id", "name"]): ...


class ChapterIn(ModelSchema, model=Chapter, fields=["id", "title"]): ...


class BookIn(ModelSchema, model=Book, fields=["title"]):
    chapters: Annotated[list[ChapterIn], Nested(order="position")] = []


class Options(Schema):
    theme: str = "light"
    columns: list[str] = []


def library() -> Router:
    api = Router(**ANYONE)

    class Authors(ModelViewSet, model=Author):
        schema = AuthorOut
        expandable = {"articles": ArticleOut}
        ordering = ["name"]
        bulk = True

    class Articles(ModelViewSet, model=Article):
        schema = ArticleOut
        expandable = {"author": AuthorOut, "author.articles": ArticleOut, "editor": AuthorOut, "tags": TagOut}
        pagination = CursorPage
        page_size = 2
        ordering = ["title"]
        filters = ["views__gte"]
        require_match = True

    class Tags(ModelViewSet, model=Tag):
        bulk = "each"
        paginated = False

    class Books(ModelViewSet, model=Book):
        schema = BookIn
        input = BookIn

    api.register("authors", Authors)
    api.register("articles", Articles)
    api.register("tags", Tags)
    api.register("books", Books)

    @api.patch("/options")
    async def change_options(patch: JsonPatch) -> Options:
        return patch.apply(Options(columns=["title"]))

    @api.patch("/theme")
    async def change_theme(patch: MergePatch) -> Options:
        return patch.apply(Options())

    @api.post("/scans")
    async def scan(
        scans: list[UploadedFile], cover: UploadedFile | None = None, note: Annotated[str, Form()] = ""
    ) -> dict[str, Any]:
        return {"scans": [one.name for one in scans], "cover": cover and cover.size, "note": note}

    @api.get("/events")
    async def watch(last_event_id: Annotated[int, Header()] = 0) -> AsyncIterator[ServerEvent]:
        for number in range(last_event_id, 3):
            yield ServerEvent({"number": number}, event="count", id=str(number + 1))

    @api.post("/broken")
    async def broken(data: Annotated[Options, Body()], request: Request) -> None:
        raise HTTPException(409, "No.", type="https://example.org/no", extra={"left": 3})

    return api


SCRIPT = """
import {
  Client, isApiError,
  type ArticleOut, type ArticleOutExpanded, type AuthorOut, type JsonPatch, type Problem, type RequestOptions,
} from "./client.js";

const log: unknown[] = [];
const api = new Client({ baseUrl: process.argv[2] ?? "" });

// Many rows at once, all or none.
const [ann, bob] = await api.authorsBulkCreate({
  body: [{ name: "Ann", email: "ann@example.org" }, { name: "Bob", email: "bob@example.org" }],
});
if (ann === undefined || bob === undefined) throw new Error("two were sent");
const renamed = await api.authorsBulkPatch({ body: [{ id: ann.id, name: "Anna" }] });
log.push(renamed.map((one) => one.name));

// What was read is sent back as it is.
const entire = await api.authorsRead({ pk: ann.id });
const back = await api.authorsUpdate({ pk: ann.id, body: { ...entire, email: "ann@example.org" } });
log.push(JSON.stringify(back) === JSON.stringify(entire));
try {
  await api.authorsBulkUpdate({ body: [{ id: bob.id, name: "Bob", email: "anna" }, { id: 99, name: "x", email: "x@example.org" }] });
} catch (error) {
  if (isApiError(error, 422)) log.push(error.problem?.errors?.map((one) => one.pointer));
}

// Each on its own.
const results = await api.tagsBulkCreate({ body: [{ name: "red" }, { name: "" }, { name: "blue" }] });
log.push(results.map((one) => one.status), results[1]?.problem?.errors?.[0]?.pointer, results[0]?.item?.name);
const tags = await api.tagsList();
log.push(tags.map((tag) => tag.name));
await api.tagsBulkDelete({ ids: tags.slice(1).map((tag) => tag.id) });
log.push((await api.tagsList()).length);

// Rows by cursors.
for (const title of ["a", "b", "c", "d", "e"]) {
  await api.articlesCreate({ body: { title, author: ann.id, views: title.charCodeAt(0), tags: [tags[0]?.id ?? 0] } });
}
const part = await api.articlesList({ ordering: ["-title"] });
log.push(part.items.map((one) => one.title), part.previous, typeof part.next);
const titles: string[] = [];
for await (const one of api.articlesListItems({ ordering: ["title"], views__gte: 98, size: 3 })) titles.push(one.title);
log.push(titles);

// Related rows in the place of their keys, and chosen fields: types and answers go together.
const key: number = (await api.articlesList({ size: 1 })).items[0]?.author ?? 0;
log.push(key === ann.id);
const whole: ArticleOutExpanded | undefined = (await api.articlesList({ size: 1, expand: ["author", "tags"] })).items[0];
const author: number | AuthorOut | undefined = whole?.author;
log.push(typeof author === "object" ? author.name : author);
for await (const one of api.articlesListItems({ expand: ["editor"] })) log.push(one.editor);
const little = await api.authorsRead({ pk: bob.id, fields: ["name"] });
const perhaps: number | undefined = little.id;
log.push(little.name, perhaps === undefined);
const both = await api.authorsRead({ pk: ann.id, expand: ["articles"], fields: ["articles.title", "name"] });
log.push(both.articles?.length, both.email === undefined);
// @ts-expect-error: a name that there is not
await api.authorsRead({ pk: ann.id, fields: ["nam"] }).catch((error: unknown) => log.push(isApiError(error, 422)));

// Conditions: the state that a change is meant for.
let tag: string | null = null;
const noted: RequestOptions = { onResponse: (response) => (tag = response.headers.get("ETag")) };
const first: ArticleOut = (await api.articlesList({ ordering: ["title"] })).items[0] ?? (() => { throw new Error("none"); })();
await api.articlesRead({ pk: first.id }, noted);
const known = tag ?? "";
log.push(await api.articlesRead({ pk: first.id, ifNoneMatch: known }).catch((error: unknown) => isApiError(error, 304)));
const changed = await api.articlesPatch({ pk: first.id, ifMatch: known, body: { title: "A" } });
log.push(changed.title, await api.articlesDelete({ pk: first.id, ifMatch: known }).catch((error: unknown) => isApiError(error, 412)));

// Patches: steps, and members that go into those that are there.
const steps: JsonPatch = [
  { op: "test", path: "/title", value: "A" },
  { op: "replace", path: "/title", value: "AA" },
  { op: "remove", path: "/tags/0" },
  { op: "copy", from: "/views", path: "/views" },
];
await api.articlesRead({ pk: first.id }, noted);
const done = await api.articlesPatch({ pk: first.id, ifMatch: tag ?? "", jsonPatch: steps });
log.push(done.title, done.tags?.length);
const stepped = await api.authorsPatch({ pk: bob.id, jsonPatch: [{ op: "replace", path: "/name", value: "Rob" }] });
const merged = await api.authorsPatch({ pk: bob.id, mergePatch: { email: "rob@example.org" } });
log.push(stepped.name, merged.email);
try {
  await api.authorsPatch({ pk: bob.id, jsonPatch: [{ op: "test", path: "/name", value: "Bob" }] });
} catch (error) {
  if (isApiError(error, 409)) log.push(error.problem?.errors?.[0]?.pointer);
}
// @ts-expect-error: one of them, never two
await api.authorsPatch({ pk: bob.id, body: { name: "x" }, mergePatch: { name: "y" } });
// @ts-expect-error: there is no such operation
await api.changeOptions({ body: [{ op: "increase", path: "/theme" }] }).catch((error: unknown) => log.push(isApiError(error, 422)));
log.push(await api.changeOptions({ body: [{ op: "add", path: "/columns/0", value: "id" }] }));
log.push(await api.changeTheme({ body: { theme: "dark", columns: null } }));

// Nested items.
const book = await api.booksCreate({ body: { title: "Bees", chapters: [{ title: "Wax" }, { title: "Honey" }] } });
log.push(book.chapters?.map((one) => one.title));
try {
  await api.booksCreate({ body: { title: "Bees", chapters: [{ title: "Wax" }, { title: "x".repeat(300) }] } });
} catch (error) {
  if (isApiError(error, 422)) log.push(error.of("/chapters/1/title") !== undefined);
}

// Files, events, and problems of one's own.
log.push(await api.scan({ body: { scans: [new File(["1"], "1.png"), new File(["2"], "2.png")], cover: new Blob(["123"]), note: "é" } }));
const seen: unknown[] = [];
for await (const event of api.watch({ lastEventId: 1 })) seen.push([event.event, event.id, JSON.parse(event.data)]);
log.push(seen);
try {
  await api.broken({ body: {} });
} catch (error) {
  if (!isApiError(error, 409)) throw error;
  const problem: Problem | null = error.problem;
  log.push(problem?.type, problem?.detail, problem?.["left"]);
}
const gone = new AbortController();
gone.abort();
log.push(await api.authorsList({}, { signal: gone.signal }).catch((error: Error) => error.name));

console.log(JSON.stringify(log));
"""

EXPECTED: list[Any] = [
    ["Anna"],
    True,
    ["/0/email"],
    *([201, 422, 201], "/1/name", "red"),
    ["red", "blue"],
    1,
    *(["e", "d"], None, "string"),
    ["b", "c", "d", "e"],
    True,
    "Anna",
    *[None] * 5,
    *("Bob", True),
    *(5, True),
    True,
    True,
    *("A", True),
    *("AA", 0),
    *("Rob", "rob@example.org"),
    "/0/value",
    True,
    {"theme": "light", "columns": ["id", "title"]},
    {"theme": "dark", "columns": []},
    ["Wax", "Honey"],
    True,
    {"scans": ["1.png", "2.png"], "cover": 3, "note": "é"},
    [["count", "2", {"number": 1}], ["count", "3", {"number": 2}]],
    *("https://example.org/no", "No.", 3),
    "AbortError",
]


@pytest.mark.parametrize("site", ["protocol"], indirect=True)
async def test_model_apis_are_whole_in_typescript(on_node: Any) -> None:
    assert await on_node(library(), SCRIPT) == EXPECTED
