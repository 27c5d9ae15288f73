"""A small random blog on several databases at once, and what a condition means for it, said in plain Python.

The meaning is Django's: one ``filter()`` asks for one related row of each relation, or for none where there is none (as a
LEFT JOIN gives it), and a row comes once for each choice that fulfils the condition; inside a negation a condition over
many rows means "any of them", and what is NULL is simply not fulfilled.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from covet.db.database import Database
from covet.db.models import Q
from covet.db.models.query.plan import Query
from covet.db.models.query.write import delete_where
from tests._apps.blog.models import MODELS, Article, Author, Comment, Profile, Tag

ALIASES = ("default", "postgresql", "mysql")


@dataclass
class Person:
    pk: int
    name: str
    age: int | None
    bio: str | None
    articles: list[Piece] = field(default_factory=list)


@dataclass
class Label:
    pk: int
    label: str


@dataclass
class Remark:
    pk: int
    stars: int


@dataclass
class Piece:
    pk: int
    title: str
    views: int
    rating: Decimal | None
    author: Person
    editor: Person | None
    tags: list[Label]
    comments: list[Remark]


@dataclass
class World:
    """All rows."""

    people: list[Person]
    labels: list[Label]
    pieces: list[Piece]

    async def fill(self, database: Database) -> None:
        """Put the rows on a database, in place of those that are there."""
        for model in reversed(MODELS):
            await delete_where(Query(model), database)
        alias = database.alias
        people = [Author(pk=one.pk, name=one.name, age=one.age) for one in self.people]
        await Author.objects.using(alias).bulk_create(people)
        profiles = [Profile(pk=one.pk, author_id=one.pk, bio=one.bio) for one in self.people if one.bio is not None]
        await Profile.objects.using(alias).bulk_create(profiles)
        await Tag.objects.using(alias).bulk_create([Tag(pk=one.pk, label=one.label) for one in self.labels])
        articles = [
            Article(
                pk=one.pk,
                title=one.title,
                views=one.views,
                rating=one.rating,
                author_id=one.author.pk,
                editor_id=one.editor and one.editor.pk,
            )
            for one in self.pieces
        ]
        await Article.objects.using(alias).bulk_create(articles)
        through: Any = Article.tags.through
        pairs = [through(article_id=one.pk, tag_id=tag.pk) for one in self.pieces for tag in one.tags]
        await through.objects.using(alias).bulk_create(pairs)
        remarks = [
            Comment(pk=remark.pk, article_id=one.pk, text="hm", stars=remark.stars)
            for one in self.pieces
            for remark in one.comments
        ]
        await Comment.objects.using(alias).bulk_create(remarks)


_NAMES = ["a", "ab", "b", "a%b", "c_d", ""]
_LABELS = ["red", "reed", "blue"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a blog of a few rows, with NULLs and relations that lead nowhere."""
    small = st.integers(-2, 3)
    people = [
        Person(
            number, draw(st.sampled_from(_NAMES)), draw(st.none() | small), draw(st.none() | st.sampled_from(_NAMES))
        )
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    labels = [Label(number, label) for number, label in enumerate(_LABELS, 1)]
    counter = itertools.count(1)
    pieces = []
    for number in range(1, draw(st.integers(0, 5)) + 1):
        piece = Piece(
            number,
            draw(st.sampled_from(_NAMES)),
            draw(small),
            draw(st.none() | small.map(Decimal)),
            draw(st.sampled_from(people)),
            draw(st.none() | st.sampled_from(people)),
            draw(st.lists(st.sampled_from(labels), max_size=3, unique_by=lambda one: one.pk)),
            [Remark(next(counter), stars) for stars in draw(st.lists(small, max_size=3))],
        )
        piece.author.articles.append(piece)
        pieces.append(piece)
    return World(people, labels, pieces)


# ── conditions

Row = Any
#: Where a name leads: the related rows, of which there may be many, and the value on one of them.
Reach = Callable[[Piece], Sequence[Row]]


@dataclass(frozen=True, repr=False)
class Place:
    """A field that a condition can name."""

    name: str
    many: str  # the relation to many rows on the way; empty without one
    reach: Reach
    value: Callable[[Row], Any]
    values: st.SearchStrategy[Any]
    is_text: bool = False

    def __repr__(self) -> str:
        return self.name


def _one(row: Row | None) -> Sequence[Row]:
    return [] if row is None else [row]


_small = st.integers(-2, 3)
_text = st.sampled_from(_NAMES)
_keys = st.integers(1, 4)
PLACES = [
    Place("views", "", lambda piece: [piece], lambda row: row.views, _small),
    Place("title", "", lambda piece: [piece], lambda row: row.title, _text, is_text=True),
    Place("rating", "", lambda piece: [piece], lambda row: row.rating, _small),
    Place("author__age", "", lambda piece: [piece.author], lambda row: row.age, _small),
    Place("author__id", "", lambda piece: [piece.author], lambda row: row.pk, _keys),
    Place("editor", "", lambda piece: _one(piece.editor), lambda row: row.pk, _keys),
    Place("editor__pk", "", lambda piece: _one(piece.editor), lambda row: row.pk, _keys),
    Place("editor__age", "", lambda piece: _one(piece.editor), lambda row: row.age, _small),
    Place("editor__name", "", lambda piece: _one(piece.editor), lambda row: row.name, _text, is_text=True),
    Place("author__profile__bio", "", lambda piece: [piece.author], lambda row: row.bio, _text, is_text=True),
    Place("editor__profile__bio", "", lambda piece: _one(piece.editor), lambda row: row.bio, _text, is_text=True),
    Place("tags", "tags", lambda piece: piece.tags, lambda row: row.pk, _keys),
    Place("tags__id", "tags", lambda piece: piece.tags, lambda row: row.pk, _keys),
    Place("tags__label", "tags", lambda piece: piece.tags, lambda row: row.label, st.sampled_from(_LABELS), is_text=True),
    Place("comments", "comments", lambda piece: piece.comments, lambda row: row.pk, _keys),
    Place("comments__stars", "comments", lambda piece: piece.comments, lambda row: row.stars, _small),
    Place("author__articles__views", "author", lambda piece: piece.author.articles, lambda row: row.views, _small),
    Place("author__articles__rating", "author", lambda piece: piece.author.articles, lambda row: row.rating, _small),
    Place("editor__articles__title", "editor", lambda piece: piece.editor.articles if piece.editor else [], lambda row: row.title, _text, is_text=True),
]  # fmt: skip


@dataclass(frozen=True, repr=False)
class Leaf:
    """One look-up."""

    place: Place
    lookup: str
    argument: Any

    def q(self) -> Q:
        return Q(**{f"{self.place.name}__{self.lookup}".removesuffix("__exact"): self.argument})

    def holds(self, row: Row | None) -> bool | None:
        """Say whether it holds for a related row; ``None`` is SQL's unknown."""
        value = None if row is None else self.place.value(row)
        if self.lookup == "isnull":
            return (value is None) is self.argument
        if self.argument is None:
            return value is None
        if value is None:
            return None
        return _TESTS[self.lookup](value, self.argument)

    def is_true(self, piece: Piece, choice: dict[str, Row | None], negated: bool) -> bool | None:
        if self._is_never():
            return False
        rows = self.place.reach(piece) or [None]
        if not self.place.many:
            found = self.holds(rows[0])
        elif not negated:
            return self.holds(choice[self.place.many])
        else:
            found = any(self.holds(row) for row in rows)
        return bool(found) if negated else found

    def relations(self, negated: bool) -> set[str]:
        return {self.place.many} if self.place.many and not negated and not self._is_never() else set()

    def _is_never(self) -> bool:
        return self.lookup == "in" and not [one for one in self.argument if one is not None]

    def __repr__(self) -> str:
        return f"{self.place.name}__{self.lookup}={self.argument!r}"


@dataclass(frozen=True)
class Tree:
    """Conditions joined, perhaps negated."""

    connector: str
    parts: tuple[Leaf | Tree, ...]
    negated: bool = False

    def q(self) -> Q:
        return Q(*[part.q() for part in self.parts], _connector=self.connector, _negated=self.negated)

    def is_true(self, piece: Piece, choice: dict[str, Row | None], negated: bool) -> bool | None:
        inside = negated or self.negated
        found = [part.is_true(piece, choice, inside) for part in self.parts]
        result: bool | None
        if self.connector == "AND":
            result = False if False in found else None if None in found else True
        elif self.connector == "OR":
            result = True if True in found else None if None in found else False
        else:
            # A single part is no XOR of anything, so what is unknown stays unknown.
            result = found[0] if len(found) == 1 else bool(sum(one is True for one in found) % 2)
        if not self.negated:
            return result
        return None if result is None else not result

    def relations(self, negated: bool) -> set[str]:
        inside = negated or self.negated
        return set().union(*[part.relations(inside) for part in self.parts])


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda value, other: bool(value == other),
    "gt": lambda value, other: bool(value > other),
    "gte": lambda value, other: bool(value >= other),
    "lt": lambda value, other: bool(value < other),
    "lte": lambda value, other: bool(value <= other),
    "in": lambda value, other: value in [one for one in other if one is not None],
    "range": lambda value, other: bool(other[0] <= value <= other[1]),
    "contains": lambda value, other: other in value,
    "icontains": lambda value, other: other.lower() in value.lower(),
    "startswith": lambda value, other: value.startswith(other),
    "endswith": lambda value, other: value.endswith(other),
    "iexact": lambda value, other: value.lower() == other.lower(),
}


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    """Draw one look-up."""
    place = draw(st.sampled_from(PLACES))
    lookups = ["exact", "in", "isnull", "none"]
    lookups += (
        ["contains", "icontains", "startswith", "endswith", "iexact"] if place.is_text else ["gt", "lte", "range"]
    )
    if place.name in {"editor", "tags", "comments"}:
        lookups = ["exact", "in", "isnull", "none"]
    lookup = draw(st.sampled_from(lookups))
    if lookup == "isnull":
        return Leaf(place, lookup, draw(st.booleans()))
    if lookup == "none":
        return Leaf(place, "exact", None)
    if lookup == "in":
        return Leaf(place, lookup, draw(st.lists(st.none() | place.values, max_size=3)))
    if lookup == "range":
        return Leaf(place, lookup, (draw(place.values), draw(place.values)))
    return Leaf(place, lookup, draw(place.values))


