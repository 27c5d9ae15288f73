"""Makes the functions of ``RunPython`` and overridden ``save`` and ``delete`` async, and says where others have to be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from covet.commands._port_edits import Edits

__all__ = ["make_async"]

_MANAGERS: Final = frozenset({"objects", "_default_manager", "_base_manager"})
_LAZY: Final = frozenset(
    [
        "all",
        "filter",
        "exclude",
        "order_by",
        "annotate",
        "values",
        "values_list",
        "distinct",
        "select_related",
        "prefetch_related",
        "using",
        "reverse",
        "only",
        "defer",
        "alias",
        "union",
        "none",
    ]
)
_AWAITED: Final = frozenset(
    [
        "get",
        "create",
        "save",
        "delete",
        "update",
        "count",
        "exists",
        "first",
        "last",
        "earliest",
        "latest",
        "aggregate",
        "bulk_create",
        "bulk_update",
        "in_bulk",
        "get_or_create",
        "update_or_create",
        "add",
        "remove",
        "clear",
        "set",
        "refresh_from_db",
        "full_clean",
        "contains",
    ]
)
_PLAIN_ROWS: Final = frozenset({"values", "values_list"})


def make_async(tree: ast.Module, edits: Edits) -> None:
    """Rewrite what can be rewritten, and note what was and what a person has to."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    carried_by = _run_python_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        if node.name in carried_by and isinstance(parents[node], ast.Module):
            edits.insert(edits.start(node), "async ")
            _Body(node, edits, parents).run()
            edits.note(node, f"{node.name}() was made async and its queries are awaited: look it over.")
        elif isinstance(parents[node], ast.ClassDef) and node.name in {"save", "delete"} and _supers(node):
            edits.insert(edits.start(node), "async ")
            for call in _supers(node):
                _await(call, edits, parents)
            _Body(node, edits, parents).run()
            edits.note(
                node, f"{node.name}() was made async and its queries are awaited: look it over, and await its calls."
            )
        elif any(isinstance(inner, ast.Attribute) and inner.attr in _MANAGERS for inner in ast.walk(node)):
            edits.note(node, f"{node.name}() makes queries: make it async def and await those that it runs.")


def _run_python_names(tree: ast.Module) -> set[str]:
    """Return the names of the functions that ``RunPython`` is given."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "RunPython":
            given = [*node.args[:2], *(k.value for k in node.keywords if k.arg in {"code", "reverse_code"})]
            found.update(item.id for item in given if isinstance(item, ast.Name))
    return found


def _supers(node: ast.FunctionDef) -> list[ast.Call]:
    """Return the calls of the method that this one overrides."""
    return [
        inner
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and inner.func.attr == node.name
        and isinstance(inner.func.value, ast.Call)
        and getattr(inner.func.value.func, "id", "") == "super"
    ]


def _is_atomic(node: ast.With) -> bool:
    return any(
        isinstance(item.context_expr, ast.Call)
        and getattr(item.context_expr.func, "attr", getattr(item.context_expr.func, "id", "")) == "atomic"
        for item in node.items
    )


def _await(node: ast.expr, edits: Edits, parents: dict[ast.AST, ast.AST]) -> None:
    """Put ``await`` before an expression, in brackets where it is part of another one."""
    alone = isinstance(parents.get(node), (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return, ast.keyword))
    edits.insert(edits.start(node), "await " if alone else "(await ")
    if not alone:
        edits.close(edits.end(node), ")")


class _Body:
    """The body of one function that becomes async: knows which of its names are models, querysets and rows."""

    def __init__(self, function: ast.FunctionDef, edits: Edits, parents: dict[ast.AST, ast.AST]) -> None:
        self.function = function
        self.edits = edits
        self.parents = parents
        self.names: set[str] = set()
        self._find_names()

    def run(self) -> None:
        """Await what runs a query, and loop over querysets by ``async for``."""
        for node in ast.walk(self.function):
            if isinstance(node, ast.For) and self._is_query(node.iter):
                self.edits.insert(self.edits.start(node), "async ")
            elif isinstance(node, ast.comprehension) and self._is_query(node.iter):
                # A comprehension has no place of its own: it begins with "for", before its target.
                place = self.edits.start(node.target)
                before = self.edits.text(0, place).encode().rfind(b"for")
                self.edits.insert(before, "async ")
            elif isinstance(node, ast.With) and _is_atomic(node):
                self.edits.insert(self.edits.start(node), "async ")
            elif isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, (ast.If, ast.While)):
                self._condition(node.test)

    def _call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", "")
        if name in {"list", "tuple", "set", "sorted"} and len(node.args) == 1 and self._is_query(node.args[0]):
            self.edits.insert(self.edits.start(node.args[0]), "await ")
        elif name == "len" and len(node.args) == 1 and self._is_query(node.args[0]):
            self.edits.replace(node.func, "")
            self.edits.insert(self.edits.start(node.args[0]), "await ")
            self.edits.close(self.edits.end(node.args[0]), ".count()")
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _AWAITED and self._is_rooted(node.func.value):
            _await(node, self.edits, self.parents)

    def _condition(self, test: ast.expr) -> None:
        while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test = test.operand
        if isinstance(test, ast.Call) and self._is_query(test):
            self.edits.insert(self.edits.start(test), "await ")
            self.edits.close(self.edits.end(test), ".exists()")

    def _find_names(self) -> None:
        """Follow assignments and loops from ``apps.get_model`` on, until nothing new is found."""
        while True:
            before = len(self.names)
            for node in ast.walk(self.function):
                if isinstance(node, ast.Assign) and self._is_rooted(node.value):
                    self.names.update(target.id for target in node.targets if isinstance(target, ast.Name))
                elif (
                    isinstance(node, (ast.For, ast.comprehension))
                    and isinstance(node.target, ast.Name)
                    and self._is_rooted(node.iter)
                    and not _PLAIN_ROWS & set(_attributes(node.iter))
                ):
                    self.names.add(node.target.id)
            if len(self.names) == before:
                return

    def _is_rooted(self, node: ast.expr) -> bool:
        """Whether an expression begins with a model, a queryset or a row."""
        while True:
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Attribute) and node.func.attr == "get_model":
                    return True
                node = node.func
            elif isinstance(node, ast.Attribute) and node.attr in _MANAGERS:
                return True
            elif isinstance(node, (ast.Attribute, ast.Subscript)):
                node = node.value
            else:
                return isinstance(node, ast.Name) and node.id in self.names

    def _is_query(self, node: ast.expr) -> bool:
        """Whether an expression is a queryset that has not been run."""
        if isinstance(node, ast.Subscript):
            return isinstance(node.slice, ast.Slice) and self._is_query(node.value)
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Attribute) and node.func.attr in _LAZY and self._is_rooted(node)
        return isinstance(node, ast.Name) and node.id in self._query_names()

    def _query_names(self) -> set[str]:
        return {
            target.id
            for node in ast.walk(self.function)
            if isinstance(node, ast.Assign)
            and isinstance(node.value, (ast.Call, ast.Subscript))
            and self._is_query(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }


def _attributes(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            yield inner.attr
