"""The questions that ``makemigrations`` may have, as a protocol, and the one who answers without a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct, field

from covet.db.migrations.errors import AnswerNeeded, MigrationError

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "NO_DEFAULT",
    "Answers",
    "Questioner",
    "Rename",
    "Unasked",
    "evaluate_default",
    "parse_default",
    "parse_rename",
]


class _NoDefault:
    """Says that existing rows get no value: the database will refuse if there are any."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()


class Questioner(Protocol):
    """Whoever decides what two states of the models cannot tell."""

    def renamed_model(self, app_label: str, old_name: str, new_name: str) -> bool:
        """Say whether the model that went is the one that came."""

    def moved_model(self, old_label: str, new_label: str) -> bool:
        """Say whether the model that went (``"blog.Item"``) is the one that came in another app."""

    def renamed_field(self, app_label: str, model_name: str, old_name: str, new_name: str, field: Field[Any]) -> bool:
        """Say whether the field that went is the one that came."""

    def default_for_new(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Return the value that existing rows get in a new NOT NULL column, once."""

    def default_for_not_null(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Return the value for rows that are NULL in a column that may no longer be; or ``NO_DEFAULT``."""

    def confirm_shared_default(self, app_label: str, model_name: str, field_name: str) -> bool:
        """Say whether to go on although all existing rows get the same value in a unique column."""

    def confirm_merge(self, app_label: str, names: Sequence[str]) -> bool:
        """Say whether the branches of an app's history may be merged."""

    def confirm_loss(self, losses: Sequence[str]) -> bool:
        """Say whether migrations may be written that throw this away."""


class Rename(Struct, frozen=True):
    """One ``--rename``: of a model (``blog.Item:Post``) or a field (``blog.Item.title:headline``), or a move.

    Attributes:
        new_app: The app that a model moves to (``blog.Item:shop.Item``); empty for the others.
    """

    app_label: str
    model_name: str
    field_name: str
    new_name: str
    new_app: str = ""


def parse_rename(text: str) -> Rename:
    """Read ``app.Model:New``, ``app.Model.field:new`` or ``app.Model:other_app.Model``.

    Raises:
        MigrationError: The text has another shape.
    """
    old, colon, new = text.partition(":")
    parts, news = old.split("."), new.split(".")
    if (
        colon
        and len(news) <= 4 - len(parts)
        and all(part.isidentifier() for part in [*parts, *news])
        and len(parts) > 1
    ):
        field_name = parts[2] if len(parts) == 3 else ""
        return Rename(
            parts[0].lower(), parts[1].lower(), field_name, news[-1], news[0].lower() if len(news) == 2 else ""
        )
    raise MigrationError(
        f"--rename {text!r} is not understood. Write app.Model:NewName for a model, app.Model.field:new_name for a field, "
        "app.Model:other_app.Model for a model that moves.",
        exit_code=2,
    )


def parse_default(text: str) -> tuple[tuple[str, str, str], Any]:
    """Read ``app.Model.field=EXPRESSION``.

    Raises:
        MigrationError: The text has another shape, or the expression cannot be evaluated.
    """
    place, equals, expression = text.partition("=")
    parts = place.split(".")
    if not equals or len(parts) != 3:
        raise MigrationError(f"--default {text!r} is not understood. Write app.Model.field=EXPRESSION.", exit_code=2)
    try:
        return (parts[0].lower(), parts[1].lower(), parts[2]), evaluate_default(expression)
    except Exception as error:
        raise MigrationError(f"--default {text!r}: {type(error).__name__}: {error}", exit_code=2) from error


def evaluate_default(expression: str) -> Any:
    """Evaluate the Python expression of a one-off default; ``datetime``, ``timezone``, ``uuid`` and ``decimal`` are at hand."""
    import datetime
    import decimal
    import uuid

    from covet import timezone

    scope = {"datetime": datetime, "timezone": timezone, "uuid": uuid, "decimal": decimal, "Decimal": decimal.Decimal}
    # The expression comes from the developer's own keyboard or command line, as in any Python shell.
    return eval(expression, scope)  # noqa: S307


class Answers(Struct):
    """Answers from the command line, and what to do about the rest.

    Without ``otherwise`` (nobody at a terminal) an open question raises ``AnswerNeeded``, exit code 3: nothing is
    guessed, since a wrong guess loses a column's data.
    """

    renames: Sequence[Rename] = ()
    defaults: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    nothing_renamed: bool = False
    loss_accepted: bool = False
    otherwise: Questioner | None = None

    def renamed_model(self, app_label: str, old_name: str, new_name: str) -> bool:
        """Answer from ``--rename``; else ask."""
        wanted = self.explicit_model(app_label, old_name)
        if wanted is not None or self._spoken_for(app_label, new_name):
            return wanted is not None and wanted.lower() == new_name.lower()
        if self.nothing_renamed:
            return False
        if self.otherwise is not None:
            return self.otherwise.renamed_model(app_label, old_name, new_name)
        raise AnswerNeeded(
            f"Was the model {app_label}.{old_name} renamed to {new_name}? Say --rename {app_label}.{old_name}:{new_name}, "
            "or --no-rename if it was removed and another one added."
        )

    def moved_model(self, old_label: str, new_label: str) -> bool:
        """Answer from ``--rename``; else ask."""
        label = old_label.lower()
        wanted = [rename for rename in self.renames if f"{rename.app_label}.{rename.model_name}" == label]
        moves = [f"{rename.new_app}.{rename.new_name}".lower() for rename in wanted if rename.new_app]
        if moves or self.nothing_renamed or any(not rename.field_name for rename in wanted):
            return new_label.lower() in moves
        if self.otherwise is not None:
            return self.otherwise.moved_model(old_label, new_label)
        raise AnswerNeeded(
            f"Did the model {old_label} move to {new_label}? Say --rename {old_label}:{new_label}, "
            "or --no-rename if it was removed and another one added."
        )

    def renamed_field(self, app_label: str, model_name: str, old_name: str, new_name: str, field: Field[Any]) -> bool:
        """Answer from ``--rename``; else ask."""
        wanted = self.explicit_field(app_label, model_name, old_name)
        if wanted is not None:
            return wanted == new_name
        if self.nothing_renamed:
            return False
        if self.otherwise is not None:
            return self.otherwise.renamed_field(app_label, model_name, old_name, new_name, field)
        place = f"{app_label}.{model_name}.{old_name}"
        raise AnswerNeeded(
            f"Was the field {place} renamed to {new_name}? Say --rename {place}:{new_name}, "
            "or --no-rename if it was removed and another one added."
        )

    def default_for_new(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Answer from ``--default``; else ask."""
        return self._default(
            (app_label, model_name, field_name),
            field,
            None if self.otherwise is None else self.otherwise.default_for_new,
            "is new and may not be NULL, so existing rows need a value",
        )

    def default_for_not_null(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Answer from ``--default``; else ask."""
        return self._default(
            (app_label, model_name, field_name),
            field,
            None if self.otherwise is None else self.otherwise.default_for_not_null,
            "may no longer be NULL, so rows that are NULL now need a value",
        )

    def confirm_shared_default(self, app_label: str, model_name: str, field_name: str) -> bool:
        """Ask; without a terminal the answer is yes when a default was given for the field."""
        if self.otherwise is not None:
            return self.otherwise.confirm_shared_default(app_label, model_name, field_name)
        raise AnswerNeeded(
            f"{app_label}.{model_name}.{field_name} is new and unique, and its default is computed once for all existing "
            "rows. Add it with null=True, fill it in a data migration, then make it unique; or answer at a terminal."
        )

    def confirm_merge(self, app_label: str, names: Sequence[str]) -> bool:
        """Ask; without a terminal ``--merge`` itself is the answer."""
        return self.otherwise is None or self.otherwise.confirm_merge(app_label, names)

    def confirm_loss(self, losses: Sequence[str]) -> bool:
        """Answer from ``--accept-data-loss``; else ask."""
        if self.loss_accepted:
            return True
        if self.otherwise is not None:
            return self.otherwise.confirm_loss(losses)
        raise AnswerNeeded(
            f"Data would be lost: {' '.join(losses)} Say --accept-data-loss if that is what you want, or --safe for steps "
            "of which the last one can wait."
        )

    def explicit_model(self, app_label: str, old_name: str) -> str | None:
        """Return the new name that ``--rename`` gives to a model."""
        for rename in self.renames:
            place = rename.app_label, rename.model_name, rename.field_name, rename.new_app
            if place == (app_label, old_name.lower(), "", ""):
                return rename.new_name
        return None

    def explicit_field(self, app_label: str, model_name: str, old_name: str) -> str | None:
        """Return the new name that ``--rename`` gives to a field."""
        for rename in self.renames:
            if (rename.app_label, rename.field_name) == (app_label, old_name) and rename.model_name in self.names_of(
                app_label, model_name
            ):
                return rename.new_name
        return None

    def names_of(self, app_label: str, model_name: str) -> set[str]:
        """Return the name of a model, and the one that it has by ``--rename`` no more: a field may be said of either."""
        lower = model_name.lower()
        return {lower} | {
            rename.model_name
            for rename in self.renames
            if not rename.field_name
            and (rename.new_app or rename.app_label, rename.new_name.lower()) == (app_label, lower)
            and rename.app_label == app_label
        }

    def _spoken_for(self, app_label: str, new_name: str) -> bool:
        return any(
            (rename.new_app or rename.app_label) == app_label
            and not rename.field_name
            and rename.new_name.lower() == new_name.lower()
            for rename in self.renames
        )

    def _default(
        self,
        names: tuple[str, str, str],
        field: Field[Any],
        ask: Callable[[str, str, str, Field[Any]], Any] | None,
        why: str,
    ) -> Any:
        app_label, model_name, field_name = names
        key = (app_label, model_name.lower(), field_name)
        if key in self.defaults:
            return self.defaults[key]
        if ask is not None:
            return ask(*names, field)
        place = ".".join(names)
        raise AnswerNeeded(
            f"{place} {why}. Give the field a default or null=True in the model, or say --default '{place}=EXPRESSION'."
        )


class Unasked:
    """Answers whatever lets the comparison go on: for finding out whether there are changes, not for writing them."""

    def renamed_model(self, app_label: str, old_name: str, new_name: str) -> bool:
        """Take it for removed and added."""
        return False

    def moved_model(self, old_label: str, new_label: str) -> bool:
        """Take it for removed and added."""
        return False

    def renamed_field(self, app_label: str, model_name: str, old_name: str, new_name: str, field: Field[Any]) -> bool:
        """Take it for removed and added."""
        return False

    def default_for_new(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Give none."""
        return NO_DEFAULT

    def default_for_not_null(self, app_label: str, model_name: str, field_name: str, field: Field[Any]) -> Any:
        """Give none."""
        return NO_DEFAULT

    def confirm_shared_default(self, app_label: str, model_name: str, field_name: str) -> bool:
        """Go on."""
        return True

    def confirm_merge(self, app_label: str, names: Sequence[str]) -> bool:
        """Go on."""
        return True

    def confirm_loss(self, losses: Sequence[str]) -> bool:
        """Go on."""
        return True
