from __future__ import annotations

from covet.db import models


class Status(models.TextChoices):
    DRAFT = "draft", "Draft"
    PUBLIC = "public", "Public"


class Author(models.Model):
    name = models.CharField(max_length=100, help_text="As it stands on the cover.")
    email = models.EmailField(unique=True)
    articles: models.Related[Article]

    class Meta:
        app_label = "blogapp"


class Profile(models.Model):
    author = models.OneToOneField(Author, on_delete=models.CASCADE, related_name="profile")
    bio = models.TextField(blank=True)

    class Meta:
        app_label = "blogapp"


class Tag(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "blogapp"


class Kind(models.Model):
    """Has no GraphQL type."""

    name = models.CharField(max_length=50)

    class Meta:
        app_label = "blogapp"


class Article(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="articles")
    kind = models.ForeignKey(Kind, on_delete=models.SET_NULL, null=True, blank=True)
    tags: models.ManyToManyField[Tag] = models.ManyToManyField(Tag, related_name="articles", blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    published_at = models.DateTimeField(null=True, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    reads = models.BigIntegerField(default=0)
    took = models.DurationField(null=True, blank=True)
    extra = models.JSONField(default=dict)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "blogapp"  # so that tests may import it before the apps are set up
        ordering = ["pk"]
