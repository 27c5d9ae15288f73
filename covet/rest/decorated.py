"""Decorators of views on handlers: put round the endpoint, since a handler returns a value and they change a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import Response
from covet.rest.signature import describe

__all__ = ["check_wrapper", "decorated"]


class _Passing(Exception):
    """Takes the answer to an error past the decorators, as the error itself passes those of any view."""

    def __init__(self, response: Response) -> None:
        self.response = response


def decorated(
    run: Callable[..., Awaitable[Response]],
    decorators: Iterable[Callable[[Any], Any]],
    errors: Any,
    permit: Callable[[Request], Awaitable[None]] | None,
) -> Any:
    """Return a run behind the decorators that stand above its handler, and these behind the permissions.

    Args:
        run: The endpoint's run.
        decorators: The decorators, the outermost first.
        errors: Answers what a decorator raises: has ``kinds``, and ``answer(request, error, notes)``.
        permit: Asks the permissions, which the run then does not; None when everybody may. A decorator may answer without its
            view, as ``etag`` does, and must not tell anything to who may not read.
    """

    async def view(request: Request, **params: Any) -> Response:
        response = await run(request, params)
        if response.must_render:
            await response.render()
        if response.status >= 400:
            raise _Passing(response)
        return response

    for decorator in reversed(list(decorators)):
        view = decorator(view)

    async def decorated_run(request: Request, params: dict[str, Any]) -> Response:
        try:
            if permit is not None:
                await permit(request)
            return await view(request, **params)
        except _Passing as passing:
            return passing.response
        except errors.kinds as error:
            answer: Response = await errors.answer(request, error, ())
            return answer

    return decorated_run


def check_wrapper(function: Callable[..., Any], taken: Collection[str]) -> None:
    """Refuse a decorator that is called with an argument which the function below it, whose arguments are filled, has not.

    Raises:
        ImproperlyConfigured: There is such an argument.
    """
    try:
        asked = signature(function, follow_wrapped=False).parameters
    except ValueError:  # functools.cache, which takes everything
        return
    for name, own in asked.items():
        is_optional = own.default is not own.empty or own.kind in (own.VAR_POSITIONAL, own.VAR_KEYWORD)
        if not is_optional and name not in taken:
            kind = ": Request" if name == "request" else ""
            raise ImproperlyConfigured(
                f"{describe(function)} is decorated by something that is called with '{name}', and takes no such argument. Add "
                f"'{name}{kind}' to its arguments, or write the decorator without it."
            )
