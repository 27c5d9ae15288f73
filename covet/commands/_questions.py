"""Asks ``makemigrations``' questions in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.questioner import NO_DEFAULT, evaluate_default
from covet.management.output import note

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["TerminalQuestioner"]


class TerminalQuestioner:
    """A ``Questioner`` that asks the person at the terminal; every question has a way out that changes nothing."""

    def renamed_model(self, app_label: str, old_name: str, new_name: str) -> bool:
        """Ask whether a model was renamed."""
        return _yes(f"Was the model {app_label}.{old_name} renamed to {new_name}?", default=False)

    def moved_model(self, old_label: str, new_label: str) -> bool:
        """Ask whether a model went into another app."""
        return _yes(f"Did the model {old_label} move to {new_label}?", default=False)

    def renamed_field(self, app_label: str, model_name: str, old_name: str, new_name: str, field: Field[Any]) -> bool:
        """Ask whether a field was renamed."""
        place = f"{app_label}.{model_name}"
        kind = type(field).__name__
        return _yes(f"Was {place}.{old_name} renamed to {place}.{new_name} (a {kind})?", default=False)

    def default_for_new(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Ask what existing rows get in a new column that may not be NULL."""
        place = f"{app_label}.{model_name}.{field_name}"
        note(f"The new field {place} may not be NULL, so the rows that are there need a value.")
        choice = _choice(
            [
                "Give a value now, for the existing rows only",
                "Stop, and give the field a default or null=True in models.py",
            ]
        )
        if choice == 2:
            raise MigrationError("Stopped; no migration was written.", exit_code=3)
        return _value(field)

    def default_for_not_null(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Ask what becomes of rows that are NULL in a column that may no longer be."""
        place = f"{app_label}.{model_name}.{field_name}"
        note(f"The field {place} may no longer be NULL; there may be rows that are.")
        choice = _choice(
            [
                "Give a value now, for the rows that are NULL",
                "There are none, or another migration takes care of them",
                "Stop, and change models.py",
            ]
        )
        if choice == 3:
            raise MigrationError("Stopped; no migration was written.", exit_code=3)
        return NO_DEFAULT if choice == 2 else _value(field)

    def confirm_shared_default(self, app_label: str, model_name: str, field_name: str) -> bool:
        """Ask whether to go on although all existing rows get the same value in a unique column."""
        note(
            f"{app_label}.{model_name}.{field_name} is new and unique, and its default is computed once for all existing "
            "rows. With two rows or more that fails: add the field with null=True, fill it in a data migration, then make "
            "it unique."
        )
        return _yes("Write the migration all the same?", default=False)

    def confirm_merge(self, app_label: str, names: Sequence[str]) -> bool:
        """Ask whether the branches of an app's history may be joined."""
        return _yes(
            f"Join {' and '.join(names)} of {app_label}? Their changes must not touch each other.", default=False
        )

    def confirm_loss(self, losses: Sequence[str]) -> bool:
        """Say what is lost, and ask whether to go on."""
        note("Data would be lost:")
        for text in losses:
            note(f"  {text}")
        return _yes("Write the migration all the same?", default=False)


def _yes(question: str, *, default: bool) -> bool:
    return click.confirm(question, default=default, err=True)


def _choice(options: Sequence[str]) -> int:
    for number, option in enumerate(options, 1):
        note(f"  {number}) {option}")
    chosen: int = click.prompt("Which", type=click.IntRange(1, len(options)), err=True)
    return chosen


def _value(field: Field[Any]) -> Any:
    """Ask for a Python expression until one can be evaluated."""
    note("A Python expression; datetime, timezone, uuid and Decimal are at hand. An empty line, or exit, stops.")
    is_moment = bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))
    while True:
        text = click.prompt(">>>", default="timezone.now" if is_moment else "", show_default=is_moment, err=True)
        if text.strip() in {"", "exit", "exit()", "quit", "quit()"}:
            raise MigrationError("Stopped; no migration was written.", exit_code=3)
        try:
            return evaluate_default(text)
        except Exception as error:  # whatever the expression raises is shown, and asked again
            note(f"{type(error).__name__}: {error}")
