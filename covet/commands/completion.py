"""Print the script that makes a shell complete commands and options."""

import click

from covet.management.completion import SHELLS, source
from covet.management.decorator import command
from covet.management.output import out

__all__ = ["completion"]


@command(parts=None)
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--program", default="covet-admin", show_default=True, help="The program to complete.")
def completion(shell: str, program: str) -> None:
    """Print the script that makes SHELL complete commands and options.

    For bash: covet-admin completion bash >> ~/.bashrc
    """
    out.line(source(shell, program))
