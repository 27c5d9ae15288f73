"""JSON schemas become the TypeScript types that people would write."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from covet.rest.openapi.typescript import typescript_client
from covet.rest.openapi.typescript_types import Names, comment, declarations, member, type_of
from tests import _forking

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (True, "unknown"),
        (False, "never"),
        ({}, "unknown"),
        ({"type": "string", "format": "date-time"}, "string"),
        ({"type": "string", "format": "binary"}, "Blob"),
        ({"type": "integer"}, "number"),
        ({"type": ["integer", "null"]}, "number | null"),
        ({"const": "a"}, '"a"'),
        ({"const": 2.0}, "2"),
        ({"enum": ["a", 1, None, {"x": 1}]}, '"a" | 1 | null | unknown'),
        ({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "integer"}]}, "string | number"),
        ({"oneOf": []}, "never"),
        ({"oneOf": [{"type": "string"}], "properties": {"a": {}}}, "(string) & { a?: unknown }"),
        ({"allOf": [{"$ref": "#/components/schemas/A"}], "properties": {"b": {}}}, "A & { b?: unknown }"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "array"}, "unknown[]"),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "number"}}, "[string, ...number[]]"),
        ({"prefixItems": [{"type": "string"}], "items": False}, "[string]"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "Record<string, number>"),
        ({"type": "object", "additionalProperties": False}, "Record<string, never>"),
        (
            {"type": "object", "properties": {"a-b": {}, "c": {"type": "null"}}, "required": ["c"]},
            '{ "a-b"?: unknown; c: null }',
        ),
        (
            {"properties": {"a": {}}, "additionalProperties": True},
            "{ a?: unknown } & Record<string, unknown>",
        ),
        ({"$ref": "#/components/schemas/Elsewhere"}, "unknown"),
    ],
)
def test_a_schema_has_its_type(schema: Any, kind: str) -> None:
    assert type_of(schema, Names(["A"])) == kind


def test_names_are_identifiers_and_none_is_twice() -> None:
    given = ["Page_Book_", "PageBook", "Client", "Tree-Input", "2fold", "é"]
    names = Names(given)

    made = [names.of(f"#/components/schemas/{name}") for name in given]

    assert made == ["PageBook", "PageBook2", "ClientSchema", "TreeInput", "_2fold", "Schema"]


def test_a_comment_cannot_be_left() -> None:
    assert list(comment("a */ b")) == ["/** a *\\/ b */"]
    assert list(comment("")) == []
    assert list(comment("a\nb", "  ", "@deprecated")) == ["  /**", "   * a", "   * b", "   * @deprecated", "   */"]
    assert member("in") == "in"


def test_members_tell_what_they_are() -> None:
    schema = {
        "description": "One.",
        "type": "object",
        "properties": {
            "at": {"type": "string", "format": "date", "description": "When."},
            "old": {"type": "string", "deprecated": True},
        },
        "required": ["at"],
    }

    lines = list(declarations({"One": schema, "Two": {"type": "string"}}, Names(["One", "Two"])))

    assert lines == [
        "/** One. */",
        "export interface One {",
        "  /** When. (date) */",
        "  at: string;",
        "  /** @deprecated */",
        "  old?: string;",
        "}",
        "",
        "export type Two = string;",
        "",
    ]


def test_operations_that_say_little_still_have_methods() -> None:
    parameters = [
        {"name": "id", "in": "path", "schema": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        {"name": "id", "in": "query", "schema": {"type": "string"}},
        {"name": "a-b", "in": "query", "explode": False, "schema": {"type": "array"}},
    ]
    described = {
        "parameters": parameters,
        "responses": {"200": {"content": {"text/csv": {}}}, "204": {}, "default": {}},
    }
    document = {
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/a/{id}": {"get": described},
            "/b": {"get": {"operationId": "send", "responses": {}}, "put": {"operationId": "9", "responses": {}}},
        },
    }

    text = typescript_client(document)

    assert "async getAId(args: {" in text
    assert "id: number;" in text
    assert "id_query?: string;" in text
    assert 'query: [["id", args.id_query], ["a-b", args["a-b"], true]],' in text
    assert "Promise<string | undefined>" in text
    assert "async send2(options: RequestOptions = {}): Promise<void>" in text
    assert "async _9(" in text
    assert "export type Send2Error = ApiError;" in text
    assert "| null = null;" in text
    assert typescript_client(json.loads(json.dumps(document))) == text


def test_of_several_forms_of_a_body_one_is_given() -> None:
    title = {"schema": {"properties": {"title": {"type": "string"}}}}
    patches = {"application/merge-patch+json": title, "application/json-patch+json": {"schema": {"type": "array"}}}
    query = [{"name": "mergePatch", "in": "query", "schema": {"type": "string"}}]
    document = {
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/row": {
                "patch": {"operationId": "row", "requestBody": {"content": {"application/json": title, **patches}}},
                "put": {
                    "operationId": "all",
                    "parameters": query,
                    "requestBody": {"required": True, "content": {"application/json": title, **patches}},
                },
            },
            "/steps": {"patch": {"operationId": "steps", "requestBody": {"content": patches}}},
            "/table": {"put": {"operationId": "table", "requestBody": {"content": {"text/csv": {"schema": {}}}}}},
        },
    }

    text = typescript_client(document)

    assert (
        """async row(args: {
  } & (
    | { /** What is sent. */ body?: { title?: string }; mergePatch?: never; jsonPatch?: never; }"""
        in text
    )
    assert ") = {}, options: RequestOptions = {}): Promise<void> {" in text
    assert "body: { title?: string }; mergePatch_body?: never; jsonPatch?: never; }" in text
    assert '["application/merge-patch+json", args.mergePatch_body]' in text
    assert "body?: { title?: string }; jsonPatch?: never; }" in text
    assert "body?: BodyInit;" in text
    assert 'media: "text/csv",' in text


def manage(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "COVET_SETTINGS_MODULE": "blogsite.settings",
        "PYTHONPATH": str(ROOT / "examples/blog"),
    }
    return _forking.run(str(ROOT / "examples/blog/manage.py"), *arguments, cwd=cwd, env=environment)


def test_the_command_prints_the_client_or_writes_it(tmp_path: Path) -> None:
    printed = manage("client", "--lang", "ts", cwd=tmp_path)
    written = manage("client", "--output", "web/api", cwd=tmp_path)

    assert written.returncode == 0, written.stderr
    assert (tmp_path / "web/api/client.ts").read_text() == printed.stdout
    assert "async listArticles(" in printed.stdout
    assert "async *listArticlesItems(" in printed.stdout
    assert (
        'const CSRF: { readonly cookie: string; readonly header: string } | null = { cookie: "csrftoken"'
        in printed.stdout
    )


def test_the_command_names_a_version_that_there_is_not(tmp_path: Path) -> None:
    for command in ("client", "openapi"):
        done = manage(command, "--api-version", "9", cwd=tmp_path)

        assert done.returncode != 0
        assert "There is no document or version '9'" in done.stderr
