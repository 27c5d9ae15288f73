"""One model, and a proxy of it."""

from __future__ import annotations

from covet.db import models


class Book(models.Model):
    title = models.CharField(max_length=100)


class Novel(Book):
    class Meta:
        proxy = True