def trees() -> st.SearchStrategy[Leaf | Tree]:
    """Draw a tree of look-ups."""
    return st.recursive(
        leaves(),
        lambda inner: st.builds(
            Tree,
            st.sampled_from(["AND", "OR", "XOR"]),
            st.lists(inner, min_size=1, max_size=3).map(tuple),
            st.booleans(),
        ),
        max_leaves=6,
    )


def times(piece: Piece, condition: Leaf | Tree) -> int:
    """Return how often a row comes by ``filter(condition)``: once for each choice of related rows that fulfils it."""
    relations = sorted(condition.relations(negated=False))
    by_name = {place.many: place.reach for place in PLACES if place.many}
    choices = [list(by_name[name](piece)) or [None] for name in relations]
    return sum(
        condition.is_true(piece, dict(zip(relations, chosen, strict=True)), negated=False) is True
        for chosen in itertools.product(*choices)
    )


def expected(pieces: Iterable[Piece], filters: Sequence[Leaf | Tree], excludes: Sequence[Leaf | Tree]) -> list[int]:
    """Return the keys that ``filter(…).filter(…).exclude(…)`` gives, each as often as it comes."""
    found: list[int] = []
    for piece in pieces:
        count = 1
        for condition in filters:
            count *= times(piece, condition)
        for condition in excludes:
            count *= Tree("AND", (condition,), negated=True).is_true(piece, {}, negated=False) is True
        found += [piece.pk] * count
    return found


# ── running


async def examples(
    run: Callable[..., Coroutine[Any, Any, None]], *strategies: st.SearchStrategy[Any], count: int, seeded: bool = True
) -> None:
    """Run a coroutine function for drawn arguments; Hypothesis shrinks what fails, from a thread of its own.

    Args:
        run: Takes what the strategies draw.
        strategies: What to draw.
        count: How many examples.
        seeded: Draw the same ones each time.
    """
    loop = asyncio.get_running_loop()
    phases = (Phase.explicit, Phase.generate, Phase.shrink)

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=seeded,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*strategies))
    def draw(arguments: tuple[Any, ...]) -> None:
        asyncio.run_coroutine_threadsafe(run(*arguments), loop).result()

    await asyncio.to_thread(draw)
