"""What models tell the rest of a project: before and after saves, deletes, changes of many-to-many sets, migrations.

Receivers run one after another (one connection cannot run two statements at once) and may be sync or async, except those
of ``pre_init``, ``post_init`` and ``class_prepared``, which are called where nothing can be awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from covet.apps import apps
from covet.dispatch import Signal

__all__ = [
    "LateSender",
    "ModelSignal",
    "class_prepared",
    "m2m_changed",
    "post_bulk_create",
    "post_bulk_update",
    "post_delete",
    "post_init",
    "post_migrate",
    "post_save",
    "post_update",
    "pre_bulk_create",
    "pre_bulk_update",
    "pre_delete",
    "pre_init",
    "pre_migrate",
    "pre_save",
    "pre_update",
]

F = TypeVar("F", bound=Callable[..., Any])


class LateSender:
    """A receiver that is connected once its sender is registered."""

    __slots__ = ("dispatch_uid", "receiver", "signal", "weak")

    def __init__(self, signal: Signal, receiver: Callable[..., Any], weak: bool, dispatch_uid: Hashable | None) -> None:
        self.signal = signal
        self.receiver = receiver
        self.weak = weak
        self.dispatch_uid = dispatch_uid

    def __call__(self, model: type[Any]) -> None:
        """Connect it."""
        self.signal.connect(self.receiver, model, self.weak, self.dispatch_uid)

    def __repr__(self) -> str:
        names = [name for name, value in globals().items() if value is self.signal]
        receiver = getattr(self.receiver, "__qualname__", None) or repr(self.receiver)
        return f"The receiver '{receiver}' of {names[0] if names else 'a signal'}"


class ModelSignal(Signal):
    """A signal whose sender is a model; the model may be named before it exists: ``sender="blog.Article"``."""

    def connect(self, receiver: F, sender: Any = None, weak: bool = True, dispatch_uid: Hashable | None = None) -> F:
        """Call ``receiver`` whenever the signal is sent by ``sender``, a model or its ``"app.Model"``."""
        if not isinstance(sender, str):
            return super().connect(receiver, sender, weak, dispatch_uid)

        apps.current().lazy_model_operation(LateSender(self, receiver, weak, dispatch_uid), sender)
        return receiver

    def disconnect(
        self, receiver: Callable[..., Any] | None = None, sender: Any = None, dispatch_uid: Hashable | None = None
    ) -> bool:
        """Forget a receiver; the sender may be named."""
        if isinstance(sender, str):
            sender = apps.current().get_model(sender, require_ready=False)
        return super().disconnect(receiver, sender, dispatch_uid)


#: Sent when a model class is complete. Sync.
class_prepared = Signal()
#: ``args``, ``kwargs``. Sync, on every instance that is built by ``Model()``: a receiver here slows all of them.
pre_init = ModelSignal()
#: ``instance``. Sync.
post_init = ModelSignal()
#: ``instance raw using update_fields``.
pre_save = ModelSignal()
#: ``instance created raw using update_fields``.
post_save = ModelSignal()
#: ``instance using origin``.
pre_delete = ModelSignal()
#: ``instance using origin``.
post_delete = ModelSignal()
#: ``instance action reverse model pk_set using raw``; the sender is the through model.
m2m_changed = ModelSignal()
#: ``queryset values using``: once for a whole ``QuerySet.update``; no instance is loaded for it.
pre_update = ModelSignal()
#: ``queryset values using rows``.
post_update = ModelSignal()
#: ``instances using``: once for a whole ``bulk_create``, in place of ``pre_save`` for each.
pre_bulk_create = ModelSignal()
#: ``instances using``.
post_bulk_create = ModelSignal()
#: ``instances fields using``.
pre_bulk_update = ModelSignal()
#: ``instances fields using``.
post_bulk_update = ModelSignal()
#: ``app_config verbosity interactive using plan apps``; the sender is the AppConfig.
pre_migrate = Signal()
#: ``app_config verbosity interactive using plan apps``; the sender is the AppConfig.
post_migrate = Signal()
