"""Errors of an API in the visitor's language: pydantic's, msgspec's, validators' and the documents' own texts."""

from __future__ import annotations

import ast
import datetime
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from babel.messages.pofile import read_po
from pydantic import AfterValidator, TypeAdapter, field_validator
from pydantic import Field as PydanticField
from pydantic import ValidationError as PydanticError
from pydantic_core import core_schema

import covet
from covet import validators
from covet.db import models
from covet.db.models.constraints import BaseConstraint
from covet.db.models.fields.base import Field
from covet.exceptions import PermissionDenied, ValidationError
from covet.http import Request
from covet.http.forms import FormData
from covet.i18n import override as speaking
from covet.problems import ProblemError, problem_for
from covet.rest import ModelSchema, Router, Schema
from covet.rest.bodies import files_of, only_fields
from covet.rest.errors import body_errors
from covet.schema.messages import STRUCT_TEXTS, TEXTS, error_list, struct_text
from covet.urls import include, path
from tests.handlers.sites import Site, make_application
from tests.rest.library import Author

LOCALE = ["covet.middleware.locale.LocaleMiddleware"]
ROOT = Path(covet.__file__).parent
LANGUAGES = ["de", "fr", "es"]

api = Router(permissions=[])


class Book(Schema):
    title: Annotated[str, PydanticField(max_length=5)]
    pages: int
    site: str = ""
    day: datetime.date | None = None

    @field_validator("site")
    @classmethod
    def checks(cls, value: str) -> str:
        if value:
            validators.validate_url(value)
        return value


class AuthorIn(ModelSchema, model=Author, fields=["name"]): ...


class Shelf(msgspec.Struct, forbid_unknown_fields=True):
    place: Annotated[str, msgspec.Meta(max_length=3)]
    number: int


@api.post("books")
async def add(request: Request, book: Book) -> dict[str, str]:
    return {"title": book.title}


@api.post("shelves")
async def place(request: Request, shelf: Shelf) -> dict[str, str]:
    return {"place": shelf.place}


@api.get("books")
async def find(request: Request, page: int) -> dict[str, int]:
    if page == 0:
        raise ValidationError({"page": ValidationError("Enter a valid value.", code="invalid")})
    if page == 1:
        raise PermissionDenied
    return {"page": page}


async def told(client: Any, method: str, address: str, language: str, body: Any = None) -> Any:
    answer = await client.request(method, address, json=body, headers={"Accept-Language": language})
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def test_pydantics_errors_are_told_in_the_visitors_language(site: Site) -> None:
    client = await site([path("", include(api))], middleware=LOCALE)
    wrong = {"title": "Middlemarch", "pages": "many", "site": "nowhere"}
    answer = await told(client, "POST", "/books", "de-AT, en;q=0.5", wrong)
    document = answer.json()
    assert answer.status_code == 422 and answer.headers["content-language"] == "de"
    assert document["title"] == "Nicht verarbeitbarer Inhalt"
    assert document["detail"] == "Einige Werte sind nicht gültig."
    assert [(one["pointer"], one["detail"], one["code"]) for one in document["errors"]] == [
        ("/title", "Das darf höchstens 5 Zeichen haben.", "string_too_long"),
        ("/pages", "Geben Sie eine ganze Zahl ein.", "int_parsing"),
        ("/site", "Geben Sie eine gültige URL ein.", "value_error"),
    ]
    missing = (await told(client, "POST", "/books", "fr", {})).json()["errors"]
    assert {one["detail"] for one in missing} == {"Cette valeur est obligatoire."}
    english = (await told(client, "POST", "/books", "en", wrong)).json()
    assert english["detail"] == "Some values are not valid."
    assert english["errors"][0]["detail"] == "String should have at most 5 characters"


async def test_a_date_that_cannot_be_read_is_told_in_the_visitors_language(site: Site) -> None:
    client = await site([path("", include(api))], middleware=LOCALE)
    for day in ("2026-13-01", "tomorrow"):
        (wrong,) = (await told(client, "POST", "/books", "de", {"title": "A", "pages": 1, "day": day})).json()["errors"]
        assert wrong["detail"] == "Geben Sie ein gültiges Datum ein."


