"""Reusable checks of values: a validator is called with a value and raises ``ValidationError``.

Those with options are classes, compare equal when their options do, and can be written into migration files
(``deconstruct``). Messages are plain English; whoever shows one may translate it, as the message is a constant.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from covet.exceptions import ValidationError

__all__ = [
    "BaseValidator",
    "DecimalValidator",
    "DomainNameValidator",
    "EmailValidator",
    "FileExtensionValidator",
    "MaxLengthValidator",
    "MaxValueValidator",
    "MinLengthValidator",
    "MinValueValidator",
    "ProhibitNullCharactersValidator",
    "RegexValidator",
    "StepValueValidator",
    "URLValidator",
    "deconstructible",
    "int_list_validator",
    "validate_comma_separated_integer_list",
    "validate_domain_name",
    "validate_email",
    "validate_image_file_extension",
    "validate_integer",
    "validate_ipv4_address",
    "validate_ipv6_address",
    "validate_ipv46_address",
    "validate_slug",
    "validate_unicode_slug",
    "validate_url",
]

EMPTY_VALUES: tuple[Any, ...] = (None, "", [], (), {})

C = TypeVar("C", bound=type[Any])


def deconstructible(cls: C | None = None, *, path: str | None = None) -> Any:
    """Give a class ``deconstruct()``: its dotted path and the arguments it was made with, for migration files.

    Args:
        cls: The class, when used without parentheses.
        path: The path to write, where the public one differs from the class's own.
    """

    def decorate(kind: C) -> C:
        target: Any = kind  # its __new__ is replaced, which no checker can follow
        original: Any = target.__new__

        def __new__(new: type[Any], *args: Any, **kwargs: Any) -> Any:
            instance = original(new) if original is object.__new__ else original(new, *args, **kwargs)
            instance._constructor_args = (args, kwargs)
            return instance

        def deconstruct(self: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
            # The path given is that of the decorated class; a subclass has its own.
            own = path if path is not None and type(self) is kind else None
            args, kwargs = self._constructor_args
            return own or f"{type(self).__module__}.{type(self).__qualname__}", args, dict(kwargs)

        target.__new__ = staticmethod(__new__)
        target.deconstruct = deconstruct
        return kind

    return decorate if cls is None else decorate(cls)


@deconstructible
class RegexValidator:
    """The value, as text, matches a pattern somewhere (or, with ``inverse_match``, nowhere)."""

    regex: Any = ""
    message: Any = "Enter a valid value."
    code = "invalid"
    inverse_match = False
    flags = 0

    def __init__(
        self,
        regex: str | re.Pattern[str] | None = None,
        message: Any = None,
        code: str | None = None,
        inverse_match: bool | None = None,
        flags: int | None = None,
    ) -> None:
        if regex is not None:
            self.regex = regex
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        if inverse_match is not None:
            self.inverse_match = inverse_match
        if flags is not None:
            self.flags = flags
        if self.flags and not isinstance(self.regex, str):
            raise TypeError("Flags can be given only with a pattern that is a string; compile them into the pattern.")
        self.regex = re.compile(self.regex, self.flags) if isinstance(self.regex, str) else self.regex

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        if bool(self.regex.search(str(value))) is self.inverse_match:
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RegexValidator)
            and self.regex.pattern == other.regex.pattern
            and self.regex.flags == other.regex.flags
            and str(self.message) == str(other.message)
            and self.code == other.code
            and self.inverse_match == other.inverse_match
        )

    def __hash__(self) -> int:
        return hash((self.regex.pattern, self.regex.flags, self.code, self.inverse_match))


# Both cases are spelled out: with IGNORECASE the compiler folds every letter of these ranges, which takes 20 ms; and
# what is left takes 8 ms, so it is compiled when a domain is first checked.
_LETTER = r"a-zA-Z\u00a1-\uffff"
_LABEL = rf"[{_LETTER}0-9](?:[{_LETTER}0-9-]{{0,61}}[{_LETTER}0-9])?"
_TLD = rf"(?:[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])|[xX][nN]--[a-zA-Z0-9-]{{1,59}})"


@lru_cache(maxsize=1)
def _domain() -> re.Pattern[str]:
    return re.compile(rf"(?:{_LABEL}\.)+{_TLD}\.?\Z")


@cache
def _ascii() -> re.Pattern[str]:
    return re.compile(r"\A[\x00-\x7f]*\Z")


@deconstructible
class DomainNameValidator:
    """The value is a domain name with at least two labels, such as ``example.com``."""

    message: Any = "Enter a valid domain name."
    code = "invalid"
    max_length = 255

    def __init__(self, *, accept_idna: bool = True, message: Any = None, code: str | None = None) -> None:
        self.accept_idna = accept_idna
        self.message = self.message if message is None else message
        self.code = self.code if code is None else code

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        valid = (
            isinstance(value, str)
            and len(value) <= self.max_length
            and (self.accept_idna or _ascii().match(value) is not None)
            and _domain().match(value) is not None
        )
        if not valid:
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DomainNameValidator) and (self.accept_idna, self.message, self.code) == (
            other.accept_idna,
            other.message,
            other.code,
        )

    def __hash__(self) -> int:
        return hash((self.accept_idna, self.code))


@cache
def _email_local() -> re.Pattern[str]:
    return re.compile(
        r"""[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z"""
        r"""|"(?:[\x01-\x08\x0b\x0c\x0e-\x1f!#-\[\]-\x7f]|\\[\x01-\x09\x0b\x0c\x0e-\x7f])*"\Z""",
        re.IGNORECASE,
    )


@deconstructible
class EmailValidator:
    """The value is an e-mail address: a local part, ``@``, and a domain, ``localhost`` or an address literal."""

    message: Any = "Enter a valid email address."
    code = "invalid"
    max_length = 320

    def __init__(self, message: Any = None, code: str | None = None, allowlist: Iterable[str] | None = None) -> None:
        self.message = self.message if message is None else message
        self.code = self.code if code is None else code
        self.allowlist = ["localhost"] if allowlist is None else list(allowlist)

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        local, at, domain = value.rpartition("@") if isinstance(value, str) else ("", "", "")
        valid = at and len(value) <= self.max_length and _email_local().match(local) is not None
        if not valid or not self._is_domain(domain):
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def _is_domain(self, domain: str) -> bool:
        if domain in self.allowlist:
            return True
        # The point at the end, which a name may have elsewhere, has no place in an address (RFC 5321, section 2.3.5).
        if len(domain) <= 255 and not domain.endswith(".") and _domain().match(domain):
            return True
        if domain.startswith("[") and domain.endswith("]"):
            return _is_address(domain[1:-1].removeprefix("IPv6:"))
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmailValidator) and (self.message, self.code, set(self.allowlist)) == (
            other.message,
            other.code,
            set(other.allowlist),
        )

    def __hash__(self) -> int:
        return hash((self.code, frozenset(self.allowlist)))


@cache
def _userinfo() -> re.Pattern[str]:
    return re.compile(r"[^\s:@/]+(?::[^\s:@/]*)?\Z")


@cache
def _bracketed() -> re.Pattern[str]:
    return re.compile(r"\[[^\]]*\](?::[0-9]*)?\Z")


@cache
def _unsafe() -> re.Pattern[str]:
    # What urlsplit would silently drop; a URL with them is an attempt to hide something.
    return re.compile(r"[\t\r\n]")


@deconstructible
class URLValidator:
    """The value is an absolute URL with one of the schemes and a host."""

    message: Any = "Enter a valid URL."
    code = "invalid"
    schemes: Sequence[str] = ("http", "https", "ftp", "ftps")
    max_length = 2048

    def __init__(self, schemes: Iterable[str] | None = None, message: Any = None, code: str | None = None) -> None:
        if schemes is not None:
            self.schemes = tuple(schemes)
        self.message = self.message if message is None else message
        self.code = self.code if code is None else code

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        if (
            not isinstance(value, str)
            or len(value) > self.max_length
            or _unsafe().search(value)
            or not self._fits(value)
        ):
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def _fits(self, value: str) -> bool:
        scheme, separator, _ = value.partition("://")
        if not separator or scheme.lower() not in self.schemes or re.search(r"\s", value):
            return False
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            return False
        userinfo, at, host = parts.netloc.rpartition("@")
        if at and not _userinfo().match(userinfo):
            return False
        if host.endswith(":") or (port is not None and port == 0):
            return False
        name = parts.hostname or ""
        if "[" in host:
            # urlsplit leaves aside what stands beside the brackets; browsers take no zone in them (RFC 3986 has none).
            return _bracketed().match(host) is not None and ":" in name and "%" not in name and _is_address(name)
        if re.fullmatch(r"[\d.]+", name):
            return _is_address(name)
        return name == "localhost" or (len(name) <= 253 and _domain().match(name) is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URLValidator) and (tuple(self.schemes), self.message, self.code) == (
            tuple(other.schemes),
            other.message,
            other.code,
        )

    def __hash__(self) -> int:
        return hash((tuple(self.schemes), self.code))


@deconstructible
class BaseValidator:
    """Compares the cleaned value with a limit; the limit may be a function that gives it."""

    message: Any = "Ensure this value is %(limit_value)s (it is %(show_value)s)."
    code = "limit_value"

    def __init__(self, limit_value: Any, message: Any = None) -> None:
        self.limit_value = limit_value
        if message is not None:
            self.message = message

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        cleaned = self.clean(value)
        limit = self.limit_value() if callable(self.limit_value) else self.limit_value
        if self.compare(cleaned, limit):
            raise ValidationError(self.message, code=self.code, params=self.params(value, cleaned, limit))

    def params(self, value: Any, cleaned: Any, limit: Any) -> dict[str, Any]:
        """Return what the message may name."""
        return {"limit_value": limit, "show_value": cleaned, "value": value}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return (self.limit_value, str(self.message), self.code) == (
            other.limit_value,
            str(other.message),
            other.code,
        )

    def __hash__(self) -> int:
        return hash((type(self), str(self.limit_value), self.code))

    def compare(self, value: Any, limit: Any) -> bool:
        """Tell whether the value is wrong."""
        return value is not limit

    def clean(self, value: Any) -> Any:
        """Return what is compared."""
        return value


@deconstructible
class MaxValueValidator(BaseValidator):
    """The value is at most the limit."""

    message = "Ensure this value is less than or equal to %(limit_value)s."
    code = "max_value"

    def compare(self, value: Any, limit: Any) -> bool:
        """Tell whether the value is above the limit."""
        return bool(value > limit)


@deconstructible
class MinValueValidator(BaseValidator):
    """The value is at least the limit."""

    message = "Ensure this value is greater than or equal to %(limit_value)s."
    code = "min_value"

    def compare(self, value: Any, limit: Any) -> bool:
        """Tell whether the value is below the limit."""
        return bool(value < limit)


_FROM_OFFSET = "Ensure this value is a multiple of step size %(limit_value)s, starting from %(offset)s."


@deconstructible
class StepValueValidator(BaseValidator):
    """The value is a multiple of the limit, counted from ``offset``; a message of one's own may name it: ``%(offset)s``."""

    message = "Ensure this value is a multiple of step size %(limit_value)s."
    code = "step_size"

    def __init__(self, limit_value: Any, message: Any = None, offset: Any = None) -> None:
        super().__init__(limit_value, message)
        self.offset = offset
        if message is None and offset is not None:
            self.message = _FROM_OFFSET

    def params(self, value: Any, cleaned: Any, limit: Any) -> dict[str, Any]:
        """Add where the steps begin."""
        return {**super().params(value, cleaned, limit), "offset": self.offset}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StepValueValidator):
            return NotImplemented
        return bool(super().__eq__(other)) and self.offset == other.offset

    def __hash__(self) -> int:
        return hash((super().__hash__(), str(self.offset)))

    def compare(self, value: Any, limit: Any) -> bool:
        """Tell whether the value lies between two steps."""
        rest = math.remainder(value - (self.offset or 0), limit)
        return not math.isclose(rest, 0, abs_tol=1e-9)


