"""Full text, trigrams and unaccent against the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.errors import NotSupportedError
from covet.db.models import F, Value
from covet.db.models.table import table_of
from covet.postgres.indexes import GinIndex
from covet.postgres.lookups import SearchLookup
from covet.postgres.search import (
    Lexeme,
    SearchConfig,
    SearchHeadline,
    SearchQuery,
    SearchRank,
    SearchVector,
    SearchVectorField,
    TrigramDistance,
    TrigramSimilarity,
    TrigramStrictWordDistance,
    TrigramStrictWordSimilarity,
    TrigramWordDistance,
    TrigramWordSimilarity,
)
from tests.postgres.models import Post

if TYPE_CHECKING:
    from covet.db.database import Database


async def titles(*conditions: Any, **more: Any) -> list[str]:
    return [post.title async for post in Post.objects.filter(*conditions, **more).order_by("title")]


@pytest.fixture
async def posts(pg: Database) -> None:
    await Post.objects.create(title="cats", body="The fat cats sat on the mats; it's a café.")
    await Post.objects.create(title="dogs", body="A dog and a rat ran. Müller's cat hid.")
    await Post.objects.create(title="french", body="Les chats mangeaient", language="french")
    await Post.objects.update(vector=SearchVector("title", weight="A") + SearchVector("body", weight="B"))


@pytest.mark.row("postgres.search", on="postgresql")
async def test_the_search_look_up_finds_words_by_their_stem(posts: None) -> None:
    assert await titles(body__search="cat") == ["cats", "dogs"]
    assert await titles(body__search="fat rats") == []
    assert await titles(vector__search="dog") == ["dogs"]
    assert await titles(body__search=SearchQuery("manger", config="french")) == ["french"]
    assert await titles(body__search=F("title")) == ["cats", "dogs"]
    assert await titles(SearchLookup("body", "rat")) == ["dogs"]


@pytest.mark.row("postgres.search", on="postgresql")
async def test_queries_are_combined_and_turned_round(posts: None) -> None:
    cat, rat = SearchQuery("cat", config="english"), SearchQuery("rat", config="english")
    assert await titles(vector=cat & rat) == ["dogs"]
    assert await titles(vector__search=cat & rat) == ["dogs"]
    assert await titles(vector__search=cat & ~rat) == ["cats"]
    assert await titles(vector__search=~(cat | rat)) == ["french"]
    assert await titles(body__search=SearchQuery("fat cat", search_type="phrase")) == ["cats"]
    assert await titles(body__search=SearchQuery("cat fat", search_type="phrase")) == []
    assert await titles(body__search=SearchQuery('"fat cat" or rat', search_type="websearch")) == ["cats", "dogs"]
    assert await titles(body__search=SearchQuery("cat & !rat", search_type="raw")) == ["cats"]
    with pytest.raises(TypeError, match="combined with another SearchQuery"):
        cat & "rat"


@pytest.mark.row("postgres.search", on="postgresql")
async def test_a_configuration_may_stand_in_the_row(posts: None) -> None:
    vector = SearchVector("body", config=F("language"))
    query = SearchQuery("manger", config=F("language"))
    found = Post.objects.annotate(words=vector).filter(words=query).order_by("title").values_list("title", flat=True)
    assert await found == ["french"]
    constant = SearchVector("body", config=SearchConfig(Value("french")))
    found = Post.objects.annotate(words=constant).filter(words__search=SearchQuery("chat", config="french"))
    assert [post.title async for post in found] == ["french"]


@pytest.mark.row("postgres.search", on="postgresql")
async def test_ranks_order_what_was_found(posts: None) -> None:
    rank = SearchRank("vector", SearchQuery("cat"), weights=[0.1, 0.2, 0.4, 1.0], normalization=1)
    found = await Post.objects.annotate(rank=rank).order_by("-rank", "title").values_list("title", "rank")
    assert [title for title, _rank in found] == ["cats", "dogs", "french"]
    assert found[0][1] > found[1][1] > found[2][1] == 0
    dense = SearchRank(SearchVector("body"), "cat rat", cover_density=True)
    best = await Post.objects.annotate(rank=dense).order_by("-rank").values_list("title", flat=True)[:1]
    assert best == ["dogs"]


@pytest.mark.row("postgres.search", on="postgresql")
async def test_ranks_take_texts_and_expressions(posts: None) -> None:
    ranks = Post.objects.annotate(
        plain=SearchRank("body", "cat", weights=[0.1, 0.2, 0.4, 1.0]),
        made=SearchRank(SearchVector("body"), "cat", weights=[0.1, 0.2, 0.4, 1.0]),
        number=SearchRank("body", "cat", normalization=6),
        bits=SearchRank("body", "cat", normalization=Value(2).bitor(Value(4))),
    )

    found = await ranks.order_by("title").values_list("plain", "made", "number", "bits")
    assert found[0][0] > 0
    assert all(plain == made and number == bits for plain, made, number, bits in found)


@pytest.mark.row("postgres.search", on="postgresql")
async def test_headlines_mark_the_words(posts: None) -> None:
    headline = SearchHeadline("body", "cat", config="english", start_sel='<b class="x, y">', stop_sel="</b>")
    found = await Post.objects.annotate(shown=headline).filter(title="cats").values_list("shown", flat=True)
    assert found == ['The fat <b class="x, y">cats</b> sat on the mats; it\'s a café.']
    short = SearchHeadline("body", SearchQuery("rat"), max_words=3, min_words=2, short_word=1, max_fragments=1)
    (found,) = await Post.objects.annotate(shown=short).filter(title="dogs").values_list("shown", flat=True)
    assert "<b>rat</b>" in found and not found.startswith("A dog")
    whole = SearchHeadline("body", "rat", highlight_all=True, fragment_delimiter=" ~ ")
    (found,) = await Post.objects.annotate(shown=whole).filter(title="dogs").values_list("shown", flat=True)
    assert found == "A dog and a <b>rat</b> ran. Müller's cat hid."


@pytest.mark.row("postgres.search", on="postgresql")
async def test_lexemes_are_taken_as_they_are(posts: None) -> None:
    assert await titles(vector__search=SearchQuery(Lexeme("ca", prefix=True))) == ["cats", "dogs"]
    assert await titles(vector__search=SearchQuery(Lexeme("cat", weight="A"))) == ["cats"]
    assert await titles(vector__search=SearchQuery(Lexeme("cat") & ~Lexeme("rat"))) == ["cats"]
    assert await titles(vector__search=SearchQuery(~(Lexeme("cat") | Lexeme("dog", invert=False)))) == ["french"]
    for nasty in ("cat' | 'french", "cat & !rat", "\\", "'", "a\\'", "!", "(", ":*", "a:A", "\x00x"):
        assert await titles(vector__search=SearchQuery(Lexeme(nasty, prefix=True))) == [], nasty
    assert str(Lexeme("it's", invert=True, prefix=True, weight="b")) == "!'it''s':*B"


@pytest.mark.row("postgres.search", on="postgresql")
async def test_a_vector_is_generated_and_indexed(pg: Database) -> None:
    with apps.isolate():

        class Page(models.Model):
            title = models.CharField(max_length=50)
            vector = models.GeneratedField(
                expression=SearchVector("title", config="english", weight="A"),
                output_field=SearchVectorField(),
                db_persist=True,
            )

            class Meta:
                app_label = "pages"
                indexes = [
                    GinIndex(fields=["vector"], name="page_vector"),
                    GinIndex(SearchVector("title", config="english"), name="page_title"),
                ]

    async with pg.schema_editor() as editor:
        await editor.create_table(table_of(Page))
    try:
        await Page.objects.create(title="Fat rats")
        assert await Page.objects.filter(vector__search=SearchQuery("rat", config="english")).count() == 1
        indexed = Page.objects.filter(title__search=SearchQuery("rat", config="english"))
        assert await indexed.count() == 1
        sql, _params = indexed.query.sql_with_params()
        assert "TO_TSVECTOR($1::regconfig" in sql
    finally:
        async with pg.schema_editor() as editor:
            await editor.drop_table("pages_page")


def test_arguments_of_searches_are_checked() -> None:
    for wrong in (
        lambda: SearchVector("a", weight="E"),
        lambda: SearchQuery("a", search_type="x"),
        lambda: SearchRank("a", "b", weights=[1]),
        lambda: Lexeme(""),
        lambda: Lexeme("a", weight="E"),
    ):
        with pytest.raises(ValueError):
            wrong()
    for wrong in (
        lambda: SearchVector(),
        lambda: SearchVector("a") + 3,
        lambda: Lexeme("a") & "b",
        lambda: Lexeme("a") | 3,
    ):
        with pytest.raises(TypeError):
            wrong()


@pytest.mark.row("postgres.trigram", on="postgresql")
async def test_trigram_look_ups(posts: None) -> None:
    assert await titles(title__trigram_similar="catz") == ["cats"]
    assert await titles(body__trigram_word_similar="Mullers") == []
    assert await titles(body__trigram_word_similar="chat") == ["french"]
    assert await titles(body__trigram_strict_word_similar="mangeait") == ["french"]


@pytest.mark.row("postgres.trigram", on="postgresql")
async def test_trigram_functions(posts: None) -> None:
    async def first(expression: Any, order: str) -> str:
        found = await Post.objects.annotate(n=expression).order_by(order, "title").values_list("title", "n")
        assert all(isinstance(number, float) for _title, number in found)
        return found[0][0]

    assert await first(TrigramSimilarity("title", "frenh"), "-n") == "french"
    assert await first(TrigramDistance("title", "frenh"), "n") == "french"
    assert await first(TrigramWordSimilarity("mangeait", "body"), "-n") == "french"
    assert await first(TrigramWordDistance("mangeait", "body"), "n") == "french"
    assert await first(TrigramStrictWordSimilarity("mangeait", "body"), "-n") == "french"
    assert await first(TrigramStrictWordDistance("mangeait", "body"), "n") == "french"


@pytest.mark.row("postgres.trigram", on="postgresql")
async def test_unaccent_takes_accents_off_both_sides(posts: None) -> None:
    assert await titles(body__unaccent__icontains="cafe") == ["cats"]
    assert await titles(body__unaccent__icontains="MULLER") == ["dogs"]
    assert await titles(body__unaccent__contains="Müller") == ["dogs"]
    assert await titles(title__unaccent="càts") == ["cats"]
    assert await titles(title__unaccent__trigram_similar="càts") == ["cats"]


@pytest.mark.vendors("sqlite", "mysql")
async def test_other_databases_have_no_full_text(database: Database) -> None:
    for condition in ({"body__search": "x"}, {"title__unaccent": "x"}, {"title__trigram_similar": "x"}):
        with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
            await Post.objects.filter(**condition).values("title")
    for expression in (SearchVector("body"), SearchRank("body", "x"), TrigramSimilarity("title", "x")):
        with pytest.raises(NotSupportedError, match="needs PostgreSQL"):
            await Post.objects.annotate(found=expression).values("found")


def test_the_app_gives_texts_the_look_ups() -> None:
    from covet.apps import Apps
    from covet.postgres.lookups import Unaccent

    for kind in (models.CharField, models.TextField):
        kind.unregister_lookup(Unaccent)
        assert kind().get_transform("unaccent") is None
    Apps().setup(["covet.postgres"], ())
    for kind in (models.CharField, models.TextField):
        assert kind().get_transform("unaccent") is Unaccent
        assert kind().get_lookup("search") is SearchLookup
