"""Linking: a relation and its target find each other, however late the target's model is registered."""

from __future__ import annotations

from typing import Any

from covet.db.models.relations.access import ManyDescriptor, ReverseManyDescriptor, ReverseOneDescriptor
from covet.db.models.relations.spec import lazy_related

__all__ = ["link"]


def link(field: Any, model: Any) -> None:
    """Resolve the target of ``field`` on ``model``, now or when it is registered, and give it the reverse side."""
    lazy_related(model, field.remote_field.model, lambda target: _connect(field, model, target))


def _connect(field: Any, model: Any, target: Any) -> None:
    remote = field.remote_field
    remote.model = target
    field._hops = remote._hops = field._target_field = None
    # What was worked out while the target was a name is out of date.
    field.__dict__.pop("_adapters", None)
    field.__dict__.pop("_converters", None)
    model._meta.plans.clear()
    meta = target._meta
    if meta.swapped or model._meta.swapped:
        # A model that another one stands in for has no table: nothing leads to it, or from it back.
        return
    concrete = meta.concrete_model or target
    concrete._meta.add_related(remote)
    if target is not concrete:
        meta.expire()
    accessor = remote.get_accessor_name()
    if accessor is None:
        return
    if remote.many_to_many:
        setattr(target, accessor, ManyDescriptor(remote, reverse=True))
    elif remote.one_to_one:
        setattr(target, accessor, ReverseOneDescriptor(remote))
        setattr(target, remote.cache_name, None)
    else:
        setattr(target, accessor, ReverseManyDescriptor(remote))
    _keep_fields(target, accessor)


def _keep_fields(target: Any, accessor: str) -> None:
    """Let fields of the target's children answer to their own name, where the reverse side has the same: ``Price.price``."""
    for child in target.__subclasses__():
        meta = vars(child).get("_meta")  # one that is being made has none yet, and will see the name itself
        for field in meta.local_concrete_fields if meta is not None else ():
            if field.attname == accessor and accessor not in vars(child):
                field._install_descriptor(child)
        _keep_fields(child, accessor)
