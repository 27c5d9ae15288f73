"""What an expression and the query room say to each other: ``Scope`` on one side, ``Resolved`` on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field
    from covet.db.sql.statements import Compound, Select

__all__ = ["Resolved", "Scope", "resolve_value"]


class Resolved(NamedTuple):
    """What an expression became: its SQL, and the field that says what it holds (its converter makes the result)."""

    node: nodes.Node
    field: Field[Any] | None


class Scope(Protocol):
    """What the query room offers to an expression that is being resolved; ``query.build`` implements it."""

    @property
    def outer(self) -> Scope:
        """The scope of the surrounding query; ``ValueError`` when there is none."""

    #: The aggregate whose arguments are resolved: they may name no other one.
    aggregating: Any
    #: Whether a window's function is resolved, which may be computed of aggregates.
    in_window: bool

    def ref(self, name: str) -> Resolved:
        """Return what ``"author__name"``, an annotation's name or ``"pk"`` stands for; joins as needed."""

    def param(self, value: Any, field: Field[Any] | None = None) -> nodes.Node:
        """Return the node of the next run-time value, adapted and typed by ``field``."""

    def beside(self, left: Resolved) -> nodes.Node:
        """Return the node of the next run-time value, which is compared with ``left``."""

    def condition(self, q: Any) -> nodes.Node:
        """Return a ``Q`` or a conditional expression; takes the values of its leaves in the order of ``Q.shape``."""

    def orderings(self, item: Any) -> list[nodes.Ordering]:
        """Return an item of ``order_by``: a name, ``F``, ``OrderBy`` or any expression; a key of several columns by each."""

    @property
    def vendor(self) -> str:
        """The database's kind."""

    @property
    def dialect(self) -> Any:
        """How the database spells things."""

    def constant(self, expression: Any) -> Resolved:
        """Return an expression resolved with its values as part of the text's shape, not as run-time values."""

    def compare(self, left: Resolved, lookup: str, right: Resolved | None) -> nodes.Node:
        """Return a built-in look-up; without ``right`` the next run-time value is compared with."""

    def compare_named(self, left: Resolved, lookup: str, right: Any) -> nodes.Node:
        """Return a built-in look-up with a right-hand side that ``side``, or the name of a condition, has made."""

    def side(self, left: Resolved, right: Resolved | None, *, is_pattern: bool = False) -> Any:
        """Return the right-hand side of a comparison with ``left``; without ``right`` the next run-time value.

        ``is_pattern`` says that the wildcards of a look-up of patterns stand in it already.
        """

    def compare_list(self, left: Resolved, lookup: str, right: Any) -> nodes.Node:
        """Return ``in`` or ``range`` of a tuple of values and expressions, or ``in`` of a statement, expression or queryset."""

    def query(self, queryset: Any, *, ordered: bool = False) -> Select | Compound:
        """Return the statement of a nested queryset, whose ``OuterRef`` names look into this scope.

        Its order is left out where no slice needs it, unless ``ordered`` asks for it.
        """


def resolve_value(scope: Scope, value: Any, field: Field[Any] | None = None) -> Resolved:
    """Return an expression resolved, and anything else as a parameter adapted by ``field``."""
    if hasattr(value, "resolve"):
        return value.resolve(scope)  # type: ignore[no-any-return]
    return Resolved(scope.param(value, field), field)
