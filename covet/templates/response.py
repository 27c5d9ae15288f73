"""``TemplateResponse``: a page whose template is filled in after the view, so that others may change its values before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from covet.concurrency import maybe_await
from covet.exceptions import CovetError
from covet.http.request import Request
from covet.http.response import HTMLResponse
from covet.templates.engine import render_to_string

__all__ = ["ContentNotRenderedError", "TemplateResponse"]


class ContentNotRenderedError(CovetError, RuntimeError):
    """The body of a ``TemplateResponse`` was asked for before it was rendered."""


class TemplateResponse(HTMLResponse):
    """A page that is rendered once the view and every ``process_template_response`` are done with it.

    Return it as any response; until then ``template_name`` and ``context_data`` may be changed, by a decorator or a middleware.

    Args:
        request: For the context processors.
        template: The template's path; of several, the first that exists.
        context: Its values; querysets among them are awaited first.
        status: The HTTP status.
        headers: Further headers.
        media_type: The ``Content-Type``.

    Attributes:
        template_name: What is rendered.
        context_data: With what.
        is_rendered: Whether that is done.
    """

    __slots__ = ("_callbacks", "_content", "context_data", "is_rendered", "request", "template_name")

    must_render: ClassVar[bool] = True

    def __init__(
        self,
        request: Request,
        template: str | Sequence[str],
        context: Mapping[str, Any] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(b"", status, headers, media_type)
        self.request = request
        self.template_name = template
        self.context_data: dict[str, Any] = dict(context or {})
        # The base has set an empty body, which is none of ours.
        self._content: bytes | None = None
        self.is_rendered = False
        self._callbacks: list[Callable[[TemplateResponse], Any]] = []

    @property
    def body(self) -> bytes:
        """The rendered page.

        Raises:
            ContentNotRenderedError: It is not rendered yet.
        """
        if self._content is None:
            raise ContentNotRenderedError(
                f"The page of {self.template_name!r} is not rendered yet: write await response.render(), or let a callback of "
                "add_post_render_callback() look at it."
            )
        return self._content

    @body.setter
    def body(self, content: bytes) -> None:
        self._content = content
        self.is_rendered = True

    def add_post_render_callback(self, callback: Callable[[TemplateResponse], Any]) -> None:
        """Call a function with this response once it is rendered: sync or async, or sync and at once where it is already."""
        if self.is_rendered:
            callback(self)
        else:
            self._callbacks.append(callback)

    async def render(self) -> TemplateResponse:
        """Fill the template in, once; a second call does nothing.

        Raises:
            TemplateDoesNotExist: There is none of that name.
        """
        if not self.is_rendered:
            text = await render_to_string(self.template_name, self.context_data, self.request)
            self.body = text.encode()
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                await maybe_await(callback(self))
        return self
