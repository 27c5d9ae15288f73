"""Sessions: loaded when their cookie came, saved when they were changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from covet import timezone
from covet.auth.anonymous import AnonymousUser
from covet.auth.middleware import AuthenticationMiddleware
from covet.auth.user_model import SESSION_KEY
from covet.conf import override
from covet.db.observe import record_queries
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.management import call_command
from covet.sessions import Session, SessionInterrupted, session_store
from covet.sessions.base import is_key, new_key
from covet.sessions.middleware import SessionMiddleware


async def test_what_is_kept_comes_back_with_the_cookie(browser: Any) -> None:
    """The cookie is hidden from scripts and other sites; answers that used it vary by it."""
    first = await browser.post("/cart", json="lamp")
    await browser.post("/cart", json="rug")

    kept = await browser.get("/cart")

    assert kept.json() == ["lamp", "rug"]
    assert "Cookie" in kept.headers["vary"]
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "set-cookie" not in kept.headers


async def test_an_unknown_or_made_up_key_is_never_adopted(browser: Any) -> None:
    """Whoever planted it must not know the visitor's session; its cookie is deleted."""
    planted = new_key()
    browser.cookies.set("sessionid", planted)

    response = await browser.get("/cart")
    assert 'sessionid=""' in response.headers["set-cookie"] or "sessionid=;" in response.headers["set-cookie"]
    browser.cookies.clear()
    browser.cookies.set("sessionid", planted, domain="testserver.local")
    await browser.post("/cart", json="lamp")

    assert browser.cookies["sessionid"] != planted
    browser.cookies.clear()
    browser.cookies.set("sessionid", "' OR 1=1 --")
    with record_queries() as records:
        await browser.get("/nothing")
    assert not records


async def test_a_visitor_without_a_cookie_has_a_session_and_a_user_once_somebody_asks(site: Any) -> None:
    """Few views do, and then neither is made; whether there is one can be asked all the same."""

    async def silent(request: Request) -> Response:
        assert request.has_session
        assert request.has_user
        return Response(b"")

    async def asking(request: Request) -> Response:
        assert isinstance(request.user, AnonymousUser)
        assert request.user is request.user
        assert request.session is request.session
        await request.user
        return Response(b"")

    requests, answers = [], []
    for view in (silent, asking):
        layers = SessionMiddleware(AuthenticationMiddleware(view))
        requests.append(Request.from_parts("GET", "/", raw_headers=[(b"host", b"x")]))
        answers.append(await layers(requests[-1]))

    assert not {"session", "user"}.intersection(vars(requests[0]))
    assert [answer.headers.get("vary") for answer in answers] == [None, "Cookie"]
    assert isinstance(requests[0].session, Session)  # for who looks late, as a log does
    bare = Request.from_parts("GET", "/")
    assert not bare.has_session
    assert not bare.has_user


async def test_a_session_that_a_layer_between_has_put_there_says_who_asks(site: Any) -> None:
    """By a header of a project's own, say, where no cookie came."""

    async def view(request: Request) -> Response:
        return Response(str(request.user.pk))

    authenticate = AuthenticationMiddleware(view)

    async def between(request: Request) -> Response:
        request.session = Session(session_store(), new_key(), {SESSION_KEY: "1"})
        return await authenticate(request)

    answer = await SessionMiddleware(between)(Request.from_parts("GET", "/", raw_headers=[(b"host", b"x")]))

    assert answer.body == b"1"


async def test_an_answer_of_500_saves_nothing(browser: Any) -> None:
    """Half a change is no change."""
    await browser.post("/cart", json="lamp")

    with pytest.raises(RuntimeError, match="on purpose"):
        await browser.get("/broken")

    assert (await browser.get("/cart")).json() == ["lamp"]


async def test_a_session_that_was_deleted_meanwhile_is_not_written_again(site: str) -> None:
    """A log-out elsewhere wins over a slow request."""
    store = session_store()
    session = Session(store)
    session["cart"] = ["lamp"]
    await session.save()
    assert session.key is not None
    late = Session(store, session.key, await store.load(session.key))

    await session.flush()
    late["cart"] = ["rug"]

    with pytest.raises(SessionInterrupted):
        await late.save()


async def test_data_that_was_tampered_with_is_refused(site: str) -> None:
    """The rows are signed: who can write the table cannot make up a log-in."""
    from covet.sessions.models import Session as Row

    session = Session(session_store())
    session["admin"] = False
    await session.save()
    row = await Row.objects.get(pk=session.key)
    row.session_data = row.session_data[:-3] + "abc"
    await row.save()

    assert session.key is not None
    assert await session_store().load(session.key) is None


async def test_a_session_ends_when_it_should(site: str) -> None:
    """By its own expiry, or that of the settings; clearsessions deletes what has ended."""
    from covet.sessions.models import Session as Row

    store = session_store()
    now = timezone.now()
    ended = await store.create({"a": 1}, now - timedelta(seconds=1))
    alive = await store.create({"a": 2}, now + timedelta(hours=1))

    assert await store.load(ended) is None
    assert await store.load(alive) == {"a": 2}
    await call_command("clearsessions")
    assert [row.pk for row in await Row.objects.all()] == [alive]


def test_the_expiry_can_be_set_in_every_way() -> None:
    """Seconds, a timedelta, a datetime, the browser's end, and back to the settings' own."""
    session = Session(None)  # type: ignore[arg-type]  # nothing is saved here

    with override(SESSION_COOKIE_AGE=1000), time_machine.travel("2030-01-01T00:00:00Z", tick=False):
        assert session.get_expiry_age() == 1000
        session.set_expiry(50)
        assert session.get_expiry_age() == 50
        session.set_expiry(timedelta(minutes=2))
        assert session.get_expiry_age() == 120
        session.set_expiry(timezone.now() + timedelta(seconds=30))
        assert session.get_expiry_age() == 30
        session.set_expiry(0)
        assert session.get_expire_at_browser_close()
        session.set_expiry(None)
        assert not session.get_expire_at_browser_close()
        assert session.get_expiry_age() == 1000


def test_a_session_knows_what_was_done_to_it() -> None:
    """Reading makes the answer vary; changing makes it save."""
    session = Session(None, "k" * 32, {"a": 1})  # type: ignore[arg-type]  # nothing is saved here

    assert (session.accessed, session.modified) == (False, False)
    assert session.get("a") == 1
    assert (session.accessed, session.modified) == (True, False)
    del session["a"]
    assert session.modified
    assert "k" * 32 not in repr(session)


def test_keys_are_random_and_recognised() -> None:
    """32 letters and digits."""
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(is_key(key) for key in keys)
    assert not is_key("A" * 32)
    assert not is_key("a" * 31)


def test_an_engine_that_does_not_exist_is_a_clear_error() -> None:
    """The setting is named."""
    with override(SESSION_ENGINE="memcachd"), pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE"):
        session_store()


@pytest.mark.parametrize(
    ("name", "advice"), [("session_key", "session.key"), ("aget", "session.get(name), as it is loaded already")]
)
async def test_words_of_django_are_answered(name: str, advice: str) -> None:
    store: Any = None
    with pytest.raises(AttributeError) as caught:
        getattr(Session(store), name)
    assert str(caught.value) == f"A session has no attribute {name!r}. Write {advice}."