async def test_unknown_fields_are_told_in_the_visitors_language(site: Site) -> None:
    async def details(address: str, language: str, body: Any) -> list[str]:
        answer = await told(client, "POST", address, language, body)
        return [one["detail"] for one in answer.json()["errors"]]

    client = await site([path("", include(api))], middleware=LOCALE)
    book = {"title": "A", "pages": 1, "page": 2, "x": 3}
    assert await details("/books", "de", book) == [
        "Unbekanntes Feld 'page'. Meinten Sie 'pages'?",
        "Unbekanntes Feld 'x'. Möglich sind: title, pages, site, day.",
    ]
    assert (await details("/books", "en", book))[0] == "Unknown field 'page'. Did you mean 'pages'?"
    shelf = {"place": "up", "number": 1, "plaice": 1}
    assert await details("/shelves", "fr", shelf) == ["Champ inconnu 'plaice'. Vouliez-vous dire 'place' ?"]
    assert await details("/shelves", "es", {**shelf, "zzz": 1}) == [
        "Campo desconocido 'plaice'. ¿Quiso decir 'place'?",
        "Campo desconocido 'zzz'. Admite: place, number.",
    ]


async def test_parameters_structs_and_documents_are_told_in_it_too(site: Site) -> None:
    client = await site([path("", include(api))], middleware=LOCALE)
    (parameter,) = (await told(client, "GET", "/books?page=x", "es")).json()["errors"]
    assert parameter == {"detail": "Introduzca un número entero.", "parameter": "page", "code": "int_parsing"}
    (own,) = (await told(client, "GET", "/books?page=0", "fr")).json()["errors"]
    assert own == {"detail": "Saisissez une valeur valide.", "pointer": "/page", "code": "invalid"}
    refused = (await told(client, "GET", "/books?page=1", "de")).json()
    assert refused["title"] == "Verboten" and refused["detail"] == "Das dürfen Sie nicht."
    struct = (await told(client, "POST", "/shelves", "de", {"place": "upstairs", "number": 1})).json()["errors"]
    assert [one["detail"] for one in struct] == ["Die Länge darf höchstens 3 sein."]
    lost = (await told(client, "GET", "/nothing", "de")).json()
    assert lost["title"] == "Nicht gefunden"


@pytest.fixture
def catalogs() -> None:
    """Covet's own catalogues, in a registry of the test."""
    make_application([])


def test_unknown_fields_of_a_form_are_told_in_it_too(catalogs: None) -> None:
    errors: list[ProblemError] = []
    with speaking("de"):
        only_fields(errors, {"text": "a", "txt": "b", "x": "c"}, ["text"])
    assert [one.detail for one in errors] == [
        "Unbekanntes Feld 'txt'. Meinten Sie 'text'?",
        "Unbekanntes Feld 'x'. Möglich sind: text.",
    ]


