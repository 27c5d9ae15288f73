"""Print the project's GraphQL schema, for client generators and for review."""

from __future__ import annotations

from pathlib import Path

import click

from covet.apps.registry import apps
from covet.concurrency import to_thread
from covet.exceptions import CommandError
from covet.management.decorator import command, json_option
from covet.management.output import note, out

__all__ = ["graphql_schema"]


@command(parts=["covet.graphql.part.GraphQLPart"])
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@json_option
async def graphql_schema(*, output: Path | None, as_json: bool) -> None:
    """Print the GraphQL schema in the schema language, or as an introspection result with --json."""
    from covet.graphql.part import GraphQLPart  # heavy, and optional

    schema = apps.current().part(GraphQLPart).schema
    if schema is None:
        raise CommandError("No installed app defines a GraphQL Query. Write one in an app's schema.py.")
    if as_json:
        from covet.json import dumps

        text = dumps({"data": schema.introspect()}, indent=2).decode()
    else:
        text = str(schema)
    if output is None:
        out.line(text)
        return
    await to_thread(output.write_text, text + "\n", "utf-8")
    note(f"Wrote {output}.")
