"""The schema editor and what introspection then finds, on three databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from covet.db import transaction
from covet.db.errors import (
    CheckViolation,
    DatabaseError,
    DataError,
    ForeignKeyViolation,
    NotNullViolation,
    NotSupportedError,
    UniqueViolation,
)
from covet.db.sql.ddl import (
    CheckDef,
    ColumnDef,
    ForeignKeyDef,
    GeneratedDef,
    IndexDef,
    IndexPart,
    TableDef,
    UniqueDef,
)
from covet.db.sql.nodes import Binary, Bound, Column, ColumnType, Func, Keyword

if TYPE_CHECKING:
    from covet.db.database import Database

T = ColumnType
ID = ColumnDef("id", T("bigint"), primary_key=True, identity=True)
AUTHOR = TableDef("author", (ID, ColumnDef("name", T("varchar", 50))))
BOOK = TableDef(
    "book",
    (
        ID,
        ColumnDef("title", T("varchar", 50), unique=True),
        ColumnDef("pages", T("integer"), null=True),
        ColumnDef("author_id", T("bigint")),
    ),
    foreign_keys=(ForeignKeyDef("book_author_fk", ("author_id",), "author", ("id",)),),
    uniques=(UniqueDef("book_title_pages_uniq", (IndexPart("title"), IndexPart("pages"))),),
    checks=(CheckDef("book_pages_check_", Binary(">=", Column(None, "pages"), Bound(0))),),
    indexes=(IndexDef("book_pages_idx", (IndexPart("pages"),)), IndexDef("book_author_idx", (IndexPart("author_id"),))),
)


@pytest.fixture
async def db(database: Database) -> Database:
    async with database.schema_editor() as editor:
        # The table that refers comes first: keys are made when the editor closes.
        await editor.create_table(BOOK)
        await editor.create_table(AUTHOR)
    await database.execute("INSERT INTO author (name) VALUES ('Ann')")
    await database.execute("INSERT INTO book (title, pages, author_id) VALUES ('One', 10, 1)")
    await database.execute("INSERT INTO book (title, pages, author_id) VALUES ('Two', NULL, 1)")
    return database


async def alter(db: Database, old: TableDef, new: TableDef, renamed: dict[str, str] | None = None) -> None:
    async with db.schema_editor() as editor:
        await editor.alter_table(old, new, renamed or {})


async def rows(db: Database, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await db.fetch(sql)]


async def names(db: Database, table: str, kind: str) -> set[str]:
    return {found.name for found in await db.introspection.constraints(table) if found.kind == kind}


async def test_a_new_table_is_read_back(db: Database) -> None:
    reader = db.introspection
    columns = {column.name: column for column in await reader.columns("book")}
    constraints = await reader.constraints("book")
    key = next(item for item in constraints if item.kind == "foreign_key")

    assert await reader.tables() == ["author", "book"]
    assert await reader.views() == []
    assert list(columns) == ["id", "title", "pages", "author_id"]
    assert columns["id"].primary_key and columns["id"].identity
    assert columns["pages"].null and not columns["title"].null
    assert columns["title"].length == 50
    assert await reader.primary_key("book") == ("id",)
    assert (key.name, key.columns, key.to_table, key.to_columns) == (
        "book_author_fk",
        ("author_id",),
        "author",
        ("id",),
    )
    assert key.deferrable == db.features.defers_foreign_keys
    assert await names(db, "book", "check") == {"book_pages_check_"}
    assert ("title", "pages") in [item.columns for item in constraints if item.kind == "unique"]
    assert {"book_pages_idx", "book_author_idx"} <= {index.name for index in await reader.indexes("book")}
    assert [item.column for item in await reader.sequences("book")] == ["id"]
    assert await reader.columns("nowhere") == []


async def test_columns_come_go_and_change_and_rows_stay(db: Database) -> None:
    new = replace(
        BOOK,
        columns=(
            ID,
            ColumnDef("name", T("varchar", 80)),
            ColumnDef("pages", T("bigint"), backfill=Bound(7)),
            ColumnDef("author_id", T("bigint")),
            ColumnDef("note", T("text"), backfill=Bound("it's 100%")),
            ColumnDef("lang", T("varchar", 2), default=Bound("en")),
            ColumnDef("maybe", T("integer"), null=True),
        ),
        uniques=(UniqueDef("book_title_pages_uniq", (IndexPart("name"), IndexPart("pages"))),),
        checks=(CheckDef("book_positive", Binary(">", Column(None, "pages"), Bound(0))),),
    )

    await alter(db, BOOK, new, {"title": "name"})

    assert await rows(db, "SELECT id, name, pages, note, lang, maybe FROM book ORDER BY id") == [
        (1, "One", 10, "it's 100%", "en", None),
        (2, "Two", 7, "it's 100%", "en", None),
    ]
    assert await names(db, "book", "check") == {"book_positive"}
    with pytest.raises(NotNullViolation):
        await db.execute("INSERT INTO book (name, pages, author_id, note) VALUES ('x', NULL, 1, '')")
    with pytest.raises(NotNullViolation):
        await db.execute("INSERT INTO book (name, pages, author_id) VALUES ('x', 1, 1)")
    await db.execute("INSERT INTO book (name, pages, author_id, note) VALUES ('One', 11, 1, '')")
    with pytest.raises(UniqueViolation):
        await db.execute("INSERT INTO book (name, pages, author_id, note) VALUES ('One', 11, 1, '')")


async def test_the_way_back_restores_the_first_definition(db: Database) -> None:
    new = replace(
        BOOK,
        columns=(*BOOK.columns[:2], ColumnDef("size", T("bigint"), null=True), BOOK.columns[3]),
        uniques=(),
        checks=(),
        indexes=(),
        foreign_keys=(),
    )
    before = [await db.introspection.columns("book"), await names(db, "book", "check")]

    await alter(db, BOOK, new, {"pages": "size"})
    assert await names(db, "book", "foreign_key") == set()
    await alter(db, new, BOOK, {"size": "pages"})

    assert [await db.introspection.columns("book"), await names(db, "book", "check")] == before
    assert await names(db, "book", "foreign_key") == {"book_author_fk"}
    assert await rows(db, "SELECT title, pages FROM book ORDER BY id") == [("One", 10), ("Two", None)]
    with pytest.raises(ForeignKeyViolation):
        await db.execute("INSERT INTO book (title, author_id) VALUES ('x', 99)")


async def test_unique_comes_and_goes(db: Database) -> None:
    loose = replace(BOOK, columns=(ID, replace(BOOK.columns[1], unique=False), *BOOK.columns[2:]))

    await alter(db, BOOK, loose)
    await db.execute("INSERT INTO book (title, pages, author_id) VALUES ('One', 5, 1)")
    await db.execute("DELETE FROM book WHERE pages = 5")
    await alter(db, loose, BOOK)

    with pytest.raises(UniqueViolation) as caught:
        await db.execute("INSERT INTO book (title, pages, author_id) VALUES ('One', 5, 1)")
    assert caught.value.columns == ("title",)


async def test_a_text_that_is_too_long_for_the_new_type_is_not_cut(db: Database) -> None:
    short = replace(AUTHOR, columns=(ID, ColumnDef("name", T("varchar", 2))))
    if db.vendor == "sqlite":
        await alter(db, AUTHOR, short)
    else:
        with pytest.raises(DataError):
            await alter(db, AUTHOR, short)

    assert await rows(db, "SELECT name FROM author") == [("Ann",)]


async def test_a_table_is_renamed_and_what_refers_to_it_follows(db: Database) -> None:
    async with db.schema_editor() as editor:
        await editor.rename_table("author", "writer")

    key = next(item for item in await db.introspection.constraints("book") if item.kind == "foreign_key")
    assert key.to_table == "writer"
    with pytest.raises(ForeignKeyViolation):
        await db.execute("INSERT INTO book (title, author_id) VALUES ('x', 99)")


async def test_a_referred_table_is_rebuilt_without_losing_rows_of_others(db: Database) -> None:
    new = replace(AUTHOR, columns=(ID, ColumnDef("name", T("text"), null=True)))

    await alter(db, AUTHOR, new)

    assert await rows(db, "SELECT COUNT(*) FROM book") == [(2,)]
    assert await rows(db, "SELECT name FROM author") == [("Ann",)]
    with pytest.raises(ForeignKeyViolation):
        await db.execute("INSERT INTO book (title, author_id) VALUES ('x', 99)")


async def test_automatic_keys_go_on_where_they_were(db: Database) -> None:
    await db.execute("INSERT INTO author (name) VALUES ('Bob')")
    await db.execute("DELETE FROM author WHERE name = 'Bob'")

    await alter(db, AUTHOR, replace(AUTHOR, columns=(ID, ColumnDef("name", T("varchar", 90), null=True))))
    await db.execute("INSERT INTO author (name) VALUES ('Cem')")

    assert await rows(db, "SELECT id FROM author WHERE name = 'Cem'") == [(3,)]


async def test_a_key_becomes_automatic_and_plain_again(db: Database) -> None:
    plain = replace(AUTHOR, columns=(replace(ID, identity=False), AUTHOR.columns[1]))
    async with db.schema_editor() as editor:
        await editor.drop_table("book")

    await alter(db, AUTHOR, plain)
    await db.execute("INSERT INTO author (id, name) VALUES (70, 'Dag')")
    await alter(db, plain, AUTHOR)
    await db.execute("INSERT INTO author (name) VALUES ('Eva')")

    assert await rows(db, "SELECT id, name FROM author ORDER BY id") == [(1, "Ann"), (70, "Dag"), (71, "Eva")]


async def test_another_primary_key(db: Database) -> None:
    old = TableDef("pair", (ColumnDef("a", T("integer"), primary_key=True), ColumnDef("b", T("integer"))))
    new = TableDef("pair", (ColumnDef("a", T("integer")), ColumnDef("b", T("integer"))), primary_key=("a", "b"))
    async with db.schema_editor() as editor:
        await editor.create_table(old)
    await db.execute("INSERT INTO pair VALUES (1, 2)")

    await alter(db, old, new)
    await db.execute("INSERT INTO pair VALUES (1, 3)")

    assert await db.introspection.primary_key("pair") == ("a", "b")
    with pytest.raises(UniqueViolation):
        await db.execute("INSERT INTO pair VALUES (1, 2)")


async def test_a_generated_column_and_a_default_by_function(db: Database) -> None:
    table = TableDef(
        "box",
        (
            ID,
            ColumnDef("w", T("integer")),
            ColumnDef(
                "area", T("integer"), null=True, generated=GeneratedDef(Binary("*", Column(None, "w"), Bound(2)), True)
            ),
            ColumnDef("made", T("datetime"), default=Func("NOW")),
            ColumnDef("flag", T("boolean"), default=Bound(True)),
        ),
    )
    async with db.schema_editor() as editor:
        await editor.create_table(table)
    await db.execute("INSERT INTO box (w) VALUES (21)")

    found = (await db.fetch("SELECT area, made, flag FROM box"))[0]
    columns = {column.name: column for column in await db.introspection.columns("box")}
    wider = replace(table, columns=(*table.columns, ColumnDef("h", T("integer"), backfill=Bound(1))))
    await alter(db, table, wider)

    assert found[0] == 42
    assert bool(found[2]) is True
    made = db.dialect.converter(T("datetime")) or (lambda value: value)
    assert made(found[1]).tzinfo is not None
    assert columns["area"].generated
    assert await rows(db, "SELECT area, h FROM box") == [(42, 1)]


async def test_partial_and_descending_indexes_where_the_database_has_them(db: Database) -> None:
    new = replace(
        BOOK,
        indexes=(
            *BOOK.indexes,
            IndexDef(
                "book_long_idx",
                (IndexPart("pages", descending=True),),
                condition=Binary(">", Column(None, "pages"), Bound(99)),
            ),
        ),
        uniques=(
            *BOOK.uniques,
            UniqueDef("book_short_uniq", (IndexPart("pages"),), condition=Binary("<", Column(None, "pages"), Bound(5))),
        ),
    )

    await alter(db, BOOK, new)

    found = {index.name: index for index in await db.introspection.indexes("book")}
    if db.dialect.has_partial_indexes:
        assert found["book_long_idx"].condition
        assert found["book_long_idx"].descending == (True,)
        assert found["book_short_uniq"].unique
    else:
        assert "book_long_idx" not in found
    await alter(db, new, BOOK)
    assert "book_long_idx" not in {index.name for index in await db.introspection.indexes("book")}


async def test_an_index_is_renamed(db: Database) -> None:
    async with db.schema_editor() as editor:
        await editor.rename_index("book", BOOK.indexes[0], "book_pages_new")

    found = {index.name for index in await db.introspection.indexes("book")}
    assert "book_pages_new" in found
    assert "book_pages_idx" not in found


async def test_an_index_that_a_foreign_key_leans_on_can_go(db: Database) -> None:
    await alter(db, BOOK, replace(BOOK, indexes=()))

    with pytest.raises(ForeignKeyViolation):
        await db.execute("INSERT INTO book (title, author_id) VALUES ('x', 99)")


@pytest.mark.vendors("postgresql", "mysql")  # SQLite has no comments
async def test_comments_are_written_where_there_are_some(db: Database) -> None:
    new = replace(AUTHOR, columns=(ID, replace(AUTHOR.columns[1], comment="who's 100% it")), comment="people")

    await alter(db, AUTHOR, new)

    columns = {column.name: column.comment for column in await db.introspection.columns("author")}
    assert columns["name"] == "who's 100% it"


async def test_a_failed_change_leaves_nothing_where_ddl_rolls_back(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.schema_editor() as editor:
            await editor.create_table(TableDef("half", (ID,)))
            raise ZeroDivisionError

    assert ("half" in await db.introspection.tables()) is not db.features.rolls_back_ddl


async def test_collecting_runs_nothing_and_gives_statements_that_work(db: Database) -> None:
    table = TableDef("later", (ID, ColumnDef("n", T("varchar", 9), default=Bound("50%"))))
    async with db.schema_editor(collect=True) as editor:
        await editor.create_table(table)
        await editor.execute("INSERT INTO later (n) VALUES (%s)", ("it's 5%",))
    assert "later" not in await db.introspection.tables()

    for sql in editor.collected_sql:
        await db.execute(sql)

    assert all(sql.endswith(";") for sql in editor.collected_sql)
    assert await rows(db, "SELECT n FROM later") == [("it's 5%",)]


async def test_execute_takes_format_places_on_every_database(db: Database) -> None:
    async with db.schema_editor() as editor:
        await editor.execute("UPDATE author SET name = %s WHERE name = %s", ("100%", "Ann"))

    assert await rows(db, "SELECT name FROM author") == [("100%",)]


async def test_an_on_delete_rule_of_the_database(db: Database) -> None:
    new = replace(BOOK, foreign_keys=(replace(BOOK.foreign_keys[0], on_delete="CASCADE"),))

    await alter(db, BOOK, new)
    await db.execute("DELETE FROM author")

    assert await rows(db, "SELECT COUNT(*) FROM book") == [(0,)]


@pytest.mark.vendors("sqlite")  # only SQLite makes tables anew
async def test_sqlite_keeps_indexes_and_triggers_made_by_hand(db: Database) -> None:
    await db.execute("CREATE INDEX by_hand ON book (pages, title)")
    await db.execute("CREATE TRIGGER t AFTER INSERT ON author BEGIN UPDATE book SET pages = 1; END")
    await db.execute("CREATE TRIGGER b AFTER INSERT ON book BEGIN UPDATE author SET name = 'Zoe'; END")

    await alter(db, BOOK, replace(BOOK, checks=()))
    await db.execute("INSERT INTO book (title, author_id) VALUES ('x', 1)")

    assert "by_hand" in {index.name for index in await db.introspection.indexes("book")}
    assert await rows(db, "SELECT name FROM author") == [("Zoe",)]


@pytest.mark.vendors("sqlite")  # only SQLite makes tables anew
async def test_sqlite_refuses_a_rebuild_that_would_break_keys_or_rows(db: Database) -> None:
    new = replace(AUTHOR, columns=(ID, ColumnDef("name", T("text"))))
    async with transaction.atomic():
        with pytest.raises(NotSupportedError, match="outside of atomic"):
            await alter(db, AUTHOR, new)
    with pytest.raises(ForeignKeyViolation, match="Nothing was changed"):
        async with db.schema_editor() as editor:
            await editor.execute("DELETE FROM author")

    assert await rows(db, "SELECT COUNT(*) FROM author") == [(1,)]
    assert (await db.fetch("PRAGMA foreign_keys"))[0][0] == 1


async def test_a_check_that_rows_break_is_refused(db: Database) -> None:
    with pytest.raises((CheckViolation, DatabaseError)):
        await alter(db, BOOK, replace(BOOK, checks=(CheckDef("no", Binary(">", Column(None, "pages"), Bound(1000))),)))

    assert await rows(db, "SELECT COUNT(*) FROM book") == [(2,)]


async def test_a_null_default_word(db: Database) -> None:
    table = TableDef("d", (ID, ColumnDef("n", T("integer"), null=True, default=Keyword("NULL"))))
    async with db.schema_editor() as editor:
        await editor.create_table(table)

    assert (await db.introspection.columns("d"))[1].null
