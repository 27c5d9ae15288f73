"""Print the project's OpenAPI document, or say what of its change breaks clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from covet.apps.registry import apps
from covet.concurrency import to_thread
from covet.exceptions import CommandError
from covet.json import dumps, loads
from covet.management.decorator import command, json_option
from covet.management.output import note, out

if TYPE_CHECKING:
    from covet.rest.openapi.breaking import Breakage

__all__ = ["openapi"]

_YAML = (".yaml", ".yml")


@command(parts=["covet.rest.part.RestPart"], starts=[])
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file; .yaml and .yml are YAML.",
)
@click.option(
    "--check",
    "against",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with this document; exit with 1 if clients of it would break.",
)
@click.option("--document", "name", metavar="NAME", help="This one of OPENAPI_DOCUMENTS.")
@click.option("--api-version", metavar="VERSION", help="This version of the API.")
@json_option
async def openapi(
    *, output: Path | None, against: Path | None, name: str | None, api_version: str | None, as_json: bool
) -> None:
    """Print the OpenAPI 3.1 document of the project's endpoints.

    With --check FILE, compare it with the document in FILE instead, such as the one of the last release, and name each
    change that breaks its clients: what is gone, what is required now, what may be another value than was told.
    """
    from covet.rest.part import RestPart  # heavy

    try:
        document = apps.current().part(RestPart).document(name, api_version)
    except KeyError as error:
        raise CommandError(f"There is no document or version {error.args[0]!r} of the API.") from error
    if against is not None:
        await _check(against, document, as_json)
        return
    if output is None:
        out.line(dumps(document, indent=None if as_json else 2).decode())
        return
    body = _yaml().write(document) if output.suffix in _YAML else dumps(document, indent=2) + b"\n"
    await to_thread(output.write_bytes, body)
    note(f"Wrote {output}.")


async def _check(file: Path, document: dict[str, Any], as_json: bool) -> None:
    from covet.rest.openapi.breaking import breakages

    found: list[Breakage] = breakages(await to_thread(_read, file), document)
    if as_json:
        out.json({"file": str(file), "breaking": [one.to_dict() for one in found]})
    else:
        for one in found:
            out.line(str(one))
    if found:
        number = "One change breaks" if len(found) == 1 else f"{len(found)} changes break"
        raise CommandError(
            f"{number} clients of {file}. Keep what they use beside the new, or, if it is meant, write the new document "
            f"there: manage.py openapi --output {file}"
        )
    if not as_json:
        note(f"Nothing breaks clients of {file}.")


def _yaml() -> Any:
    """Return the form of YAML.

    Raises:
        MissingDependency: Its library is not installed.
    """
    from covet.rest.formats.yaml_text import YAML

    assert YAML.check is not None  # it needs a library
    YAML.check()
    return YAML


def _read(file: Path) -> dict[str, Any]:
    """Return the document in a file.

    Raises:
        CommandError: It is none.
    """
    is_yaml = file.suffix in _YAML
    form = "YAML" if is_yaml else "JSON"
    try:
        document = _yaml().read(file.read_bytes()) if is_yaml else loads(file.read_bytes())
    except ValueError as error:
        raise CommandError(f"{file} is not valid {form} ({error}). manage.py openapi --output writes one.") from error
    if (
        not isinstance(document, dict)
        or "paths" not in document
        or not str(document.get("openapi", "")).startswith("3")
    ):
        raise CommandError(
            f"{file} is no OpenAPI 3 document: it has no 'paths'. manage.py openapi --output writes one."
        )
    return document
