"""GraphQL over HTTP: methods, content types, statuses, batches, and what a browser gets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from strawberry.extensions import SchemaExtension

from covet.conf import override
from covet.json import loads
from covet.management import call_command

MODERN = "application/graphql-response+json"


async def test_post_and_get_answer_a_query(http: httpx.AsyncClient) -> None:
    posted = await http.post("/graphql", json={"query": "{ __typename }"})
    got = await http.get(
        "/graphql",
        params={
            "query": "query Q($c: String!) { weather(city: $c) { degrees } }",
            "variables": '{"c": "ab"}',
            "operationName": "Q",
        },
    )

    assert posted.status_code == 200
    assert posted.json() == {"data": {"__typename": "Query"}}
    assert posted.headers["content-type"].startswith(MODERN)
    assert got.json() == {"data": {"weather": {"degrees": 3.0}}}


async def test_a_mutation_by_get_is_405_and_nothing_runs(http: httpx.AsyncClient) -> None:
    answer = await http.get("/graphql", params={"query": "mutation { rain }"}, headers={"x-user": "ann"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/graphql")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "OPERATION_NOT_FOUND"),
        ("subscription { count(to: 1) }", "SUBSCRIPTION_NOT_SUPPORTED"),
        ("query ($n: Int!) { weather { degrees } articles(first: $n) { totalCount } }", "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_be_run_is_400_with_the_modern_type_and_200_with_the_old(
    http: httpx.AsyncClient, query: str, code: str
) -> None:
    modern = await http.post("/graphql", json={"query": query}, headers={"accept": MODERN})
    legacy = await http.post("/graphql", json={"query": query}, headers={"accept": "application/json"})

    assert (modern.status_code, legacy.status_code) == (400, 200)
    assert modern.json() == legacy.json()
    assert "data" not in modern.json()
    assert modern.json()["errors"][0]["extensions"]["code"] == code
    assert legacy.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'"x"',
        b"{}",
        b'{"query": 1}',
        b'{"query": " "}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b"[" * 100_000,
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 100_000,
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
async def test_what_is_no_graphql_request_is_400_as_a_problem(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/graphql", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_variables_in_an_address_that_nest_too_deep_are_400(http: httpx.AsyncClient) -> None:
    answer = await http.get("/graphql", params={"query": "{ __typename }", "variables": "[" * 3000})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "The parameter variables is no JSON."


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/graphql", ""])
async def test_a_type_that_other_sites_can_send_without_asking_is_415(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": kind})

    assert answer.status_code == 415


async def test_a_client_that_takes_neither_type_is_406(http: httpx.AsyncClient) -> None:
    answer = await http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/csv"})

    assert answer.status_code == 406


async def test_batches_are_refused_unless_a_setting_allows_them(http: httpx.AsyncClient) -> None:
    batch = [{"query": "{ __typename }"}, {"query": "{ nothing }"}]
    refused = await http.post("/graphql", json=batch)
    with override(GRAPHQL_MAX_BATCH=2):
        allowed = await http.post("/graphql", json=batch)
        too_many = await http.post("/graphql", json=batch * 2)

    assert refused.status_code == 400
    assert allowed.json()[0] == {"data": {"__typename": "Query"}}
    assert allowed.json()[1]["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert too_many.status_code == 400


async def test_a_browser_gets_graphiql_with_a_strict_policy_and_local_files(http: httpx.AsyncClient) -> None:
    page = await http.get("/graphql", headers={"accept": "text/html,*/*;q=0.8"})
    sources = [part.split('"')[0] for part in page.text.split('src="')[1:]]
    files = [await http.get(source) for source in sources]

    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "http" not in page.text
    assert sources
    assert {file.status_code for file in files} == {200}


async def test_without_its_assets_the_page_is_a_plain_one(
    http: httpx.AsyncClient, monkeypatch: Any, tmp_path: Any
) -> None:
    monkeypatch.setattr("covet.graphql.pages._ASSETS", tmp_path)
    page = await http.get("/graphql", headers={"accept": "text/html"})

    assert "plain page" in page.text
    assert "plain.js" in page.text
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["nothing.js", "..%2F__init__.py", ".pins.json"])
async def test_only_the_pages_own_files_are_served(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.get(f"/graphql/assets/{name}")).status_code == 404


async def test_graphiql_and_introspection_can_be_off(http: httpx.AsyncClient) -> None:
    with override(GRAPHQL_GRAPHIQL=False, GRAPHQL_INTROSPECTION=False):
        page = await http.get("/graphql", headers={"accept": "text/html"})
        answer = await http.post("/graphql", json={"query": "{ __schema { types { name } } }"})
        misspelt = await http.post("/graphql", json={"query": "{ articlez { totalCount } }"})

    assert page.status_code == 400
    assert answer.status_code == 400
    assert "introspection" in answer.json()["errors"][0]["message"].lower()
    assert "__typename" not in str(misspelt.json())


async def test_introspection_shows_what_models_and_docstrings_say(http: httpx.AsyncClient) -> None:
    query = (
        '{ author: __type(name: "AuthorType") { description fields { name description } }'
        ' input: __type(name: "ArticleIn") { inputFields { name type { kind name ofType { name } } } } }'
    )
    answer = (await http.post("/graphql", json={"query": query})).json()["data"]

    assert answer["author"]["description"] == "Somebody who writes."
    assert {"name": "name", "description": "As it stands on the cover."} in answer["author"]["fields"]
    inputs = {field["name"]: field["type"] for field in answer["input"]["inputFields"]}
    assert inputs["author"] == {"kind": "NON_NULL", "name": None, "ofType": {"name": "ID"}}


async def test_numbers_beyond_32_bits_go_in_and_out(http: httpx.AsyncClient) -> None:
    query = "query ($f: ArticlesFilter) { articles(filters: $f) { totalCount } }"
    answer = await http.post("/graphql", json={"query": query, "variables": {"f": {"readsGte": 2**62}}})
    too_big = await http.post("/graphql", json={"query": query, "variables": {"f": {"readsGte": 2**70}}})

    assert answer.json() == {"data": {"articles": {"totalCount": 0}}}
    assert "64 bits" in too_big.json()["errors"][0]["message"]


class Timing(SchemaExtension):
    """Adds something to every answer."""

    def get_results(self) -> dict[str, Any]:
        return {"timing": "fast"}


async def test_extensions_of_strawberry_take_part(http: httpx.AsyncClient) -> None:
    with override(GRAPHQL_EXTENSIONS=[f"{__name__}.Timing"]):
        answer = await http.post("/graphql", json={"query": "{ __typename }"})

    assert answer.json() == {"data": {"__typename": "Query"}, "extensions": {"timing": "fast"}}


@pytest.mark.usefixtures("project")
async def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    await call_command("graphql_schema")
    language = capsys.readouterr().out
    await call_command("graphql_schema", as_json=True)
    introspected = loads(capsys.readouterr().out)

    assert "type ArticleType {" in language
    assert introspected["data"]["__schema"]["queryType"]["name"] == "Query"
