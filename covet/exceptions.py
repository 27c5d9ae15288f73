"""Every error that users catch across subsystems, in one tree under ``CovetError``.

Where Python has the right kind, an error inherits from it too. Messages say what is wrong, where, and what to write
instead; the values in them are attributes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = [
    "NON_FIELD_ERRORS",
    "AppRegistryNotReady",
    "CommandError",
    "CovetDeprecationWarning",
    "CovetError",
    "FieldDoesNotExist",
    "FieldError",
    "ImproperlyConfigured",
    "MissingDependency",
    "MultipleObjectsReturned",
    "NotLoaded",
    "ObjectDoesNotExist",
    "PermissionDenied",
    "QueryNotAwaited",
    "SuspiciousOperation",
    "ValidationError",
]

NON_FIELD_ERRORS = "__all__"


class CovetError(Exception):
    """The root of every error that Covet raises on purpose."""


class CovetDeprecationWarning(DeprecationWarning):
    """Something still works but will not for long; the text names the replacement and the release."""


class ImproperlyConfigured(CovetError, ValueError):
    """A setting, an app or a declaration cannot be used as it is written."""


class MissingDependency(ImproperlyConfigured):
    """An optional package is needed and not installed; the text has the line that installs it.

    Args:
        package: The distribution that is missing.
        extra: The extra of ``covet`` that brings it.
        feature: What needs it, in a few words.
    """

    def __init__(self, package: str, *, extra: str, feature: str) -> None:
        super().__init__(f"{feature} needs the package '{package}'. Install it with: pip install 'covet[{extra}]'")
        self.package = package
        self.extra = extra


class AppRegistryNotReady(CovetError):
    """Models or apps were asked for before ``covet.setup()`` had loaded them."""


class CommandError(CovetError):
    """A command cannot do what it was asked; shown as one clear line, never as a traceback.

    Args:
        message: What is wrong and what to do.
        exit_code: 1 failed, 2 wrong usage, 3 would need an answer.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ObjectDoesNotExist(CovetError):
    """No row matches; every model has its own subclass, ``Model.DoesNotExist``."""


class MultipleObjectsReturned(CovetError):
    """More than one row matches where one was asked for; every model has its own subclass."""


class FieldDoesNotExist(CovetError):
    """A model has no field of that name."""


class FieldError(CovetError):
    """A query names a field or a look-up that does not exist or cannot be used there."""

    def __init__(self, message: str, *, model: type[Any] | None = None, name: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.model = model
        self.name = name
        self.hint = hint


class NotLoaded(CovetError):
    """A field, relation or instance was read before it was loaded; the message has the line that loads it.

    It is no ``AttributeError``, so that ``getattr`` defaults, templates and pydantic cannot swallow it.
    """


class QueryNotAwaited(CovetError, TypeError):
    """A queryset was iterated, measured or tested before it was awaited, or a manager was taken for its rows."""


class PermissionDenied(CovetError):
    """The user may not do this.

    Args:
        detail: Why, for people.
        code: The machine's name of the reason: ``code`` of the problem document.
    """

    def __init__(self, detail: object = "", *, code: str = "") -> None:
        super().__init__(*(() if detail == "" else (detail,)))
        self.code = code


class SuspiciousOperation(CovetError):
    """A request looks like an attack or a broken client; answered with 400."""


class Translation:
    """How a text is said in the current language: as it is, until the room of languages says otherwise."""

    __slots__ = ("of",)

    def __init__(self) -> None:
        self.of: Callable[[str], str] = str

    def use(self, function: Callable[[str], str]) -> None:
        """Take the function that translates."""
        self.of = function


translation = Translation()


class ValidationError(CovetError, ValueError):
    """One or more values are not valid.

    Args:
        message: A text, a list of texts or errors, or a mapping of field names to either.
        code: The machine's name of a single error, such as ``"invalid"``.
        params: Values for the ``%(name)s`` places of a single text.

    A single error has ``message``, ``code`` and ``params``; several have ``error_list``; a mapping has ``error_dict``.
    """

    message: Any
    error_list: list[ValidationError]

    def __init__(self, message: Any, code: str | None = None, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, code, params)
        self.code: str | None = None
        self.params: Mapping[str, Any] | None = None
        self.error_dict: dict[str, list[ValidationError]] | None = None
        if isinstance(message, ValidationError) and message.error_dict is None and len(message.error_list) == 1:
            self.message, self.code, self.params = message.message, message.code, message.params
            self.error_list = [self]
        elif isinstance(message, ValidationError):
            self.error_dict = message.error_dict
            self.error_list = message.error_list
            self.message = message.messages
        elif isinstance(message, Mapping):
            self.error_dict = {str(name): _flatten(errors) for name, errors in message.items()}
            self.error_list = [error for errors in self.error_dict.values() for error in errors]
            self.message = message
        elif isinstance(message, (list, tuple)):
            self.error_list = _flatten(message)
            self.message = message
        else:
            self.message, self.code, self.params = message, code, params
            self.error_list = [self]

    @property
    def message_dict(self) -> dict[str, list[str]]:
        """Texts by field name; errors of no one field stand under ``NON_FIELD_ERRORS``."""
        if self.error_dict is None:
            return {NON_FIELD_ERRORS: self.messages}
        return {name: [error.text for error in errors] for name, errors in self.error_dict.items()}

    @property
    def text(self) -> str:
        """The text of a single error in the current language, with its parameters filled in."""
        message = translation.of(str(self.message))
        return message % self.params if self.params else message

    @property
    def messages(self) -> list[str]:
        """All texts, in order."""
        return [error.text for error in self.error_list]

    def update_error_dict(self, error_dict: dict[str, list[ValidationError]]) -> dict[str, list[ValidationError]]:
        """Add these errors to others by field name, and return them; those of no one field go under ``NON_FIELD_ERRORS``."""
        found = {NON_FIELD_ERRORS: self.error_list} if self.error_dict is None else self.error_dict
        for name, errors in found.items():
            error_dict.setdefault(name, []).extend(errors)
        return error_dict

    def _identity(self) -> Any:
        """Return what makes two errors the same: texts, codes and values, whatever their order in a list."""
        if self.error_dict is not None:
            return frozenset(
                (name, frozenset(error._identity() for error in errors)) for name, errors in self.error_dict.items()
            )
        if len(self.error_list) != 1 or self.error_list[0] is not self:
            return frozenset(error._identity() for error in self.error_list)
        params = None if self.params is None else repr(sorted(self.params.items()))
        return str(self.message), self.code, params

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self._identity() == other._identity() if isinstance(other, ValidationError) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __str__(self) -> str:
        if self.error_dict is not None:
            return "; ".join(f"{name}: {', '.join(texts)}" for name, texts in self.message_dict.items())
        return "; ".join(self.messages)

    def __repr__(self) -> str:
        return f"ValidationError({self.message_dict if self.error_dict is not None else self.messages!r})"


def _flatten(errors: Any) -> list[ValidationError]:
    if isinstance(errors, ValidationError):
        return list(errors.error_list)
    if isinstance(errors, str) or not isinstance(errors, Iterable):
        return [ValidationError(errors)]
    return [single for error in errors for single in _flatten(error)]
