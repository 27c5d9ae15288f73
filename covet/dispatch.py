"""Signals: receivers that are told when something happens.

Receivers run one after another in the order in which they were connected, sync or async. A sync receiver runs in a
thread, so it may block, and reaches the database by ``covet.run_sync``; an async one costs less.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from covet.concurrency import is_async, signature, to_thread

__all__ = ["Signal", "receiver"]

F = TypeVar("F", bound=Callable[..., Any])
Receiver = Callable[..., Any]

logger = logging.getLogger("covet.dispatch")


class _Entry:
    """One connected receiver: how to find it again, for whom it is, and how to reach it."""

    __slots__ = ("key", "reference", "sender", "sender_id")

    def __init__(self, key: Hashable, sender: Any, reference: Callable[[], Receiver | None]) -> None:
        self.key = key
        self.reference = reference
        # A class or module lives as long as its signal; anything else is held weakly where Python can.
        self.sender_id = None if sender is None else id(sender)
        self.sender = sender


class Signal:
    """Something that can happen, and the functions to call when it does.

    ``signal.connect(fn, sender=Article)``, then ``await signal.send(Article, instance=article)`` calls
    ``fn(Article, instance=article, signal=signal)`` and awaits it if it is async.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        # Sender id → receivers; filled on demand, emptied on every change. Most signals have no receiver, and the
        # save path asks for every row: one dict look-up is all it costs.
        self._cache: dict[int, tuple[Callable[[], Receiver | None], ...]] = {}

    def connect(
        self,
        receiver: F,
        sender: Any = None,
        weak: bool = True,
        dispatch_uid: Hashable | None = None,
    ) -> F:
        """Call ``receiver(sender, signal=…, **named)`` whenever the signal is sent; returns the receiver.

        Args:
            receiver: A sync or async function that accepts ``**kwargs``; a sync one runs in a thread.
            sender: Only for this sender; None is for all.
            weak: Forget the receiver when nothing else holds it. A lambda or inner function needs ``weak=False``.
            dispatch_uid: Identifies the receiver, so that connecting it twice connects it once.
        """
        if not callable(receiver):
            raise TypeError(f"A signal's receiver must be callable, and {receiver!r} is not.")
        try:
            parameters = signature(receiver).parameters.values()
        except (TypeError, ValueError):
            parameters = ()  # type: ignore[assignment]  # built-in callables have no signature; nothing to check
        if parameters and not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            name = getattr(receiver, "__qualname__", repr(receiver))
            raise TypeError(f"The receiver {name} must accept **kwargs: signals may pass more values later.")
        key = (_identity(receiver) if dispatch_uid is None else dispatch_uid, None if sender is None else id(sender))
        if all(entry.key != key for entry in self._entries):
            reference: Callable[[], Receiver | None]
            if weak and inspect.ismethod(receiver):
                reference = weakref.WeakMethod(receiver, self._forget)
            elif weak:
                reference = weakref.ref(receiver, self._forget)
            else:
                reference = _Strong(receiver)
            self._entries.append(_Entry(key, sender, reference))
        self._cache.clear()
        return receiver

    def disconnect(
        self, receiver: Receiver | None = None, sender: Any = None, dispatch_uid: Hashable | None = None
    ) -> bool:
        """Forget a receiver; True if it had been connected."""
        key = (_identity(receiver) if dispatch_uid is None else dispatch_uid, None if sender is None else id(sender))
        kept = [entry for entry in self._entries if entry.key != key]
        found = len(kept) != len(self._entries)
        self._entries = kept
        self._cache.clear()
        return found

    def has_listeners(self, sender: Any = None) -> bool:
        """Tell whether sending for this sender would call anything."""
        if not self._entries:
            return False
        return bool(self._references(sender))

    async def send(self, sender: Any, **named: Any) -> list[tuple[Receiver, Any]]:
        """Call every receiver in turn and return each with what it gave; the first error ends it."""
        if not self._entries:
            return []
        responses: list[tuple[Receiver, Any]] = []
        for call in self._live(sender):
            responses.append((call, await self._tell(call, sender, named)))
        return responses

    async def send_robust(self, sender: Any, **named: Any) -> list[tuple[Receiver, Any]]:
        """Like ``send``, but an exception of a receiver is logged and returned in place of its response."""
        responses: list[tuple[Receiver, Any]] = []
        for call in self._live(sender):
            try:
                response = await self._tell(call, sender, named)
            except Exception as error:  # its purpose: one receiver's failure must not stop the others
                logger.exception("Receiver %s failed", getattr(call, "__qualname__", call))
                response = error
            responses.append((call, response))
        return responses

    async def _tell(self, call: Receiver, sender: Any, named: dict[str, Any]) -> Any:
        if is_async(call):
            return await call(sender, signal=self, **named)
        response = await to_thread(call, sender, signal=self, **named)
        if inspect.iscoroutine(response) or asyncio.isfuture(response):
            response = await response
        return response

    def send_sync(self, sender: Any, **named: Any) -> list[tuple[Receiver, Any]]:
        """Call the receivers where nothing can be awaited (``pre_init``, ``post_init``, ``class_prepared``).

        Raises:
            TypeError: A receiver is async.
        """
        if not self._entries:
            return []
        responses: list[tuple[Receiver, Any]] = []
        for call in self._live(sender):
            response = call(sender, signal=self, **named)
            if inspect.iscoroutine(response):
                response.close()
                name = getattr(call, "__qualname__", repr(call))
                raise TypeError(f"The receiver {name} is async, and this signal is sent where nothing can wait for it.")
            responses.append((call, response))
        return responses

    def _live(self, sender: Any) -> Iterable[Receiver]:
        return [call for reference in self._references(sender) if (call := reference()) is not None]

    def _references(self, sender: Any) -> tuple[Callable[[], Receiver | None], ...]:
        wanted = id(sender)
        references = self._cache.get(wanted)
        if references is None:
            references = tuple(e.reference for e in self._entries if e.sender_id is None or e.sender_id == wanted)
            if isinstance(sender, type):
                # Only classes are cached: the id of a short-lived object may come again for another one.
                self._cache[wanted] = references
        return references

    def _forget(self, _dead: object) -> None:
        self._entries = [entry for entry in self._entries if entry.reference() is not None]
        self._cache.clear()


class _Strong:
    """A reference that keeps its target."""

    __slots__ = ("target",)

    def __init__(self, target: Receiver) -> None:
        self.target = target

    def __call__(self) -> Receiver:
        return self.target


def receiver(signal: Signal | Iterable[Signal], **options: Any) -> Callable[[F], F]:
    """Connect the decorated function to one signal or several: ``@receiver(post_save, sender=Article)``."""
    signals = (signal,) if isinstance(signal, Signal) else tuple(signal)

    def connect(function: F) -> F:
        for each in signals:
            each.connect(function, **options)
        return function

    return connect


def _identity(receiver: Any) -> Hashable:
    if inspect.ismethod(receiver):
        return (id(receiver.__self__), id(receiver.__func__))
    return id(receiver)
