"""The comparison of two OpenAPI documents names what breaks clients, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from covet.rest.openapi.breaking import breakages

OLD: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/books/{pk}": {
            "get": {
                "parameters": [
                    {"name": "pk", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},
                    {"name": "size", "in": "query", "schema": {"type": "integer", "maximum": 200}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}}}
                },
            },
            "put": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/BookIn"}}}},
                "responses": {"204": {}},
            },
        }
    },
    "components": {
        "schemas": {
            "Book": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "title": {"type": "string"},
                    "note": {"type": "string"},
                    "kind": {"enum": ["novel", "poem"]},
                    "sequel": {"anyOf": [{"$ref": "#/components/schemas/Book"}, {"type": "null"}]},
                },
                "required": ["id", "title", "sequel"],
            },
            "BookIn": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "title": {"type": "string", "maxLength": 50},
                    "kind": {"enum": ["novel", "poem"]},
                    "year": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                },
                "required": ["title"],
            },
        }
    },
}


def changed(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    new = copy.deepcopy(OLD)
    change(new)
    return [str(one) for one in breakages(OLD, new)]


def book(document: dict[str, Any], name: str = "Book") -> Any:
    return document["components"]["schemas"][name]["properties"]


def get(document: dict[str, Any]) -> Any:
    return document["paths"]["/books/{pk}"]["get"]


def test_nothing_breaks_where_nothing_changed() -> None:
    assert breakages(OLD, OLD) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda d: d["paths"]["/books/{pk}"].pop("put"), "PUT /books/{pk}: is gone."),
        (lambda d: get(d)["parameters"].pop(1), "GET /books/{pk}: query parameter 'size': is not read any more."),
        (
            lambda d: get(d)["parameters"][1].update(required=True),
            "GET /books/{pk}: query parameter 'size': is required now.",
        ),
        (
            lambda d: get(d)["parameters"].append({"name": "q", "in": "query", "required": True, "schema": {}}),
            "GET /books/{pk}: query parameter 'q': is new and required.",
        ),
        (
            lambda d: get(d)["parameters"][1]["schema"].update(maximum=100),
            "GET /books/{pk}: query parameter 'size': maximum is 100, and was 200.",
        ),
        (
            lambda d: get(d)["parameters"][0].update(schema={"type": "string", "format": "uuid"}),
            "GET /books/{pk}: path parameter 'pk': integer is not taken any more.",
        ),
        (lambda d: book(d).pop("note"), "GET /books/{pk}: answer 200 /note: is gone."),
        (
            lambda d: d["components"]["schemas"]["Book"]["required"].remove("title"),
            "GET /books/{pk}: answer 200 /title: may be missing now.",
        ),
        (
            lambda d: book(d).update(title={"anyOf": [{"type": "string"}, {"type": "null"}]}),
            "GET /books/{pk}: answer 200 /title: may be null now.",
        ),
        (
            lambda d: book(d).update(id={"type": "string"}),
            "GET /books/{pk}: answer 200 /id: may be string now.",
        ),
        (
            lambda d: book(d)["kind"]["enum"].append("play"),
            'GET /books/{pk}: answer 200 /kind: may be "play" now.',
        ),
        (
            lambda d: book(d, "BookIn")["kind"]["enum"].remove("poem"),
            'PUT /books/{pk}: body /kind: "poem" is not taken any more.',
        ),
        (
            lambda d: book(d, "BookIn").update(year={"type": "integer"}),
            "PUT /books/{pk}: body /year: null is not taken any more.",
        ),
        (lambda d: book(d, "BookIn").pop("year"), "PUT /books/{pk}: body /year: is not taken any more."),
        (
            lambda d: d["components"]["schemas"]["BookIn"]["required"].append("year"),
            "PUT /books/{pk}: body /year: is required now.",
        ),
        (
            lambda d: d["paths"]["/books/{pk}"]["put"]["requestBody"].update(required=True),
            "PUT /books/{pk}: body: is required now.",
        ),
        (lambda d: get(d).update(security=[{"session": []}]), "GET /books/{pk}: asks for credentials now."),
        (
            lambda d: get(d)["responses"].update({"201": get(d)["responses"].pop("200")}),
            "GET /books/{pk}: answer 200: is gone.",
        ),
        (
            lambda d: get(d)["responses"]["200"]["content"].pop("application/json"),
            "GET /books/{pk}: answer 200: application/json is not given any more.",
        ),
    ],
)
def test_a_change_that_breaks_is_named(change: Callable[[dict[str, Any]], Any], text: str) -> None:
    assert changed(change) == [text]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: get(d)["parameters"].append({"name": "q", "in": "query", "schema": {}}),
        lambda d: get(d)["parameters"][1]["schema"].update(maximum=500),
        lambda d: get(d)["parameters"][1]["schema"].update(type="number"),
        lambda d: get(d)["parameters"][2].update(name="x-trace"),
        lambda d: book(d).update(pages={"type": "integer"}),
        lambda d: book(d)["kind"]["enum"].remove("poem"),
        lambda d: d["components"]["schemas"]["Book"]["required"].append("note"),
        lambda d: book(d, "BookIn").update(pages={"type": "integer"}),
        lambda d: book(d, "BookIn")["kind"]["enum"].append("play"),
        lambda d: book(d, "BookIn").update(title={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        lambda d: d["paths"].update({"/books/{id}": d["paths"].pop("/books/{pk}")}),
        lambda d: d["paths"].update({"/new": get(d)}),
    ],
)
def test_what_gives_more_or_asks_less_breaks_nobody(change: Callable[[dict[str, Any]], Any]) -> None:
    assert changed(change) == []


def test_each_operation_tells_of_its_own_place() -> None:
    found = breakages(OLD, {"openapi": "3.1.0", "paths": {}})

    assert [one.to_dict() for one in found] == [
        {"operation": "GET /books/{pk}", "place": "", "text": "is gone."},
        {"operation": "PUT /books/{pk}", "place": "", "text": "is gone."},
    ]


RICH: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/a": {
            "post": {
                "parameters": [
                    {"name": "ids", "in": "query", "explode": False, "schema": {"type": "array"}},
                    {"name": "theme", "in": "cookie", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"type": "integer"}},
                        "application/msgpack": {"schema": {"type": "integer"}},
                    }
                },
                "responses": {
                    "200": {
                        "headers": {"ETag": {}},
                        "content": {
                            "application/json": {"schema": {"type": "integer"}},
                            "application/yaml": {"schema": {"type": "integer"}},
                        },
                    }
                },
                "security": [{"session": [], "csrf": []}, {"token": []}],
            }
        }
    },
    "webhooks": {
        "sold": {"post": {"requestBody": {"content": {"application/json": {"schema": {"enum": ["a"]}}}}}},
        "lost": {"put": {}},
    },
}


def rich(document: dict[str, Any]) -> Any:
    return document["paths"]["/a"]["post"]


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (
            lambda d: rich(d)["parameters"][0].update(explode=True),
            ["POST /a: query parameter 'ids': is written as repeated names now, and was with commas."],
        ),
        (
            lambda d: rich(d)["parameters"].pop(1),
            ["POST /a: cookie parameter 'theme': is not read any more."],
        ),
        (
            lambda d: rich(d)["requestBody"]["content"].pop("application/msgpack"),
            ["POST /a: body: application/msgpack is not read any more."],
        ),
        (
            lambda d: [one.update(schema={"type": "string"}) for one in rich(d)["requestBody"]["content"].values()],
            ["POST /a: body: integer is not taken any more."],
        ),
        (
            lambda d: [
                one.update(schema={"type": "string"}) for one in rich(d)["responses"]["200"]["content"].values()
            ],
            ["POST /a: answer 200: may be string now."],
        ),
        (
            lambda d: rich(d)["responses"]["200"]["headers"].clear(),
            ["POST /a: answer 200: the header ETag is not sent any more."],
        ),
        (
            lambda d: rich(d)["security"].pop(1),
            ["POST /a: does not take the credentials token any more."],
        ),
        (lambda d: rich(d)["security"][0].pop("csrf"), []),
        (lambda d: d["webhooks"].pop("sold"), ["webhook sold: is not sent any more."]),
        (
            lambda d: d["webhooks"]["lost"].update(post=d["webhooks"]["lost"].pop("put")),
            ["webhook lost: is not sent by PUT."],
        ),
        (
            lambda d: d["webhooks"]["sold"]["post"]["requestBody"]["content"]["application/json"]["schema"][
                "enum"
            ].append("b"),
            ['webhook sold: body: may be "b" now.'],
        ),
    ],
)
def test_parameters_forms_credentials_and_webhooks_are_compared(
    change: Callable[[dict[str, Any]], Any], texts: list[str]
) -> None:
    new = copy.deepcopy(RICH)
    change(new)

    assert [str(one) for one in breakages(RICH, new)] == texts


FULL: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/orders": {
            "post": {
                "operationId": "create_order",
                "parameters": [
                    {"name": "size", "in": "query", "schema": {"type": "integer", "default": 50, "multipleOf": 10}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                "responses": {
                    "201": {
                        "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                    }
                },
                "security": [{"oauth": ["read"]}],
                "callbacks": {
                    "paid": {
                        "{$request.body#/url}": {
                            "post": {"requestBody": {"content": {"application/json": {"schema": {"enum": ["yes"]}}}}}
                        }
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Order": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "readOnly": True},
                    "secret": {"type": "string", "writeOnly": True},
                    "note": {"type": "string", "default": ""},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "codes": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                },
                "required": ["id"],
            }
        },
        "securitySchemes": {
            "oauth": {
                "type": "oauth2",
                "flows": {"clientCredentials": {"tokenUrl": "https://a.example/token", "scopes": {"read": ""}}},
            },
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        },
    },
}


def order(document: dict[str, Any]) -> Any:
    return document["components"]["schemas"]["Order"]


def create(document: dict[str, Any]) -> Any:
    return document["paths"]["/orders"]["post"]


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (
            lambda d: create(d)["parameters"][0]["schema"].update(default=10),
            ["POST /orders: query parameter 'size': default is 10, and was 50."],
        ),
        (
            lambda d: create(d)["parameters"][0]["schema"].pop("default"),
            ["POST /orders: query parameter 'size': default is not set, and was 50."],
        ),
        (
            lambda d: create(d)["parameters"][0]["schema"].update(multipleOf=20),
            ["POST /orders: query parameter 'size': multipleOf is 20, and was 10."],
        ),
        (lambda d: create(d)["parameters"][0]["schema"].update(multipleOf=5), []),
        (
            lambda d: create(d)["parameters"][1]["schema"].update(uniqueItems=True),
            ["POST /orders: query parameter 'tags': may not hold the same twice any more."],
        ),
        (
            lambda d: order(d)["properties"]["codes"].pop("uniqueItems"),
            ["POST /orders: answer 201 /codes: may hold the same twice now."],
        ),
        (
            lambda d: order(d)["properties"]["note"].update(default="-"),
            ["POST /orders: body /note: default is -, and was ."],
        ),
        (
            lambda d: order(d)["properties"]["note"].update(readOnly=True),
            ["POST /orders: body /note: is not taken any more."],
        ),
        (
            lambda d: order(d)["properties"]["note"].update(writeOnly=True),
            ["POST /orders: answer 201 /note: is gone."],
        ),
        (lambda d: order(d)["properties"]["secret"].pop("writeOnly"), []),
        (
            # Who sends orders leaves out what is read only, required or not.
            lambda d: (
                order(d)["properties"].update(made={"type": "string", "readOnly": True}),
                order(d)["required"].append("made"),
            ),
            [],
        ),
        (
            lambda d: order(d)["properties"].update(labels={"type": "object", "additionalProperties": False}),
            ["POST /orders: body /labels/*: is not taken any more."],
        ),
        (
            lambda d: create(d)["responses"]["201"]["headers"]["Location"].pop("required"),
            ["POST /orders: answer 201: the header Location may be missing now."],
        ),
        (
            lambda d: create(d).update(security=[{"oauth": ["read", "write"]}]),
            ["POST /orders: asks for the scope write of oauth now."],
        ),
        (lambda d: create(d).update(security=[{"oauth": []}]), []),
        (
            lambda d: d["components"]["securitySchemes"]["key"].update(name="X-Token"),
            ['credentials key: name is "x-token", and was "x-key".'],
        ),
        (lambda d: d["components"]["securitySchemes"]["key"].update(name="x-key", description="A key."), []),
        (
            lambda d: d["components"]["securitySchemes"].update(key={"type": "http", "scheme": "bearer"}),
            [
                'credentials key: type is "http", and was "apiKey".',
                'credentials key: in is null, and was "header".',
                'credentials key: name is null, and was "x-key".',
                'credentials key: scheme is "bearer", and was null.',
            ],
        ),
        (
            lambda d: d["components"]["securitySchemes"]["oauth"]["flows"]["clientCredentials"].update(tokenUrl="/t"),
            [
                'credentials oauth: flows is {"clientCredentials": {"tokenUrl": "/t"}}, and was '
                '{"clientCredentials": {"tokenUrl": "https://a.example/token"}}.'
            ],
        ),
        (
            lambda d: create(d)["callbacks"].pop("paid"),
            ["POST /orders callback paid {$request.body#/url}: is not sent any more."],
        ),
        (
            lambda d: create(d)["callbacks"]["paid"]["{$request.body#/url}"]["post"]["requestBody"]["content"][
                "application/json"
            ]["schema"]["enum"].append("no"),
            ['POST /orders callback paid {$request.body#/url}: body: may be "no" now.'],
        ),
        (
            lambda d: create(d).update(operationId="make_order"),
            [
                "POST /orders: is called make_order now, and was create_order: clients that are generated lose the method."
            ],
        ),
    ],
)
def test_defaults_habits_directions_scopes_and_callbacks_are_compared(
    change: Callable[[dict[str, Any]], Any], texts: list[str]
) -> None:
    new = copy.deepcopy(FULL)
    change(new)

    assert [str(one) for one in breakages(FULL, new)] == texts
