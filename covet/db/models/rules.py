"""What constraints and indexes share: the fields they name, whether those are there, and digests for generated names."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.db.models.expressions.q import Q
from covet.db.models.expressions.refs import F
from covet.exceptions import FieldDoesNotExist

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["check_local_fields", "names_digest", "referenced_names"]


def referenced_names(expression: Any) -> frozenset[str]:
    """Return the names of the fields that an expression or ``Q`` reads, without what follows ``__``."""
    names: set[str] = set()
    for part in expression.walk():
        if isinstance(part, Q):
            names.update(lookup.split("__", 1)[0] for lookup, _value in part.leaves())
        elif isinstance(part, F) and isinstance(part.name, str):
            names.add(part.name.split("__", 1)[0])
    return frozenset(names)


def check_local_fields(model: type[Model], rule: Any, names: Collection[str], id: str) -> list[checks.CheckMessage]:
    """Return an error for each name that is no column of the model's own table."""
    found: list[checks.CheckMessage] = []
    meta = model._meta
    kind = type(rule).__name__
    for name in sorted(names):
        if name == "pk":
            continue
        try:
            field = meta.get_field(name)
        except FieldDoesNotExist as error:
            found.append(checks.Error(f"{kind} '{rule.name}' names '{name}': {error}", obj=model, id="models.E012"))
            continue
        if getattr(field, "many_to_many", False) or not hasattr(field, "column_type"):
            found.append(
                checks.Error(
                    f"{kind} '{rule.name}' names '{name}', which has no column here.", obj=model, id="models.E013"
                )
            )
        elif field not in meta.local_fields and field not in meta.private_fields:
            found.append(
                checks.Error(
                    f"{kind} '{rule.name}' names '{name}', which stands in the table of a parent model.",
                    hint="A rule covers one table: declare it in the parent.",
                    obj=model,
                    id="models.E016" if id == "models.E012" else id,
                )
            )
    return found


def names_digest(*parts: str, length: int = 8, separator: str = "\x1f") -> str:
    """Return a short digest of names, for generated identifiers that must be unique and stay the same."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part.encode())
        digest.update(separator.encode())
    return digest.hexdigest()[:length]
