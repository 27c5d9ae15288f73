"""Jinja2 behind two environments: a plain one that renders in a thread, and an async one for templates that wait.

The plain one is faster and is tried first. When a template calls something that must be awaited, or iterates a queryset
that was not, it is rendered anew by the async one, and that template goes there at once from then on.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any, NoReturn

import jinja2
import jinja2.async_utils
import jinja2.runtime
from jinja2.utils import internalcode

from covet.concurrency import is_async, maybe_await, to_thread, unawaited
from covet.exceptions import QueryNotAwaited
from covet.http.request import Request
from covet.i18n.texts import gettext, ngettext, npgettext, pgettext
from covet.loading import import_string
from covet.templates.errors import TemplateDoesNotExist
from covet.templates.filters import FILTERS, json_text
from covet.templates.foreign import ForeignTags, explain
from covet.templates.library import Library, for_plain, for_waiting
from covet.text import suggest

__all__ = ["Engine"]


# Where the test client notes what is rendered for its request; nothing but a rendering that is noted sets it besides, for its own templates.
rendered: ContextVar[list[tuple[str, dict[str, Any]]] | None] = ContextVar("covet_rendered", default=None)


class _MustWait(BaseException):
    """The plain environment met something that must be awaited. No ``Exception``, so that no template swallows it."""


class _PlainContext(jinja2.runtime.Context):
    """Notices calls whose result must be awaited, which would be true and empty at once in a plain template."""

    def call(self, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = super().call(obj, *args, **kwargs)
        if _must_wait(result):
            unawaited(result)
            raise _MustWait
        return result


class _Environment(jinja2.Environment):
    """Says errors so that one who knows Django's templates understands them; notes for tests what a template asks for."""

    def choose(self, names: Sequence[str]) -> jinja2.Template:
        """Return the first of these templates that there is; what it extends, includes and imports comes by the two below."""
        return super().select_template(names)

    @internalcode
    def get_template(
        self,
        name: str | jinja2.Template,
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,
    ) -> jinja2.Template:
        return _note(super().get_template(name, parent, globals))

    @internalcode
    def select_template(
        self,
        names: Iterable[str | jinja2.Template],
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,
    ) -> jinja2.Template:
        return _note(super().select_template(names, parent, globals))

    def handle_exception(self, source: str | None = None) -> NoReturn:
        error = sys.exc_info()[1]
        if error is not None:
            explain(error, self)
        super().handle_exception(source)


def _note(template: jinja2.Template) -> jinja2.Template:
    """Note for a test that a template was asked for by another one; return it."""
    seen = rendered.get()
    if seen:
        seen.append((template.name or "", seen[0][1]))
        # Jinja keeps what an imported template gave: it would not ask again for what that one imports or includes.
        template._module = None
    return template


class _PlainEnvironment(_Environment):
    context_class = _PlainContext


