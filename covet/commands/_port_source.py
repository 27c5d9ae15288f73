"""Rewrites one file of a Django app: imports, names behind them, dotted paths in strings."""

from __future__ import annotations

import ast
import re
from typing import Final

from covet.commands._port_async import make_async
from covet.commands._port_edits import Edits, Finding
from covet.porting.names import Target, find, names_of

__all__ = ["ported"]

_DOTTED: Final = re.compile(r"django(\.[A-Za-z_]\w*)+")
_OWN_HISTORY: Final = frozenset({"auth", "contenttypes", "sessions"})
_NOT_HERE: Final = frozenset({"admin", "flatpages", "gis", "redirects", "sites"})
# What a check of the version gets to see: the release whose features are here.
_VERSION: Final = '(5, 2, 0, "final", 0)'


def ported(source: str, path: str) -> tuple[str, list[Finding]]:
    """Return a file of a Django app as it runs on Covet, and what a person has to look at.

    Args:
        source: The text of the file.
        path: What findings call it.

    Raises:
        SyntaxError: It is no Python.
    """
    tree = ast.parse(source, path)
    edits = Edits(path, source)
    port = _Port(tree, edits)
    port.run()
    make_async(tree, edits)
    return edits.result(), sorted(edits.findings, key=lambda finding: finding.line)


