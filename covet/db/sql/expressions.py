"""Expression nodes to SQL text: one method per node, each writing its values in the order of the text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from msgspec import Struct

from covet.db.errors import NotSupportedError
from covet.db.sql import nodes as n
from covet.db.sql.dialect import Convert, Dialect
from covet.db.sql.statements import Compound, Select

__all__ = ["PLACE", "Bind", "Writer"]

# Stands for a value until the text is whole: no name or SQL text can hold it, so the text can be cut there.
PLACE = "\x00"

Query: TypeAlias = "Select | Compound"

_COMPARISONS = frozenset(("=", "<>", "!=", "<", "<=", ">", ">="))


class Bind(Struct, frozen=True):
    """One value of a statement: from a slot of the run-time values, or a constant; adapted on the way."""

    slot: int | None
    value: Any = None
    adapt: Convert | None = None
    many: bool = False
    type: n.ColumnType | None = None
    each: str | None = None
    limits: n.Limits | None = None


class Writer:
    """Writes expressions for one statement and gathers their values.

    Args:
        dialect: How the database spells things.
        query: Writes a whole query; the compiler hands itself over, since it stands above this module.
        inline: Constants become literals: for defaults, checks and indexes, which take no parameters.
        bare: Columns are written without their table's alias: for checks and indexes.
    """

    def __init__(
        self, dialect: Dialect, query: Callable[[Query, Writer], str], *, inline: bool = False, bare: bool = False
    ) -> None:
        self.dialect = dialect
        self.query = query
        self.inline = inline
        self.bare = bare
        self.binds: list[Bind] = []
        self.in_write = False
        self._numbers: dict[Any, int] = {}

    def __call__(self, node: n.Node) -> str:
        """Return the SQL of one node."""
        write = self._METHODS.get(type(node))
        if write is None:
            raise NotSupportedError(f"{type(node).__name__} is no SQL expression.")
        return write(self, node)

    def condition(self, node: n.Node) -> str:
        """Return the SQL of a condition that stands alone, without needless brackets."""
        text = self(node)
        return text[1:-1] if isinstance(node, (n.And, n.Or)) and text[0] == "(" else text

    def plain(self, node: n.Node) -> str:
        """Return a node whose type the database knows from its place: a column's value, a limit."""
        if isinstance(node, n.Param):
            return self._param(node, cast=False)
        if isinstance(node, n.Bound):
            return self._bound(node, cast=False)
        return self(node)

    def list(self, items: tuple[n.Node, ...]) -> str:
        """Return nodes with commas between."""
        return ", ".join([self(item) for item in items])

    # Values

    def _place(self, bind: Bind, key: Any) -> str:
        """Bind a value. The same value again is the same placeholder, so that GROUP BY repeats the text selected."""
        if not self.dialect.reuses_placeholders:
            self.binds.append(bind)
            return PLACE
        number = self._numbers.get(key)
        if number is None:
            self.binds.append(bind)
            number = self._numbers[key] = len(self.binds)
        return self.dialect.placeholder(number)

    def _param(self, node: n.Param, *, cast: bool = True) -> str:
        if self.inline:
            raise NotSupportedError("A default, check or index holds constants, no values that come later.")
        dialect = self.dialect
        adapt = node.adapt
        if adapt is None and node.type is not None:
            adapt = dialect.adapter(node.type)
        text = self._place(
            Bind(node.slot, adapt=adapt, many=node.many, type=node.type, each=node.each, limits=node.limits),
            ("param", node.slot, node.adapt, node.type, node.many, cast),
        )
        return dialect.cast_param(text, node.type) if cast and node.type is not None and not node.many else text

    def _bound(self, node: n.Bound, *, cast: bool = True) -> str:
        dialect = self.dialect
        declared = node.type or dialect.type_of(node.value)
        adapt = dialect.adapter(declared) if declared is not None else None
        if self.inline:
            return self._inline(node.value, adapt)
        value = adapt(node.value) if adapt is not None else node.value
        try:
            hash(value)
            key: Any = ("bound", type(node.value), value, declared, cast)
        except TypeError:
            key = ("bound", id(node), cast)
        text = self._place(Bind(None, value=value), key)
        return dialect.cast_param(text, declared) if cast and declared is not None else text

    def _inline(self, value: Any, adapt: Convert | None) -> str:
        if isinstance(value, bool) or adapt is None:
            return self.dialect.literal(value)
        return self.dialect.literal(adapt(value))

    # Leaves

    def _column(self, node: n.Column) -> str:
        name = self.dialect.quote(node.name)
        if node.alias is None or self.bare:
            return name
        return f"{self.dialect.quote(node.alias)}.{name}"

    def _keyword(self, node: n.Keyword) -> str:
        return node.word

    def _star(self, node: n.Star) -> str:
        return "*" if node.alias is None else f"{self.dialect.quote(node.alias)}.*"

    def _raw(self, node: n.Raw) -> str:
        pieces = node.sql.split("%s")
        if len(pieces) - 1 != len(node.args):
            raise NotSupportedError(
                f"Raw SQL has {len(pieces) - 1} places (%s) and {len(node.args)} arguments; write a literal percent sign as %%.",
                sql=node.sql,
            )
        keep = self.dialect.doubles_percent
        texts = [piece if keep else piece.replace("%%", "%") for piece in pieces]
        out = [texts[0]]
        for arg, text in zip(node.args, texts[1:], strict=True):
            out += [self(arg), text]
        return "".join(out)

    def _row(self, node: n.Row) -> str:
        return f"({', '.join([self(item) for item in node.items])})"

    # Operators

    def _unary(self, node: n.Unary) -> str:
        return f"({node.op}{self(node.operand)})"

    def _binary(self, node: n.Binary) -> str:
        op = node.op
        if op in _COMPARISONS:
            # A column beside a value tells the database the value's type; anything else needs the cast.
            left = self.plain(node.left) if isinstance(node.right, n.Column) else self(node.left)
            right = self.plain(node.right) if isinstance(node.left, n.Column) else self(node.right)
            return f"{_bracketed(node.left, left)} {op} {_bracketed(node.right, right)}"
        left = self(node.left)
        if op == "%" and self.dialect.doubles_percent:
            op = "%%"
        return f"({self.dialect.binary(op, left, self(node.right))})"

    def _and(self, node: n.And) -> str:
        if len(node.items) == 1:
            return self(node.items[0])
        return f"({' AND '.join([self(item) for item in node.items])})" if node.items else "(1 = 1)"

    def _or(self, node: n.Or) -> str:
        if len(node.items) == 1:
            return self(node.items[0])
        return f"({' OR '.join([self(item) for item in node.items])})" if node.items else "(1 = 0)"

    def _not(self, node: n.Not) -> str:
        text = self(node.item)
        bracketed = isinstance(node.item, (n.And, n.Or)) and len(node.item.items) != 1
        return f"NOT {text}" if bracketed else f"NOT ({text})"

    def _is_null(self, node: n.IsNull) -> str:
        return f"{self(node.operand)} IS {'NOT ' if node.negated else ''}NULL"

    def _in(self, node: n.In) -> str:
        dialect = self.dialect
        operand = self(node.operand)
        word = "NOT IN" if node.negated else "IN"
        values = node.values
        if isinstance(values, n.Param):
            if dialect.has_array_any:
                text = self._param(values)
                if values.type is not None:
                    text = f"{text}::{dialect.cast_type(values.type)}[]"
                return f"{operand} {'<> ALL' if node.negated else '= ANY'}({text})"
            return f"{operand} {word} ({self._param(values)})"
        if isinstance(values, (Select, Compound)):
            query = self.query(values, self)
            limited = values.limit is not None or values.offset is not None
            if dialect.wraps_write_subqueries and (self.in_write or limited):
                query = f"SELECT * FROM ({query}) AS {dialect.quote('covet_in')}"
            return f"{operand} {word} ({query})"
        if isinstance(values, n.Raw):
            return f"{operand} {word} {self(values)}"
        if not values:
            return "(1 = 1)" if node.negated else "(1 = 0)"
        plain = isinstance(node.operand, n.Column)
        texts = [self.plain(value) if plain else self(value) for value in values]
        if isinstance(node.operand, n.Row) and not dialect.has_row_in_values:
            return f"{operand} {word} (VALUES {', '.join(texts)})"
        return f"{operand} {word} ({', '.join(texts)})"

    def _match(self, node: n.Match) -> str:
        return self.dialect.match(node.kind, node.operand, node.pattern, self)

    # Queries and branches

    def _exists(self, node: n.Exists) -> str:
        return f"{'NOT ' if node.negated else ''}EXISTS ({self.query(node.query, self)})"

    def _subquery(self, node: n.Subquery) -> str:
        return f"({self.query(node.query, self)})"

    def _cast(self, node: n.Cast) -> str:
        return self.dialect.cast(self(node.operand), node.type)

    def _collate(self, node: n.Collate) -> str:
        return f"{self(node.operand)} COLLATE {self.dialect.quote(node.collation)}"

    def _case(self, node: n.Case) -> str:
        parts = [f"WHEN {self.condition(when.condition)} THEN {self(when.result)}" for when in node.whens]
        if node.default is not None:
            parts.append(f"ELSE {self(node.default)}")
        if not node.whens:
            return self(node.default) if node.default is not None else "NULL"
        return f"CASE {' '.join(parts)} END"

    def _ordering(self, node: n.Ordering) -> str:
        text = self(node.operand)
        way = " DESC" if node.descending else ""
        if node.nulls is None:
            return text + way
        if self.dialect.has_nulls_order:
            return f"{text}{way} NULLS {node.nulls.upper()}"
        # Without NULLS FIRST/LAST, NULL is the smallest value: only the other end needs a sort key of its own.
        if (node.nulls == "first") is not node.descending:
            return text + way
        again = self(node.operand)
        return f"{text} IS {'NOT ' if node.nulls == 'first' else ''}NULL, {again}{way}"

    def _window(self, node: n.WindowSpec) -> str:
        parts = []
        if node.partition_by:
            parts.append(f"PARTITION BY {self.list(node.partition_by)}")
        if node.order_by:
            parts.append(f"ORDER BY {self.list(node.order_by)}")
        if node.frame:
            parts.append(node.frame)
        return f"({' '.join(parts)})"

    def _func(self, node: n.Func) -> str:
        if node.filter is not None and not self.dialect.has_aggregate_filter:
            node = _filter_as_case(node)
        text = self.dialect.function(node, self)
        if text is None:
            args = self.list(node.args)
            order = f" ORDER BY {self.list(node.order_by)}" if node.order_by else ""
            text = f"{self.dialect.function_name(node.name)}({'DISTINCT ' if node.distinct else ''}{args}{order})"
        elif node.name in self.dialect.writes_filter_of:
            return text
        if node.filter is not None:
            text = f"{text} FILTER (WHERE {self.condition(node.filter)})"
        return f"{text} OVER {self._window(node.over)}" if node.over is not None else text

    def _json_path(self, node: n.JSONPath) -> str:
        return self.dialect.json_path(self(node.operand), node.path, as_text=node.as_text)

    _METHODS: ClassVar[dict[type[n.Node], Callable[[Writer, Any], str]]] = {
        n.Column: _column,
        n.Param: _param,
        n.Bound: _bound,
        n.Keyword: _keyword,
        n.Star: _star,
        n.Raw: _raw,
        n.Row: _row,
        n.Unary: _unary,
        n.Binary: _binary,
        n.And: _and,
        n.Or: _or,
        n.Not: _not,
        n.IsNull: _is_null,
        n.In: _in,
        n.Match: _match,
        n.Exists: _exists,
        n.Subquery: _subquery,
        n.Cast: _cast,
        n.Collate: _collate,
        n.Case: _case,
        n.Ordering: _ordering,
        n.WindowSpec: _window,
        n.Func: _func,
        n.JSONPath: _json_path,
    }


def _bracketed(node: n.Node, text: str) -> str:
    """Return a condition that is compared like a value in brackets: comparisons of comparisons are no SQL everywhere."""
    is_condition = isinstance(node, (n.IsNull, n.In, n.Not, n.Match)) or (
        isinstance(node, n.Binary) and node.op in _COMPARISONS
    )
    return f"({text})" if is_condition else text


def _filter_as_case(func: n.Func) -> n.Func:
    """Return the aggregate with its filter moved into the first argument, for databases without FILTER."""
    assert func.filter is not None
    first, *rest = func.args or (n.Star(),)
    kept: n.Node = n.Keyword("1") if isinstance(first, n.Star) else first
    case = n.Case((n.When(func.filter, kept),))
    return n.Func(func.name, (case, *rest), func.distinct, None, func.order_by, func.over, func.type)