class _WaitingContext(jinja2.runtime.Context):
    """Calls a project's own sync functions in a thread, as the plain environment does: they may block, or ``run_sync``."""

    def call(self, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        function = inspect.unwrap(obj.__func__ if inspect.ismethod(obj) else obj) if callable(obj) else obj
        if (
            not inspect.isfunction(function)
            or inspect.iscoroutinefunction(function)
            or function.__module__.partition(".")[0] in {"covet", "jinja2"}
        ):
            return super().call(obj, *args, **kwargs)
        # The generated code awaits what a call gives.
        return _call_in_thread(super().call, obj, *args, **kwargs)


async def _call_in_thread(call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return await jinja2.async_utils.auto_await(await to_thread(call, *args, **kwargs))


class _WaitingEnvironment(_Environment):
    context_class = _WaitingContext


def _must_wait(value: Any) -> bool:
    """Return whether a value has to be awaited: a coroutine, or a query that was not.

    Known by shape, so that no database is loaded here. A model instance can be awaited too, but is a value already
    (``_meta`` tells it); a query that was awaited holds its rows in ``_cache``.
    """
    kind = type(value)
    return hasattr(kind, "__await__") and not hasattr(kind, "_meta") and getattr(value, "_cache", None) is None


def _no_method(value: Any) -> Any:
    """Return what a template shows; refuse a method, which Django's templates would call by themselves.

    Raises:
        TypeError: It is a method or a function, whose address nobody wants to read.
    """
    if isinstance(value, (types.MethodType, types.FunctionType)):
        kind = "method" if isinstance(value, types.MethodType) else "function"
        raise TypeError(
            f"{value.__qualname__} is a {kind}, and a template shows what it returns when it is called: write "
            f"{{{{ ….{value.__name__}() }}}}, with brackets."
        )
    return value


def _place(error: BaseException) -> str | None:
    """Return the file and line of the innermost template that an error came through, by the frames that Jinja2 makes of them."""
    place = None
    trace = error.__traceback__
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:
            place = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno},"
        trace = trace.tb_next
    return place


class Engine:
    """Finds and renders templates.

    Args:
        folders: Where templates lie; an earlier folder wins.
        options: Further options of Jinja2's environments.
        processors: Dotted names or callables ``(request) -> dict``, sync or async.
        global_names: Names for templates with what they stand for; a dotted name is imported when first needed.
        debug: Look for changed files at each rendering, and refuse to show a method that was not called.
        libraries: What apps offer; an earlier one wins.
    """

    def __init__(
        self,
        folders: Sequence[str],
        *,
        options: Mapping[str, Any] | None = None,
        processors: Sequence[Any] = (),
        global_names: Mapping[str, Any] | None = None,
        debug: bool = False,
        libraries: Sequence[Library] = (),
    ) -> None:
        self.folders = list(folders)
        settings = {
            "loader": jinja2.FileSystemLoader(self.folders),
            "autoescape": True,
            "auto_reload": debug,
            # Asked for each value that is shown, so only where somebody develops.
            "finalize": _no_method if debug else None,
            **(options or {}),
        }
        further = [one for library in libraries for one in library.extensions]
        settings["extensions"] = ["jinja2.ext.i18n", ForeignTags, *settings.get("extensions", ()), *further]
        self.plain = _PlainEnvironment(**settings)
        self.waiting = _WaitingEnvironment(**{**settings, "enable_async": True})  # settings say autoescape
        environments: tuple[jinja2.Environment, ...] = (self.plain, self.waiting)
        for environment in environments:
            environment.filters.update(FILTERS)
            environment.policies["json.dumps_function"] = json_text
            environment.install_gettext_callables(  # type: ignore[attr-defined]  # the i18n extension adds it
                gettext, ngettext, newstyle=True, pgettext=pgettext, npgettext=npgettext
            )
            for name, value in (global_names or {}).items():
                environment.globals[name] = import_string(value) if isinstance(value, str) else value
        for library in reversed(libraries):
            self._add(library)
        self._processors: list[Callable[[Request], Any]] = [
            import_string(name) if isinstance(name, str) else name for name in processors
        ]
        self._waits: set[str] = set()

    def _add(self, library: Library) -> None:
        """Let templates use what a library offers."""
        for name, function in library.filters.items():
            self.plain.filters[name] = for_plain(function, _MustWait)
            self.waiting.filters[name] = for_waiting(function)
        for name, function in library.tests.items():
            self.plain.tests[name] = for_plain(function, _MustWait)
            self.waiting.tests[name] = for_waiting(function)
        for environment in (self.plain, self.waiting):
            environment.globals.update(library.functions)

    async def render(
        self, name: str | Sequence[str], context: Mapping[str, Any] | None = None, request: Request | None = None
    ) -> str:
        """Return a template filled in.

        Querysets and coroutines in the context are awaited first, so that the template sees lists and values. ``"page.html#rows"`` is
        the block ``rows`` of that template alone.

        Raises:
            TemplateDoesNotExist: There is none of that name, or it has no such block.
        """
        names, block = [name] if isinstance(name, str) else list(name), ""
        values = await self.context(context or {}, request)
        if len(names) == 1 and "#" in names[0]:
            whole, _, block = names[0].partition("#")
            names = [whole]

        def find(environment: _Environment) -> jinja2.Template:
            template = environment.choose(names)
            if noted := rendered.get():
                noted[0] = (f"{template.name}#{block}" if block else str(template.name), values)
            return template

        return await self._render(find, names, values, block)

    async def render_source(
        self, source: str, context: Mapping[str, Any] | None = None, request: Request | None = None
    ) -> str:
        """Return a template given as text filled in."""
        values = await self.context(context or {}, request)
        return await self._render(lambda environment: environment.from_string(source), [], values)

    async def _render(
        self,
        find: Callable[[_Environment], jinja2.Template],
        names: list[str],
        values: dict[str, Any],
        block: str = "",
    ) -> str:
        seen = rendered.get()
        if seen is None:
            return await self._render_either(find, names, values, block)
        # Its own list, of which a second attempt can forget what the first one noted, whatever is rendered beside it.
        noted = [("", values)]
        mark = rendered.set(noted)
        try:
            return await self._render_either(find, names, values, block)
        finally:
            rendered.reset(mark)
            seen.extend(one for one in noted if one[0])

    async def _render_either(
        self, find: Callable[[_Environment], jinja2.Template], names: list[str], values: dict[str, Any], block: str
    ) -> str:
        key = f"{names[0]}#{block}" if names else ""
        try:
            if key not in self._waits:
                try:
                    # In a thread: the first rendering reads files, and what a template calls may block.
                    return await to_thread(_render_plain, find, self.plain, block, values)
                except (_MustWait, QueryNotAwaited):
                    if key:
                        self._waits.add(key)
                    if noted := rendered.get():
                        del noted[1:]
            template = await to_thread(find, self.waiting)
            if not block:
                return await template.render_async(values)
            pieces: Any = _block(template, block)(template.new_context(values))
            try:
                return "".join([piece async for piece in pieces])
            except Exception:
                self.waiting.handle_exception()
        except jinja2.TemplateNotFound as error:
            missing = [str(error.name)] if error.name and error.name not in names else names
            known = await to_thread(self.plain.list_templates)
            near = suggest(missing[0], known) if missing else None
            raise TemplateDoesNotExist(missing, self.folders, near, _place(error)) from error

    async def context(self, context: Mapping[str, Any], request: Request | None) -> dict[str, Any]:
        """Return the whole context: the processors' values, then the caller's, awaited where they must be."""
        values: dict[str, Any] = {}
        if request is not None:
            values["request"] = request
            for processor in self._processors:
                if is_async(processor):
                    values.update(await processor(request))
                else:
                    values.update(await maybe_await(await to_thread(processor, request)))
        for name, value in context.items():
            values[name] = await value if _must_wait(value) else value
        return values


def _render_plain(
    find: Callable[[_Environment], jinja2.Template],
    environment: _Environment,
    block: str,
    values: dict[str, Any],
) -> str:
    template = find(environment)
    if not block:
        return template.render(values)
    render = _block(template, block)
    try:
        return "".join(render(template.new_context(values)))
    except Exception:
        environment.handle_exception()


def _block(template: jinja2.Template, name: str) -> Callable[[jinja2.runtime.Context], Any]:
    """Return what renders a block that a template itself has."""
    found = template.blocks.get(name)
    if found is None:
        near = suggest(name, template.blocks)
        whole = f"{template.name}#{name}"
        raise TemplateDoesNotExist([whole], [str(template.name)], f"{template.name}#{near}" if near else None)
    return found
