"""Markers that say where a handler's argument comes from: ``Annotated[str, Header()]``, ``Query(ge=1)``, ``Depends(fn)``.

Without one, an argument comes from the path when the path names it, from the query string when it is a scalar or a list
of scalars, and from the body when it is a schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import Field
from pydantic.fields import FieldInfo

from covet.concurrency import signature
from covet.rest.foreign import unknown_parameter_option

__all__ = [
    "REQUIRED",
    "Body",
    "Cookie",
    "Depends",
    "File",
    "Form",
    "Gathering",
    "Header",
    "Marker",
    "Path",
    "Query",
    "Source",
]

Source: TypeAlias = Literal["path", "query", "header", "cookie", "form", "file", "body"]


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()
"""The default of an argument that must be sent."""


class Marker:
    """Where an argument comes from, and what holds for it.

    Args:
        default: The value when it is not sent; better written as the argument's own default. ``...`` is for none.
        alias: Its name on the wire, where that is not the argument's.
        description: For the documentation.
        title: For the documentation.
        gt: Greater than.
        ge: At least.
        lt: Less than.
        le: At most.
        multiple_of: A multiple of this.
        min_length: Of a text or list.
        max_length: Of a text or list.
        pattern: A regular expression that a text must match.
        strict: Whether nothing is converted, such as a text to a number.
        allow_inf_nan: Whether a number may be infinite or none.
        max_digits: Of a decimal.
        decimal_places: Of a decimal.
        examples: For the documentation: values, or by name in OpenAPI's words, ``{"short": {"summary": …, "value": …}}``.
        deprecated: Still taken, but not for long.
        include_in_schema: Whether OpenAPI tells of it.
        by_comma: Whether one value of a list may hold several, separated by commas: ``?ids=1,2``.
    """

    source: ClassVar[Source]

    if not TYPE_CHECKING:  # a checker knows the options

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Say of an unknown option what it is called here."""
            if options.keys() <= (Marker.__init__.__kwdefaults__ or {}).keys():
                return super().__new__(cls)
            known = {*signature(Marker.__init__).parameters, *signature(cls.__init__).parameters}
            unknown = [name for name in options if name not in known]
            if unknown:
                raise unknown_parameter_option(f"{cls.__name__}()", unknown, known - {"args", "options", "self"})
            return super().__new__(cls)

    def __init__(
        self,
        default: Any = REQUIRED,
        *,
        alias: str | None = None,
        description: str | None = None,
        title: str | None = None,
        gt: float | None = None,
        ge: float | None = None,
        lt: float | None = None,
        le: float | None = None,
        multiple_of: float | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
        pattern: str | None = None,
        strict: bool | None = None,
        allow_inf_nan: bool | None = None,
        max_digits: int | None = None,
        decimal_places: int | None = None,
        examples: Sequence[Any] | Mapping[str, Mapping[str, Any]] | None = None,
        deprecated: bool = False,
        include_in_schema: bool = True,
        by_comma: bool = False,
    ) -> None:
        self.by_comma = by_comma
        self.default = REQUIRED if default is ... else default
        self.alias = alias
        self.description = description
        self.deprecated = deprecated
        self.include_in_schema = include_in_schema
        self.title = title
        self.examples = _named(examples)
        rules: dict[str, Any] = {
            "title": title,
            "gt": gt,
            "ge": ge,
            "lt": lt,
            "le": le,
            "multiple_of": multiple_of,
            "min_length": min_length,
            "max_length": max_length,
            "pattern": pattern,
            "strict": strict,
            "allow_inf_nan": allow_inf_nan,
            "max_digits": max_digits,
            "decimal_places": decimal_places,
        }
        self.rules = {name: value for name, value in rules.items() if value is not None}

    def constraint(self) -> FieldInfo | None:
        """Return the rules for pydantic, or None when there are none."""
        return Field(**self.rules) if self.rules else None

    def wire_name(self, name: str) -> str:
        """Return the name on the wire of an argument of that name."""
        return self.alias or name


def _named(examples: Sequence[Any] | Mapping[str, Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    """Return examples as OpenAPI has them: by name, each with its value."""
    if isinstance(examples, Mapping):
        return dict(examples)
    return {f"example{number}": {"value": value} for number, value in enumerate(examples or (), 1)}


class Path(Marker):
    """From the path."""

    source = "path"


class Query(Marker):
    """From the query string; a list takes repeated names, a schema one parameter for each of its fields."""

    source = "query"


class Header(Marker):
    """From a header; underscores of the argument's name are dashes: ``x_token`` is ``X-Token``."""

    source = "header"

    def wire_name(self, name: str) -> str:
        """Return the header's name, lower case."""
        return (self.alias or name.replace("_", "-")).lower()


class Cookie(Marker):
    """From a cookie."""

    source = "cookie"


class Form(Marker):
    """From a form, urlencoded or multipart; a schema takes one field for each of its own."""

    source = "form"


class File(Marker):
    """An uploaded file: ``Annotated[UploadedFile, File()]``; ``list[UploadedFile]`` takes several."""

    source = "file"


class Body(Marker):
    """From the JSON body.

    Args:
        default: The value when no body is sent.
        embed: Take it from a member of the argument's name, also when no other argument comes from the body.
        options: As for ``Marker``.
    """

    source = "body"

    def __init__(self, default: Any = REQUIRED, *, embed: bool = False, **options: Any) -> None:
        super().__init__(default, **options)
        self.embed = embed


class Gathering:
    """The base of what makes one argument of several query parameters: ``FilterSet``."""


class Depends:
    """A value that another function gives: ``user: Annotated[User, Depends(current_user)]``.

    The function's own arguments are found as a handler's are, ``Depends`` among them. It may be sync (run in a thread),
    async, or a generator, sync or async, that yields the value once: what follows the ``yield`` runs when the answer has
    been made (a streamed one: sent). An error of the handler or of the answer's making is raised at the ``yield``. One that
    ``asynccontextmanager`` or ``contextmanager`` decorates is entered in the same way.

    Args:
        function: The function, or a class; the argument's own class when left out: ``Annotated[Paging, Depends()]``.
        use_cache: Call it once per request however many arguments depend on it.
        scope: ``"function"`` tears a generator down as soon as the handler is done, before the answer is made; ``"app"``
            calls the function once for all requests and tears a generator down when the server stops.
    """

    __slots__ = ("function", "scope", "use_cache")

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        *,
        use_cache: bool = True,
        scope: Literal["request", "function", "app"] = "request",
    ) -> None:
        self.function = function
        self.use_cache = use_cache
        self.scope = scope

    def __repr__(self) -> str:
        shown = "" if self.function is None else getattr(self.function, "__qualname__", self.function)
        return f"Depends({shown})"
