"""Templates and the real ORM: querysets, relations and instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covet.db import connections, models
from covet.db.models.table import table_of
from covet.templates.environment import Engine


class Author(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "template_tests"


class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")

    class Meta:
        app_label = "template_tests"
        ordering = ["pk"]


@pytest.fixture
async def library(database: Any) -> None:
    async with connections["default"].schema_editor() as editor:
        await editor.create_table(table_of(Author))
        await editor.create_table(table_of(Book))
    ann = await Author.objects.create(name="Ann")
    for title in ("One", "Two", "Three"):
        await Book.objects.create(title=title, author=ann)


@pytest.mark.parametrize("vendor", ["sqlite"])
async def test_querysets_slices_and_relations_are_lists_for_a_template(library: None, tmp_path: Path) -> None:
    (tmp_path / "books.html").write_text(
        "{% for book in books %}{{ book.title }} by {{ book.author.name }};{% endfor %}{{ books|length }}"
    )
    (tmp_path / "author.html").write_text(
        "{{ author.name }}: {% for book in author.books.all() %}{{ book.title }},{% endfor %}{{ author.books.count() }}"
    )
    engine = Engine([str(tmp_path)])

    page = await engine.render("books.html", {"books": Book.objects.select_related("author").all()[:2]})
    author = await engine.render("author.html", {"author": await Author.objects.get(name="Ann")})
    prefetched = await engine.render("author.html", {"author": await Author.objects.prefetch_related("books").get()})

    assert page == "One by Ann;Two by Ann;2"
    assert author == prefetched == "Ann: One,Two,Three,3"
