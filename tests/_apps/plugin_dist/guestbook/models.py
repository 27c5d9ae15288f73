"""The guestbook's table."""

from covet.db import models


class Entry(models.Model):
    name = models.CharField(max_length=100)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name
