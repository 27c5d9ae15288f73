"""What the reader of a how-to page has at hand: the blog's models with some rows, a user, a request. Run in the project."""

from typing import Any

from blog.models import Article, Author, Tag

from covet.auth import get_user_model
from covet.auth.authentication import claim
from covet.http import Request
from covet.sessions import Session, session_store


async def at_hand() -> dict[str, Any]:
    """The names, by which the fragments of a page know them."""
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    request = Request.from_parts("POST", "/")
    request.session = Session(session_store())
    request.user = claim(request)
    return {
        "Article": Article,
        "Author": Author,
        "Tag": Tag,
        "ann": ann,
        "article": await Article.objects.create(title="A title", body="Some text", author=ann),
        "user": await get_user_model().objects.create_user("ann", email="ann@example.org", password="correct horse"),
        "request": request,
    }