@deconstructible
class MinLengthValidator(BaseValidator):
    """The value has at least so many characters or items."""

    message = "Ensure this value has at least %(limit_value)d characters (it has %(show_value)d)."
    code = "min_length"

    def compare(self, value: Any, limit: Any) -> bool:
        """Tell whether the value is too short."""
        return bool(value < limit)

    def clean(self, value: Any) -> Any:
        """Return the length."""
        return len(value)


@deconstructible
class MaxLengthValidator(BaseValidator):
    """The value has at most so many characters or items."""

    message = "Ensure this value has at most %(limit_value)d characters (it has %(show_value)d)."
    code = "max_length"

    def compare(self, value: Any, limit: Any) -> bool:
        """Tell whether the value is too long."""
        return bool(value > limit)

    def clean(self, value: Any) -> Any:
        """Return the length."""
        return len(value)


@deconstructible
class DecimalValidator:
    """A decimal has at most ``max_digits`` digits, ``decimal_places`` of them behind the point."""

    messages = {
        "invalid": "Enter a number.",
        "max_digits": "Ensure that there are no more than %(max)s digits in total.",
        "max_decimal_places": "Ensure that there are no more than %(max)s decimal places.",
        "max_whole_digits": "Ensure that there are no more than %(max)s digits before the decimal point.",
    }

    def __init__(self, max_digits: int | None, decimal_places: int | None) -> None:
        self.max_digits = max_digits
        self.decimal_places = decimal_places

    def __call__(self, value: Decimal) -> None:
        """Raise unless the decimal fits."""
        _, digit_tuple, exponent = value.as_tuple()
        if not isinstance(exponent, int):  # NaN and the infinities
            raise ValidationError(self.messages["invalid"], code="invalid", params={"value": value})
        digits = len(digit_tuple) if any(digit_tuple) or exponent < 0 else 1
        if exponent >= 0:
            total, decimals = (digits + exponent if any(digit_tuple) else 1), 0
        else:
            decimals = -exponent
            total = max(digits, decimals)
        limits = (
            ("max_digits", self.max_digits, total),
            ("max_decimal_places", self.decimal_places, decimals),
            ("max_whole_digits", self._whole_limit(), total - decimals),
        )
        for code, limit, found in limits:
            if limit is not None and found > limit:
                raise ValidationError(self.messages[code], code=code, params={"max": limit, "value": value})

    def _whole_limit(self) -> int | None:
        if self.max_digits is None or self.decimal_places is None:
            return None
        return self.max_digits - self.decimal_places

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DecimalValidator) and (self.max_digits, self.decimal_places) == (
            other.max_digits,
            other.decimal_places,
        )

    def __hash__(self) -> int:
        return hash((self.max_digits, self.decimal_places))


