"""Validators of new passwords, as ``AUTH_PASSWORD_VALIDATORS`` lists them.

An entry is a dotted path, or Django's ``{"NAME": path, "OPTIONS": {…}}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any, Protocol

from covet.auth.common_passwords import COMMON_PASSWORDS
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured, ValidationError
from covet.loading import import_string

__all__ = [
    "CommonPasswordValidator",
    "MinimumLengthValidator",
    "NumericPasswordValidator",
    "PasswordValidator",
    "UserAttributeSimilarityValidator",
    "get_password_validators",
    "password_validators_help_texts",
    "validate_password",
]


class PasswordValidator(Protocol):
    """One rule for new passwords."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ``ValidationError`` when the password breaks the rule."""

    def get_help_text(self) -> str:
        """Return the rule, as a person reads it."""


def get_password_validators(config: Iterable[Any] | None = None) -> list[PasswordValidator]:
    """Return the validators of the setting, or of a list like it.

    Raises:
        ImproperlyConfigured: An entry is neither a path nor a mapping with ``NAME``.
    """
    found: list[PasswordValidator] = []
    for entry in settings.AUTH_PASSWORD_VALIDATORS if config is None else config:
        if isinstance(entry, str):
            found.append(import_string(entry)())
        elif isinstance(entry, dict) and "NAME" in entry:
            found.append(import_string(entry["NAME"])(**entry.get("OPTIONS", {})))
        else:
            raise ImproperlyConfigured(
                f"AUTH_PASSWORD_VALIDATORS holds {entry!r}; write a dotted path or {{'NAME': path, 'OPTIONS': {{…}}}}."
            )
    return found


def validate_password(password: str, user: Any = None, validators: Iterable[PasswordValidator] | None = None) -> None:
    """Check a new password against every rule.

    Raises:
        ValidationError: With the message of each rule that it breaks.
    """
    errors: list[ValidationError] = []
    for validator in get_password_validators() if validators is None else validators:
        try:
            validator.validate(password, user)
        except ValidationError as error:
            errors.append(error)
    if errors:
        raise ValidationError(errors)


def password_validators_help_texts(validators: Iterable[PasswordValidator] | None = None) -> list[str]:
    """Return every rule, as a person reads it."""
    return [v.get_help_text() for v in (get_password_validators() if validators is None else validators)]


class MinimumLengthValidator:
    """Not shorter than so many characters: 8, unless told otherwise."""

    def __init__(self, min_length: int = 8) -> None:
        self.min_length = min_length

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse a short password."""
        if len(password) < self.min_length:
            raise ValidationError(
                "This password is too short: it needs at least %(min_length)d characters.",
                code="password_too_short",
                params={"min_length": self.min_length},
            )

    def get_help_text(self) -> str:
        """Return the rule."""
        return f"Your password needs at least {self.min_length} characters."


class UserAttributeSimilarityValidator:
    """Not the user's own name or address, nor much like it."""

    def __init__(
        self,
        user_attributes: Iterable[str] = ("username", "first_name", "last_name", "email"),
        max_similarity: float = 0.7,
    ) -> None:
        if max_similarity < 0.1:
            raise ValueError("max_similarity must be at least 0.1.")
        self.user_attributes = tuple(user_attributes)
        self.max_similarity = max_similarity

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse a password that is like something known of the user."""
        if user is None:
            return
        password = password.lower()
        for name in self.user_attributes:
            value = getattr(user, name, None)
            if not value or not isinstance(value, str):
                continue
            for part in {value.lower(), *value.lower().replace("@", " ").replace(".", " ").split()}:
                # Texts of very different lengths cannot be alike; comparing them would only cost time.
                if len(part) * 10 < len(password) or len(password) * 10 < len(part):
                    continue
                if SequenceMatcher(a=password, b=part).quick_ratio() >= self.max_similarity:
                    raise ValidationError(
                        "The password is too similar to the %(name)s.",
                        code="password_too_similar",
                        params={"name": name.replace("_", " ")},
                    )

    def get_help_text(self) -> str:
        """Return the rule."""
        return "Your password cannot be too similar to your other personal information."


class CommonPasswordValidator:
    """None of the passwords that attackers try first."""

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse a password of the list."""
        if password.lower().strip() in COMMON_PASSWORDS:
            raise ValidationError("This password is too common.", code="password_too_common")

    def get_help_text(self) -> str:
        """Return the rule."""
        return "Your password cannot be a commonly used one."


class NumericPasswordValidator:
    """Not digits alone."""

    def validate(self, password: str, user: Any = None) -> None:
        """Refuse digits alone."""
        if password.isdigit():
            raise ValidationError("This password is entirely numeric.", code="password_entirely_numeric")

    def get_help_text(self) -> str:
        """Return the rule."""
        return "Your password cannot be entirely numeric."
