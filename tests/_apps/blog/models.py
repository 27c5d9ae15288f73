"""Models with every kind of relation that a query can cross."""

from __future__ import annotations

from covet.db import models


class Author(models.Model):
    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True, null=True)
    age = models.IntegerField(null=True)
    articles: models.Related[Article]
    edited: models.Related[Article]

    class Meta:
        app_label = "testblog"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Profile(models.Model):
    """A reverse one-to-one, which an author may lack."""

    author = models.OneToOneField(Author, on_delete=models.CASCADE, related_name="profile")
    bio = models.TextField(default="")

    class Meta:
        app_label = "testblog"


class Tag(models.Model):
    label = models.CharField(max_length=50, unique=True)

    class Meta:
        app_label = "testblog"
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label


class ArticleQuerySet(models.QuerySet["Article", "Article"]):
    def popular(self) -> ArticleQuerySet:
        return self.filter(views__gte=10)


class Article(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField(default="", blank=True)
    views = models.IntegerField(default=0)
    rating = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    is_open = models.BooleanField(default=True)
    day = models.DateField(null=True)
    published_at = models.DateTimeField(null=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="articles")
    editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, related_name="edited")
    tags: models.ManyToManyField[Tag] = models.ManyToManyField(Tag, related_name="articles")
    author_id: int
    editor_id: int | None

    objects = ArticleQuerySet.as_manager()

    class Meta:
        app_label = "testblog"

    def __str__(self) -> str:
        return self.title


class Comment(models.Model):
    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="comments")
    text = models.TextField()
    stars = models.IntegerField(default=0)
    article_id: int

    class Meta:
        app_label = "testblog"


class Book(models.Model):
    """A model with rules for deletion, and automatic dates."""

    name = models.CharField(max_length=50)
    owner = models.ForeignKey(Author, on_delete=models.PROTECT, null=True, related_name="books")
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "testblog"


MODELS = (Author, Profile, Tag, Article, Article.tags.through, Comment, Book)  # type: ignore[attr-defined]
