"""Who a request comes from: log in and out, claims, sessions that end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from covet.auth import user_logged_in, user_login_failed
from covet.conf import override
from covet.db.observe import record_queries
from covet.exceptions import NotLoaded

PASSWORD = "correct horse battery"


async def make_user(**values: Any) -> Any:
    from covet.auth.models import User

    return await User.objects.create_user("ann", "Ann@Example.COM", PASSWORD, **values)


async def test_a_user_logs_in_and_out(browser: Any) -> None:
    """The session's key changes at the log-in, and the old one is worth nothing afterwards."""
    user = await make_user()
    await browser.post("/cart", json="lamp")
    before = browser.cookies["sessionid"]

    wrong = await browser.post("/login", json={"username": "ann", "password": "guess"})
    right = await browser.post("/login", json={"username": "ann", "password": PASSWORD})
    after = browser.cookies["sessionid"]
    who = (await browser.get("/whoami")).json()
    cart = (await browser.get("/cart")).json()
    out = (await browser.post("/logout")).json()
    gone = (await browser.get("/whoami")).json()

    assert wrong.status_code == 400
    assert right.json() == {"name": "ann"}
    assert before != after
    assert who == {"claimed": user.pk, "name": "ann", "authenticated": True, "same": True}
    assert cart == ["lamp"]
    assert out == {"name": ""}
    assert gone["authenticated"] is False
    assert user.email == "Ann@example.com"


async def test_a_request_that_never_asks_for_the_user_never_loads_it(browser: Any) -> None:
    """The session is loaded, since its cookie came; the user is a claim until awaited."""
    await browser.force_login(await make_user())

    with record_queries() as untouched:
        await browser.get("/nothing")
    with record_queries() as asked:
        await browser.get("/whoami")

    assert len(untouched) == 1
    assert len(asked) == 2


async def test_a_visitor_without_a_cookie_costs_no_query_and_gets_no_cookie(browser: Any) -> None:
    """Nothing to load, nothing to save."""
    with record_queries() as records:
        response = await browser.get("/whoami")

    assert not records
    assert "set-cookie" not in response.headers
    assert response.json() == {"claimed": None, "name": "", "authenticated": False, "same": True}


async def test_changing_the_password_ends_the_other_sessions(browser: Any) -> None:
    """The session carries a digest of the password's hash."""
    from covet.asgi import get_asgi_application
    from covet.test.client import AsyncClient

    user = await make_user()
    await browser.force_login(user)
    async with AsyncClient(get_asgi_application()) as elsewhere:
        await elsewhere.force_login(user)

        await browser.post("/password", json={"password": "another one entirely"})

        assert (await browser.get("/whoami")).json()["name"] == "ann"
        assert (await elsewhere.get("/whoami")).json()["authenticated"] is False


async def test_an_inactive_account_is_nobody(browser: Any) -> None:
    """A session that was made while it was active does not help."""
    user = await make_user()
    await browser.force_login(user)
    user.is_active = False
    await user.save()

    assert (await browser.get("/whoami")).json()["authenticated"] is False
    assert (await browser.post("/login", json={"username": "ann", "password": PASSWORD})).status_code == 400


async def test_a_key_of_a_rotated_secret_is_carried_over(browser: Any) -> None:
    """SECRET_KEY_FALLBACKS keep sessions alive while a new key is rolled out."""
    from covet.conf import settings

    await browser.force_login(await make_user())
    with override(SECRET_KEY="new-" + "y" * 50, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert (await browser.get("/whoami")).json()["name"] == "ann"
    with override(SECRET_KEY="other-" + "z" * 50):
        assert (await browser.get("/whoami")).json()["authenticated"] is False


async def test_a_claim_answers_nothing_that_was_not_checked(site: str) -> None:
    """``is_authenticated``, ``is_active`` and every permission method refuse until the claim is awaited."""
    from covet.auth.authentication import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, claim
    from covet.sessions import Session, session_store

    user = await make_user()

    class Connection:
        session = Session(session_store())

    connection: Any = Connection()
    connection.session[SESSION_KEY] = str(user.pk)
    connection.session[BACKEND_SESSION_KEY] = "covet.auth.backends.ModelBackend"
    connection.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    claimed = connection.user = claim(connection)

    assert claimed.pk == user.pk
    for name in ("is_authenticated", "is_anonymous", "is_active", "username"):
        with pytest.raises(NotLoaded, match="await"):
            getattr(claimed, name)
    for asked in (claimed.has_perm("auth.add_group"), claimed.has_module_perms("auth"), claimed.get_all_permissions()):
        with pytest.raises(NotLoaded, match="await"):
            await asked
    with record_queries() as records:
        both = await asyncio.gather(claimed, claimed)
    assert both[0] is both[1] is connection.user
    assert both[0].username == "ann"
    assert len(records) == 1


async def test_the_signals_tell_of_success_and_failure(browser: Any) -> None:
    """Credentials are cleaned of secrets before anybody hears them."""
    await make_user()
    heard: list[Any] = []

    async def success(sender: Any, **kwargs: Any) -> None:
        heard.append(kwargs["user"].username)

    def failure(sender: Any, **kwargs: Any) -> None:
        heard.append(kwargs["credentials"])

    user_logged_in.connect(success)
    user_login_failed.connect(failure)
    try:
        await browser.post("/login", json={"username": "ann", "password": "guess"})
        await browser.post("/login", json={"username": "ann", "password": PASSWORD})
    finally:
        user_logged_in.disconnect(success)
        user_login_failed.disconnect(failure)

    assert heard == [{"username": "ann", "password": "********"}, "ann"]


async def test_views_can_ask_for_a_login_or_a_permission(browser: Any) -> None:
    """Others are sent to the log-in page, or refused with 403; a sync view is guarded as well."""
    from covet.auth.models import Permission

    user = await make_user()

    visitor = await browser.get("/secret?x=1")
    await browser.force_login(user)
    member = await browser.get("/secret")
    without = await browser.get("/sync-secret")
    await user.user_permissions.add(await Permission.objects.get(codename="add_group"))
    granted = await browser.get("/sync-secret")

    assert visitor.status_code == 302
    assert visitor.headers["location"] == "/accounts/login/?next=/secret%3Fx%3D1"
    assert member.json() == {"secret": True}
    assert without.status_code == 403
    assert granted.json() == {"secret": "sync"}


async def test_an_answer_that_depends_on_who_asks_varies_by_the_cookie(browser: Any) -> None:
    """Also where nobody is logged in: else a cache gives their page to those who are."""
    asked = await browser.get("/whoami")
    untouched = await browser.get("/nothing")

    assert not asked.json()["authenticated"]
    assert asked.headers["vary"] == "Cookie"
    assert "vary" not in untouched.headers