@deconstructible
class FileExtensionValidator:
    """A file's name ends with one of the extensions."""

    message: Any = "File extension “%(extension)s” is not allowed. Allowed extensions are: %(allowed_extensions)s."
    code = "invalid_extension"

    def __init__(
        self, allowed_extensions: Iterable[str] | None = None, message: Any = None, code: str | None = None
    ) -> None:
        self.allowed_extensions = None if allowed_extensions is None else [e.lower() for e in allowed_extensions]
        self.message = self.message if message is None else message
        self.code = self.code if code is None else code

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        extension = PurePath(value.name).suffix[1:].lower()
        if self.allowed_extensions is not None and extension not in self.allowed_extensions:
            params = {"extension": extension, "allowed_extensions": ", ".join(self.allowed_extensions), "value": value}
            raise ValidationError(self.message, code=self.code, params=params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileExtensionValidator) and (
            set(self.allowed_extensions or ()),
            self.message,
            self.code,
        ) == (set(other.allowed_extensions or ()), other.message, other.code)

    def __hash__(self) -> int:
        return hash((frozenset(self.allowed_extensions or ()), self.code))


@deconstructible
class ProhibitNullCharactersValidator:
    """The text holds no null character; databases refuse them."""

    message: Any = "Null characters are not allowed."
    code = "null_characters_not_allowed"

    def __init__(self, message: Any = None, code: str | None = None) -> None:
        self.message = self.message if message is None else message
        self.code = self.code if code is None else code

    def __call__(self, value: Any) -> None:
        """Raise unless the value fits."""
        if "\x00" in str(value):
            raise ValidationError(self.message, code=self.code, params={"value": value})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProhibitNullCharactersValidator) and (self.message, self.code) == (
            other.message,
            other.code,
        )

    def __hash__(self) -> int:
        return hash((str(self.message), self.code))