def test_a_key_that_is_not_written_and_a_text_for_a_file_are_told_in_it_too(catalogs: None) -> None:
    told: dict[str, list[str]] = {}
    for language in ("de", "es", "fr", "en"):
        errors: list[ProblemError] = []
        files_of(errors, FormData([("cover", "text")]), "cover", many=False)
        with speaking(language):
            with pytest.raises(PydanticError) as found:
                AuthorIn.model_validate({"name": "Ann", "id": 1})
            body_errors(errors, found.value, AuthorIn, b'{"name": "Ann", "id": 1}')
            told[language] = [one.as_dict()["detail"] for one in errors]

    assert told == {
        "de": [
            "Das ist Text und keine Datei. Senden Sie sie mit einem Dateinamen.",
            "Unbekanntes Feld 'id'. Der Schlüssel wird hier nicht geschrieben: Lassen Sie ihn weg.",
        ],
        "es": [
            "Esto es texto y no un archivo. Envíelo con un nombre de archivo.",
            "Campo desconocido 'id'. La clave no se escribe aquí: omítala.",
        ],
        "fr": [
            "C’est du texte et non un fichier. Envoyez-le avec un nom de fichier.",
            "Champ inconnu 'id'. La clé ne s’écrit pas ici : omettez-la.",
        ],
        "en": [
            "This is a text and no file. Send it with a file name.",
            "Unknown field 'id'. The key is not written here: leave it out.",
        ],
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_of_keys_is_in_the_catalogue(catalogs: None, language: str) -> None:
    for text in ("The database makes this key; leave it out.", "This key is made here; leave it out."):
        with speaking(language):
            assert ProblemError(text).as_dict()["detail"] != text


def test_validators_and_constraints_speak_it(catalogs: None) -> None:
    class Even(models.CheckConstraint):
        pass

    with speaking("de"):
        with pytest.raises(ValidationError) as found:
            validators.MaxLengthValidator(3)("Emma")
        assert found.value.messages == ["Dieser Wert darf höchstens 3 Zeichen haben (er hat 4)."]
        rule = Even(condition=models.Q(pages__gt=0), name="pages_even")
        assert rule.violation().messages == ["Die Bedingung „pages_even“ ist verletzt."]
        assert problem_for(ValueError()).as_dict()["detail"] == "Der Server konnte diese Anfrage nicht beantworten."
    assert found.value.messages == ["Ensure this value has at most 3 characters (it has 4)."]


def test_what_no_catalogue_has_stays_as_it_is(catalogs: None) -> None:
    def own(value: int) -> int:
        raise ValueError("No such shelf.")

    with pytest.raises(PydanticError) as found:
        TypeAdapter(Annotated[int, AfterValidator(own)]).validate_python(1)
    with speaking("de"):
        assert error_list(found.value)[0]["msg"] == "Value error, No such shelf."
        assert struct_text("Something else.") == "Something else."
    with speaking("xx"):
        assert struct_text("Invalid UUID.") == "Invalid UUID."
    with pytest.raises(PydanticError) as other:
        TypeAdapter(type(None) | set[int]).validate_python(5)
    with speaking("de"):
        assert "Input should be a valid set" in [one["msg"] for one in error_list(other.value)]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Object missing required field 'place'.", "Dieser Wert fehlt."),
        ("Expected 'int', got 'str'.", "Erwartet wird ein Wert der Art int, nicht str."),
        ("Expected 'str' of length >= 2.", "Die Länge muss mindestens 2 sein."),
        ("Expected 'int' >= 1.", "Dieser Wert muss mindestens 1 sein."),
        ("Expected 'int' <= 9.", "Dieser Wert darf höchstens 9 sein."),
        ("Expected 'str' matching regex '^a'.", "Das hat nicht die verlangte Form."),
        ("Invalid enum value 'x'.", "'x' gehört nicht zu den möglichen Werten."),
        ("Invalid UUID.", "Geben Sie eine gültige UUID ein."),
    ],
)
def test_msgspecs_sentences_are_known(catalogs: None, said: str, text: str) -> None:
    with speaking("de"):
        assert struct_text(said) == text


def messages() -> Iterator[str]:
    """Every text of ours that tells of a wrong value."""
    yield from TEXTS.values()
    yield from (text for _, text in STRUCT_TEXTS)
    for module in (validators, importlib.import_module("covet.postgres.validators")):
        for value in vars(module).values():
            if isinstance(getattr(value, "message", None), str):
                yield value.message
    for name in ("fields", "constraints"):
        importlib.import_module(f"covet.postgres.{name}")
    for kind in below(Field):
        if kind.__module__.startswith("covet."):
            yield from map(str, vars(kind).get("default_error_messages", {}).values())
    for kind in below(BaseConstraint):
        if kind.__module__.startswith("covet.") and "default_violation_error_message" in vars(kind):
            yield str(kind.default_violation_error_message)
    # Texts that are given where the error is raised.
    for file in ("auth/passwords.py", "auth/validators.py", "db/models/clean.py", "schema/messages.py"):
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            is_text = isinstance(node, ast.Call) and ast.unparse(node.func) in ("ValidationError", "_") and node.args
            if is_text and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def below(kind: type[Any]) -> Iterator[Any]:
    yield kind
    for one in kind.__subclasses__():
        yield from below(one)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_ours_is_in_the_catalogue_with_its_places(language: str) -> None:
    folder = ROOT / "i18n" / "locale" / language / "LC_MESSAGES"
    with (folder / "covet.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    known = {str(message.id): str(message.string) for message in catalog if message.id}
    assert set(messages()) - set(known) == set()
    places = re.compile(r"%\(\w+\)[a-z]")
    for text, translated in known.items():
        assert translated
        assert sorted(places.findall(text)) == sorted(places.findall(translated)), text
    assert not [message for message in catalog if message.fuzzy]
    assert (folder / "covet.mo").is_file(), "make setup compiles it; or run scripts/compile_catalogs.py"


def test_kinds_are_those_that_pydantic_has() -> None:
    assert set(TEXTS) <= set(core_schema.ErrorType.__args__)  # type: ignore[attr-defined]  # a Literal
