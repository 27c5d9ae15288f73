"""The signals of the request path and of settings: who answers requests, what failed, what a test changed.

``request_started`` and ``request_finished`` are sent round each HTTP request, ``got_request_exception`` for what nobody
caught, ``setting_changed`` by ``covet.conf.override``. While a signal has no receiver, requests do not pass by it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from covet.dispatch import Signal

__all__ = ["got_request_exception", "request_finished", "request_started", "setting_changed"]

F = TypeVar("F", bound=Callable[..., Any])


class RequestSignal(Signal):
    """A signal that says when it gets its first receiver and loses its last one.

    Attributes:
        watchers: Called after each change, with nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watchers: list[Callable[[], None]] = []

    @property
    def has_receivers(self) -> bool:
        """Whether anybody is connected, for whatever sender."""
        return bool(self._entries)

    def connect(self, receiver: F, sender: Any = None, weak: bool = True, dispatch_uid: Hashable | None = None) -> F:
        """As ``Signal.connect``."""
        connected = super().connect(receiver, sender, weak, dispatch_uid)
        self._changed()
        return connected

    def disconnect(
        self, receiver: Callable[..., Any] | None = None, sender: Any = None, dispatch_uid: Hashable | None = None
    ) -> bool:
        """As ``Signal.disconnect``."""
        found = super().disconnect(receiver, sender, dispatch_uid)
        self._changed()
        return found

    def _forget(self, _dead: object) -> None:
        super()._forget(_dead)
        self._changed()

    def _changed(self) -> None:
        for watcher in self.watchers:
            watcher()


request_started = RequestSignal()
"""Before a request is answered, middleware included: ``sender`` is ``HttpHandler``, ``request=``, ``scope=``. What a receiver
raises is answered as an error."""

request_finished = RequestSignal()
"""After an answer has been sent, or its client has left: ``sender`` is ``HttpHandler``, ``request=``. Errors are logged."""

got_request_exception = Signal()
"""After an exception that nobody caught: ``sender`` is ``HttpHandler``, ``request=``, ``exception=``. Errors are logged."""

setting_changed = Signal()
"""After ``override`` has changed or put back a setting: ``sender`` is ``Settings``, ``setting=`` its name, ``value=`` what
holds now, ``enter=`` whether the block begins. Receivers are sync and called directly."""