def int_list_validator(
    sep: str = ",", message: Any = None, code: str = "invalid", allow_negative: bool = False
) -> Callable[[Any], None]:
    """Return a validator of whole numbers separated by ``sep``."""
    number = r"-?\d+" if allow_negative else r"\d+"
    pattern = rf"^{number}(?:{re.escape(sep)}{number})*\Z"
    validator: Callable[[Any], None] = RegexValidator(pattern, message or "Enter a valid value.", code)
    return validator


validate_integer = RegexValidator(r"^-?\d+\Z", message="Enter a valid integer.", code="invalid")
validate_slug = RegexValidator(
    r"^[-a-zA-Z0-9_]+\Z",
    "Enter a valid “slug” consisting of letters, numbers, underscores or hyphens.",
    "invalid",
)
validate_unicode_slug = RegexValidator(
    r"^[-\w]+\Z",
    "Enter a valid “slug” consisting of Unicode letters, numbers, underscores, or hyphens.",
    "invalid",
)
validate_comma_separated_integer_list = int_list_validator(message="Enter only digits separated by commas.")
validate_domain_name = DomainNameValidator()
validate_email = EmailValidator()
validate_url = URLValidator()
validate_image_file_extension = FileExtensionValidator(
    ["avif", "bmp", "gif", "ico", "jpeg", "jpg", "png", "tif", "tiff", "webp"]
)


def validate_ipv4_address(value: Any) -> None:
    """Raise unless the text is an IPv4 address."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        raise _not_an_address(value, "IPv4") from None


def validate_ipv6_address(value: Any) -> None:
    """Raise unless the text is an IPv6 address."""
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        raise _not_an_address(value, "IPv6") from None


def validate_ipv46_address(value: Any) -> None:
    """Raise unless the text is an IPv4 or an IPv6 address."""
    if not _is_address(value):
        raise _not_an_address(value, "IPv4 or IPv6")


def _not_an_address(value: Any, protocol: str) -> ValidationError:
    message = "Enter a valid %(protocol)s address."
    return ValidationError(message, code="invalid", params={"protocol": protocol, "value": value})


def _is_address(value: Any) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
