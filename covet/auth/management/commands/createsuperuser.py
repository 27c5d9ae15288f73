"""Create a user who may do everything."""

from __future__ import annotations

import os
from typing import Any

import click

from covet.auth.part import AuthPart
from covet.auth.passwords import validate_password
from covet.auth.user_model import get_user_model
from covet.db.models.part import ModelsPart
from covet.exceptions import CommandError, ValidationError
from covet.management import command
from covet.management.output import is_interactive, note, out

__all__ = ["createsuperuser"]

_PREFIX = "COVET_SUPERUSER_"


@command(parts=[ModelsPart, AuthPart])
@click.option("--username", help="The value of the user model's USERNAME_FIELD.")
@click.option("--email", help="The e-mail address.")
@click.option("--noinput", is_flag=True, help="Ask nothing: take COVET_SUPERUSER_PASSWORD and the like.")
@click.option("--database", default="default", show_default=True, help="The alias to write to.")
async def createsuperuser(username: str | None, email: str | None, noinput: bool, database: str) -> None:
    """Create a user who may do everything.

    Without a terminal, or with --noinput, values come from the options and from COVET_SUPERUSER_USERNAME,
    COVET_SUPERUSER_EMAIL, COVET_SUPERUSER_PASSWORD and so on for each required field.
    """
    model = get_user_model()
    asking = is_interactive() and not noinput
    given = {model.USERNAME_FIELD: username, model.get_email_field_name(): email}
    names = [model.USERNAME_FIELD, *model.REQUIRED_FIELDS]
    values: dict[str, Any] = {}
    for name in names:
        field = model._meta.get_field(name)
        value = given.get(name) or os.environ.get(_PREFIX + name.upper())
        if value is None and asking:
            value = await _ask(model, field, database)
        if value is None:
            raise CommandError(
                f"A superuser needs a {field.verbose_name}. Give --{name.replace('_', '-')} "
                f"or set {_PREFIX}{name.upper()}.",
                exit_code=3,
            )
        values[name] = _checked(field, value)
    if await _exists(model, values[model.USERNAME_FIELD], database):
        raise CommandError(f"There is a user called {values[model.USERNAME_FIELD]!r} already; choose another name.")
    password = os.environ.get(_PREFIX + "PASSWORD")
    if password is None and asking:
        password = _ask_password(model(**values))
    manager = model._default_manager.db_manager(database)
    await manager.create_superuser(password=password, **values)
    out.done(f"Superuser {values[model.USERNAME_FIELD]} created.")
    if password is None:
        note(f"It has no password yet: run `manage.py changepassword {values[model.USERNAME_FIELD]}`.")


async def _ask(model: type[Any], field: Any, database: str) -> str:
    while True:
        value: str = click.prompt(str(field.verbose_name).capitalize(), err=True)
        try:
            _checked(field, value)
        except CommandError as error:
            note(str(error))
            continue
        if field.name == model.USERNAME_FIELD and await _exists(model, value, database):
            note("That name is taken already.")
            continue
        return value


def _ask_password(user: Any) -> str:
    while True:
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt="Password (again)", err=True)
        try:
            validate_password(password, user)
        except ValidationError as error:
            note("\n".join(error.messages))
            if not click.confirm("Use it all the same?", default=False, err=True):
                continue
        return password


def _checked(field: Any, value: str) -> Any:
    try:
        return field.clean(value, None)
    except ValidationError as error:
        raise CommandError(f"{str(field.verbose_name).capitalize()}: {' '.join(error.messages)}") from error


async def _exists(model: type[Any], username: Any, database: str) -> bool:
    return bool(await model._default_manager.using(database).filter(**{model.USERNAME_FIELD: username}).exists())
