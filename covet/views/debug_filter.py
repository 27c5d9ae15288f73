"""What the debug page shows of values: ``DEFAULT_EXCEPTION_REPORTER_FILTER`` names the class that decides."""

from __future__ import annotations

import re
from types import FrameType
from typing import TYPE_CHECKING, Any

from covet.conf.errors import MASK, is_secret
from covet.http.errors import BadRequest
from covet.views.debug_frames import mask_text, safe_repr, shown_values

if TYPE_CHECKING:
    from covet.http.request import Request

__all__ = ["SafeExceptionReporterFilter"]

_HIDDEN_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-csrftoken"})
_MOST = 200


class SafeExceptionReporterFilter:
    """Hides what looks like a secret by its name, and what ``sensitive_variables`` and its like name.

    A class of your own derives from it; ``request.exception_reporter_filter`` may be another one for a request.

    Attributes:
        cleansed_substitute: What stands in the place of a hidden value.
        hidden_settings: A pattern of further names to hide.
    """

    cleansed_substitute: str = MASK
    hidden_settings: re.Pattern[str] | None = None

    def is_active(self, request: Request | None) -> bool:
        """Whether anything is hidden; always, unless a class of your own says otherwise."""
        return True

    def is_hidden(self, name: str) -> bool:
        """Whether a value of this name is hidden, wherever it stands."""
        return is_secret(name) or (self.hidden_settings is not None and self.hidden_settings.search(name) is not None)

    def get_traceback_frame_variables(self, request: Request | None, frame: FrameType) -> list[tuple[str, str]]:
        """Return the local names of a frame and the texts of their values."""
        if self.is_active(request):
            return shown_values(frame, self.is_hidden, self.cleansed_substitute)
        return [(name, safe_repr(value)) for name, value in frame.f_locals.items() if not name.startswith("__")]

    def get_post_parameters(self, request: Request) -> list[tuple[str, str]]:
        """Return what the view has read of a form or a JSON object."""
        if request.form_read is not None:
            pairs: list[tuple[str, Any]] = request.form_read.multi_items()
        elif isinstance(request.json_read, dict):
            pairs = list(request.json_read.items())
        else:
            return []
        hidden: frozenset[str] | None = None
        if request._state is not None and self.is_active(request):
            hidden = request.state.__dict__.get("sensitive_parameters")
        return [
            (
                name,
                self.cleansed_substitute
                if self._hides(request, name) or hidden == frozenset() or name in (hidden or ())
                else mask_text(value if isinstance(value, str) else safe_repr(value)),
            )
            for name, value in pairs[:_MOST]
        ]

    def get_headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the headers; what proves who asks is never shown."""
        return [
            (name, self.cleansed_substitute if name in _HIDDEN_HEADERS or self._hides(request, name) else value)
            for name, value in request.headers.multi_items()
        ]

    def get_query(self, request: Request) -> list[tuple[str, str]]:
        """Return the parameters of the query string."""
        try:
            pairs = request.query.multi_items()
        except BadRequest:
            # The query string is what is wrong; the page shows the error that says so.
            return []
        return [(name, self.cleansed_substitute if self._hides(request, name) else value) for name, value in pairs]

    def _hides(self, request: Request | None, name: str) -> bool:
        return self.is_active(request) and self.is_hidden(name)
