"""The queries of the journey's third part, as statements that a user writes."""

from __future__ import annotations

from typing import Any

from blog.models import Article, Author, Tag

from covet.db import transaction
from covet.db.models import Count, F, Max


async def journey(ann: Author) -> dict[str, Any]:
    tag1 = await Tag.objects.create(name="one")
    tag2 = await Tag.objects.create(name="two")
    article = await Article.objects.create(title="Hi", author=ann)
    article = await Article.objects.get(pk=article.pk)
    articles = await Article.objects.filter(title__icontains="hi")
    async for article in Article.objects.all():
        assert article.title
    async for article in Article.objects.iterator(chunk_size=2000):
        assert article.title
    page = await Article.objects.order_by("title")[20:40]
    first = await Article.objects.first()
    n = await Article.objects.count()
    await Article.objects.filter(pk=article.pk).update(views=F("views") + 1)
    article.title = "Hello"
    await article.save(update_fields=["title"])
    rows = await Article.objects.values("author__name").annotate(n=Count("*"), last=Max("published_at"))

    author = await article.author
    await article.tags.add(tag1, tag2)
    articles = await Article.objects.select_related("author").prefetch_related("tags")
    names = [tag.name for tag in articles[0].tags.all()]
    popular = await ann.articles.filter(views__gt=0).count()

    sent: list[str] = []

    async def send_mail() -> None:
        sent.append("mail")

    async with transaction.atomic():
        locked = await Article.objects.select_for_update(skip_locked=True).get(pk=article.pk)
        transaction.on_commit(send_mail)

    return {
        "page": page,
        "first": first,
        "count": n,
        "rows": rows,
        "author": author.name,
        "joined": articles[0].author.name,
        "tags": sorted(names),
        "popular": popular,
        "locked": locked.title,
        "views": locked.views,
        "sent": sent,
    }
