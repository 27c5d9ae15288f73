"""Give a user a new password."""

from __future__ import annotations

import os

import click

from covet.auth.part import AuthPart
from covet.auth.passwords import validate_password
from covet.auth.user_model import get_user_model
from covet.concurrency import maybe_await
from covet.db.models.part import ModelsPart
from covet.exceptions import CommandError, ValidationError
from covet.management import command
from covet.management.output import is_interactive, note, out

__all__ = ["changepassword"]


@command(parts=[ModelsPart, AuthPart])
@click.argument("username")
@click.option("--database", default="default", show_default=True, help="The alias to write to.")
async def changepassword(username: str, database: str) -> None:
    """Give a user a new password, asked for on the terminal or taken from COVET_NEW_PASSWORD."""
    model = get_user_model()
    user = await model._default_manager.using(database).filter(**{model.USERNAME_FIELD: username}).first()
    if user is None:
        raise CommandError(f"There is no user called {username!r}.")
    password = os.environ.get("COVET_NEW_PASSWORD")
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
    elif not is_interactive():
        raise CommandError("A new password is needed: run this on a terminal, or set COVET_NEW_PASSWORD.", exit_code=3)
    while password is None:
        typed: str = click.prompt("New password", hide_input=True, confirmation_prompt="New password (again)", err=True)
        try:
            validate_password(typed, user)
        except ValidationError as error:
            note("\n".join(error.messages))
            continue
        password = typed
    await user.set_password(password)
    await maybe_await(user.save(using=database, update_fields=["password"]))
    out.done(f"The password of {username} was changed; all sessions of theirs have ended.")
