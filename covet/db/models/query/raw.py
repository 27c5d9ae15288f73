"""``RawQuerySet``: instances from SQL that the project wrote itself.

Columns are matched to fields by name. Values always travel as parameters; ``%s`` and ``%(name)s`` become whatever the
driver takes, and ``%%`` is one percent sign.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self

from covet.db.models.query import run
from covet.db.models.query.assemble import OutColumn
from covet.db.models.query.chain import M
from covet.db.models.query.hydrate import instances
from covet.db.models.query.plan import Query
from covet.db.models.query.prefetch import prefetch_rows
from covet.db.models.query.related import Related
from covet.db.sql import nodes as n
from covet.db.sql.placeholders import Params, raw_statement
from covet.exceptions import FieldDoesNotExist, QueryNotAwaited

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["RawQuerySet", "raw_statement"]

_NOTHING = n.Keyword("NULL")


class RawQuerySet(Generic[M]):
    """Instances of a model, read by SQL text: ``await Article.objects.raw("SELECT * FROM blog_article WHERE views > %s", [10])``.

    Columns that are no fields become attributes; fields without a column are deferred.
    """

    def __init__(
        self,
        sql: str,
        model: type[M],
        *,
        params: Params = (),
        translations: Mapping[str, str] | None = None,
        using: str | None = None,
        hints: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(sql, str):
            raise TypeError(f"raw() takes SQL as text, not {sql!r}.")
        if isinstance(params, (str, bytes)) or not isinstance(params, (Sequence, Mapping)):
            raise TypeError(f"raw(params=…) takes a list, a tuple or a dictionary, not {params!r}.")
        self.sql = sql
        self.model = model
        self.params = params
        self.translations = dict(translations or {})
        self.query = Query(model)
        self._db = using
        self._hints = hints or {}
        self._for_write = False
        self._prefetch: tuple[Any, ...] = ()
        self._mode: Any = None
        self._cache: list[M] | None = None
        self._names: list[str] | None = None

    def _copy(self) -> Self:
        new = type(self)(
            self.sql,
            self.model,
            params=self.params,
            translations=self.translations,
            using=self._db,
            hints=self._hints,
        )
        new._prefetch = self._prefetch
        new._mode = self._mode
        return new

    # ── lazy

    def using(self, alias: str | None) -> Self:
        """Return the same on another database."""
        new = self._copy()
        new._db = alias
        return new

    def prefetch_related(self, *lookups: Any) -> Self:
        """Return instances whose relations are loaded too, as ``QuerySet.prefetch_related`` does."""
        new = self._copy()
        new._prefetch = () if lookups == (None,) else (*self._prefetch, *lookups)
        return new

    def fetch_mode(self, mode: Any) -> Self:
        """Return instances whose relations are loaded by this mode."""
        new = self._copy()
        new._mode = mode
        return new

    @property
    def db(self) -> str:
        """The alias of the database that is asked."""
        return run.read_database(self).alias

    @property
    def columns(self) -> list[str]:
        """The names of the columns that came back, translated; they are known once the rows are read.

        Raises:
            QueryNotAwaited: The rows were not read yet.
        """
        if self._names is None:
            self._refuse("asked for its columns", "'await queryset' first")
        return [self.translations.get(name, name) for name in self._names]

    # ── reading

    def __await__(self) -> Generator[Any, None, list[M]]:
        """Read the rows once; later awaits return the same list."""
        return self._fetch().__await__()

    async def __aiter__(self) -> AsyncIterator[M]:
        for row in await self._fetch():
            yield row

    async def iterator(self) -> AsyncGenerator[M, None]:
        """Give the rows without keeping them."""
        for row in await self._copy()._fetch():
            yield row

    async def _fetch(self) -> list[M]:
        if self._cache is None:
            database = run.read_database(self)
            sql, args = raw_statement(self.sql, self.params, database.dialect)
            self._names, rows = await database.read(sql, args)
            made = self._instances(self._names, rows, database)
            if self._prefetch and made:
                await prefetch_rows(made, self._prefetch, self._db)
            self._cache = made
        return self._cache

    def _instances(self, names: Sequence[str], rows: Sequence[Any], database: Database) -> list[M]:
        """Return the instances of rows whose columns have these names.

        Raises:
            FieldDoesNotExist: The primary key is not among the columns.
        """
        found, others = self._matched(names)
        meta: Any = self.model._meta
        missing = [field.attname for field in meta.pk_fields if field not in found]
        if missing:
            raise FieldDoesNotExist(
                f"The SQL of raw() does not read the primary key of {meta.object_name} ({', '.join(missing)}): without it "
                "nobody can tell the rows apart."
            )
        fields = tuple(found)
        root = Related(self.model, fields, len(fields) < len(meta.concrete_fields))
        columns = [OutColumn(field.attname, _NOTHING, field) for field in fields]
        make = instances(root, columns, database.dialect)
        places = list(found.values())
        made = (
            make([tuple([row[place] for place in places]) for row in rows], database.alias, self._mode) if rows else []
        )
        for instance, row in zip(made, rows, strict=True):
            for name, place in others.items():
                setattr(instance, name, row[place])
        return made

    def _matched(self, names: Sequence[str]) -> tuple[dict[Any, int], dict[str, int]]:
        """Return the place of each field that has a column, and of each column that is no field."""
        by_name: dict[str, Any] = {}
        for field in self.model._meta.concrete_fields:
            by_name |= {field.name: field, field.attname: field}
        by_column = {field.column: field for field in self.model._meta.concrete_fields}
        fields: dict[Any, int] = {}
        others: dict[str, int] = {}
        for place, column in enumerate(names):
            translated = self.translations.get(column)
            field = by_column.get(column) if translated is None else by_name.get(translated)
            if field is not None:
                fields.setdefault(field, place)
            else:
                others.setdefault(translated or column, place)
        return fields, others

    # ── once read, like a list

    def _refuse(self, what: str, instead: str) -> NoReturn:
        name = self.model._meta.object_name
        raise QueryNotAwaited(f"This raw {name} queryset was not awaited yet, so it cannot be {what}. Write {instead}.")

    def __iter__(self) -> Iterator[M]:
        if self._cache is None:
            self._refuse("iterated", "'for row in await queryset' or 'async for row in queryset'")
        return iter(self._cache)

    def __len__(self) -> int:
        if self._cache is None:
            self._refuse("measured", "'len(await queryset)'")
        return len(self._cache)

    def __bool__(self) -> bool:
        if self._cache is None:
            self._refuse("tested for truth", "'if await queryset'")
        return bool(self._cache)

    def __getitem__(self, item: Any) -> Any:
        if self._cache is None:
            self._refuse("indexed", "'(await queryset)[…]'")
        return self._cache[item]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model._meta.object_name}: {self.sql}>"