class _Port:
    """One file being rewritten."""

    def __init__(self, tree: ast.Module, edits: Edits) -> None:
        self.tree = tree
        self.edits = edits
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.modules: dict[str, str] = {}  # local names that stand for modules of Covet
        self.has_root = False

    def run(self) -> None:
        """Rewrite everything."""
        nodes = list(ast.walk(self.tree))
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_django(node.module):
                self._import_from(node)
            elif isinstance(node, ast.Import) and any(_is_django(alias.name) for alias in node.names):
                self._import(node)
        for node in nodes:
            if isinstance(node, ast.Attribute):
                self._attribute(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
                self._string(node, node.value)
            elif isinstance(node, ast.Assign):
                self._assignment(node)

    def _assignment(self, node: ast.Assign) -> None:
        """Look at attributes of migrations and of Meta classes."""
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        for target in node.targets:
            if (
                isinstance(target, ast.Attribute)
                and self.modules.get(_path(target.value) or "") == "covet.conf.settings"
            ):
                self.edits.note(
                    node,
                    f"settings.{target.attr} = … raises: settings do not change while a process runs. Take it out, and write "
                    f'getattr(settings, "{target.attr}", …) where the setting is read.',
                )
        if "index_together" in names:
            self.edits.note(node, "index_together is gone: write an Index with these fields into Meta.indexes.")
        if not names & {"dependencies", "run_before"}:
            return
        for pair in ast.walk(node.value):
            if not isinstance(pair, ast.Tuple) or len(pair.elts) != 2:
                continue
            app, name = pair.elts
            if isinstance(app, ast.Constant) and isinstance(name, ast.Constant) and name.value != "__first__":
                if app.value in _OWN_HISTORY:
                    # These apps are here too, with a history of their own: what a file waits for is their beginning.
                    self.edits.replace(name, '"__first__"')
                elif app.value in _NOT_HERE:
                    self.edits.note(pair, f"The app '{app.value}' does not exist: take this dependency out.")

    # ── imports ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _import_from(self, node: ast.ImportFrom) -> None:
        lines: list[str] = []
        groups: dict[str, list[str]] = {}
        absent: list[tuple[str, str]] = []
        for alias in node.names:
            path, local = f"{node.module}.{alias.name}", alias.asname or alias.name
            target = find(node.module or "") if alias.name == "*" else find(path)
            if target is None:
                absent.append((path, local))
            elif alias.name == "*":
                groups.setdefault(target.path, []).append("*")
            else:
                module, name = _split(target)
                groups.setdefault(module, []).append(name if name == local else f"{name} as {local}")
                if not target.name:
                    self.modules[local] = target.module
                elif target.path == "covet.conf.settings":
                    self.modules[local] = target.path
        lines += [f"from {module} import {', '.join(names)}" for module, names in groups.items()]
        lines += self._absent(node, absent)
        self._put(node, lines)

    def _absent(self, node: ast.stmt, absent: list[tuple[str, str]]) -> list[str]:
        """Return statements for names that have no equivalent."""
        if not absent:
            return []
        for path, _ in absent:
            self.edits.note(
                node, f"{path} has no equivalent. Rewrite what uses it; until then, using it raises NotPorted."
            )
        if self._is_guarded(node) or any(local == "*" for _, local in absent):
            return [f'raise ImportError("{absent[0][0]} has no equivalent in Covet")']
        return ["from covet.porting import missing", *(f'{local} = missing("{path}")' for path, local in absent)]

    def _is_guarded(self, node: ast.AST) -> bool:
        """Whether the file itself knows what to do when an import fails."""
        parent = self.parents.get(node)
        while parent is not None:
            if isinstance(parent, ast.Try) and node in parent.body:
                caught = {
                    name.id
                    for handler in parent.handlers
                    for name in ast.walk(handler.type or ast.Name("Exception"))
                    if isinstance(name, ast.Name)
                }
                if caught & {"ImportError", "ModuleNotFoundError", "Exception"}:
                    return True
            node, parent = parent, self.parents.get(parent)
        return False

    def _import(self, node: ast.Import) -> None:
        lines = []
        for alias in node.names:
            if not _is_django(alias.name):
                lines.append(f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
                continue
            target = find(alias.name)
            if target is None:
                local = alias.asname
                if local:
                    lines += self._absent(node, [(alias.name, local)])
                else:
                    self.has_root = True
                    self.edits.note(node, f"{alias.name} has no equivalent. Rewrite what uses it.")
                    lines.append("import covet.porting")
            elif alias.asname:
                self.modules[alias.asname] = target.module
                lines.append(f"import {target.module} as {alias.asname}")
            else:
                self.has_root = True
                lines.append(f"import {target.module}")
        self._put(node, list(dict.fromkeys(lines)))

    def _put(self, node: ast.stmt, lines: list[str]) -> None:
        before, after = self.edits.around(node)
        one_line = bool(before.strip()) or after.lstrip().startswith(";")
        self.edits.replace(node, "; ".join(lines) if one_line else ("\n" + before).join(lines))

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            self._name_in_module(node, node.value.id)
        if not self.has_root or isinstance(self.parents.get(node), ast.Attribute):
            return
        path = _path(node)
        if path is None or not path.startswith("django."):
            return
        if path == "django.VERSION":
            self.edits.replace(node, _VERSION)
            self.edits.note(node, f"django.VERSION became {_VERSION}: take out the branches for other versions.")
            return
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            target = find(_path(inner) or "")
            if target is not None and (target.name or target.module != "covet"):
                self.edits.replace(inner, target.path)
                return
            inner = inner.value
        self.edits.note(node, f"{path} has no equivalent. Rewrite it; until then, using it raises NotPorted.")
        self.edits.replace(node, f'covet.porting.missing("{path}")')

    def _name_in_module(self, node: ast.Attribute, local: str) -> None:
        module = self.modules[local]
        if node.attr == "NullBooleanField" and module == "covet.db.models":
            self._null_boolean(node, local)
            return
        names = names_of(module)
        if names is not None and node.attr not in names and not node.attr.startswith("_"):
            self.edits.note(
                node, f"{local}.{node.attr} does not exist: {module} has no {node.attr}. Write something else."
            )

    def _null_boolean(self, node: ast.Attribute, local: str) -> None:
        """Write the field that took the place of ``NullBooleanField``."""
        self.edits.replace(node, f"{local}.BooleanField")
        call = self.parents.get(node)
        if isinstance(call, ast.Call) and call.func is node:
            given = {keyword.arg for keyword in call.keywords}
            added = ", ".join(f"{name}=True" for name in ("null", "blank") if name not in given)
            if added and call.args:
                self.edits.insert(self.edits.end(call.args[-1]), f", {added}")
            elif added:
                self.edits.insert(self.edits.end(node) + 1, added + (", " if call.keywords else ""))
        else:
            self.edits.note(node, "NullBooleanField became BooleanField: give it null=True, blank=True.")

    def _string(self, node: ast.Constant, value: str) -> None:
        target = find(value)
        if target is None:
            self.edits.note(node, f'"{value}" has no equivalent. Rewrite it.')
            return
        written = self.edits.text(self.edits.start(node), self.edits.end(node))
        if written.count(value) == 1:
            self.edits.replace(node, written.replace(value, target.path))


def _is_django(module: str | None) -> bool:
    return module is not None and (module == "django" or module.startswith("django."))


def _split(target: Target) -> tuple[str, str]:
    """Return what stands behind ``from`` and ``import``."""
    if target.name:
        return target.module, target.name
    module, _, name = target.module.rpartition(".")
    return module, name


def _path(node: ast.expr) -> str | None:
    """Return the dotted path that a chain of attributes spells."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None
