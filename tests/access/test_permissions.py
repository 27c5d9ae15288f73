"""Permissions say yes or no, combine, and their no becomes 401 or 403."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from covet import access
from covet.conf import override
from covet.exceptions import ImproperlyConfigured, NotLoaded, PermissionDenied
from covet.http.errors import Unauthorized
from covet.http.request import Request
from covet.problems import problem_for
from covet.rest.openapi.security import api_key, basic, bearer, oauth2, openid, session_cookie
from covet.websocket import WebSocket


@dataclass
class User:
    """What ``request.user`` promises: a claim that answers nothing before it is awaited."""

    known: bool = True
    is_staff: bool = False
    perms: frozenset[str] = frozenset()
    checked: bool = field(default=False, init=False)

    def __await__(self) -> Generator[Any, None, User]:
        self.checked = True
        yield from ()
        return self

    @property
    def is_authenticated(self) -> bool:
        if not self.checked:
            raise NotLoaded("await request.user first")
        return self.known

    async def has_perm(self, name: str) -> bool:
        return name in self.perms


def connection(**options: Any) -> Any:
    return SimpleNamespace(user=User(**options))


ANONYMOUS = {"known": False}
READ = access.Target(write=False)
WRITE = access.Target(write=True)


class Article:
    _meta = SimpleNamespace(app_label="blog", model_name="article")


@pytest.mark.parametrize(
    ("permission", "who", "target", "answer"),
    [
        (access.AllowAny, ANONYMOUS, WRITE, True),
        (access.IsAuthenticated, ANONYMOUS, READ, False),
        (access.IsAuthenticated, {}, READ, True),
        (access.IsAuthenticatedOrReadOnly, ANONYMOUS, READ, True),
        (access.IsAuthenticatedOrReadOnly, ANONYMOUS, WRITE, False),
        (access.IsAuthenticatedOrReadOnly, {}, WRITE, True),
        (access.IsAdminUser, {}, READ, False),
        (access.IsAdminUser, {"is_staff": True}, READ, True),
        (access.IsAuthenticated & access.IsAdminUser, {}, READ, False),
        (access.IsAuthenticated & ~access.IsAdminUser, {}, READ, True),
        (access.IsAdminUser | access.IsAuthenticated, {}, READ, True),
        (~(access.IsAdminUser | access.IsAuthenticated), {}, READ, False),
        (access.Is(lambda user: user.is_staff), {"is_staff": True}, READ, True),
        (access.Is(lambda user: True), ANONYMOUS, READ, False),
    ],
)
async def test_permissions_answer_for_whom_and_what(permission: Any, who: Any, target: Any, answer: bool) -> None:
    held = access.effective([permission])

    assert await access.allowed(held, connection(**who), target) is answer


@pytest.mark.parametrize(
    ("action", "perms", "answer"),
    [
        ("add", {"blog.add_article"}, True),
        ("change", {"blog.add_article"}, False),
        ("delete", {"blog.delete_article"}, True),
        ("view", set(), True),
    ],
)
async def test_model_permissions_ask_for_the_model_and_what_is_done(action: Any, perms: Any, answer: bool) -> None:
    target = access.Target(action != "view", Article, action)  # type: ignore[arg-type]

    who = connection(perms=frozenset(perms))

    assert await access.ModelPermissions().has_permission(who, target) is answer


async def test_model_permissions_let_nobody_read_who_is_not_logged_in() -> None:
    target = access.Target(False, Article, "view")  # type: ignore[arg-type]

    assert not await access.ModelPermissions().has_permission(connection(**ANONYMOUS), target)
    assert await access.ModelPermissionsOrReadOnly().has_permission(connection(**ANONYMOUS), target)


async def test_a_no_is_401_for_someone_unknown_and_403_for_someone_known() -> None:
    with pytest.raises(Unauthorized) as unknown:
        await access.check([access.IsAdminUser], connection(**ANONYMOUS), write=True)
    with pytest.raises(PermissionDenied, match="staff only"):
        await access.check([access.IsAdminUser], connection(), write=True)

    assert unknown.value.headers["WWW-Authenticate"] == "Session"


async def test_a_no_is_403_where_nobody_can_log_in() -> None:
    class HasKey(access.Permission):
        message = "Send the key."

        async def has_permission(self, connection: Any, target: Any) -> bool:
            return "x-key" in connection.headers

    request = Request.from_parts("GET", "/")

    with pytest.raises(PermissionDenied, match="Send the key"):
        await access.check([HasKey], request, write=False)
    with pytest.raises(ImproperlyConfigured, match="AuthenticationMiddleware"):
        await access.check([access.IsAuthenticated], request, write=False)


class Nobody(access.Permission):
    async def has_permission(self, connection: Any, target: Any) -> bool:
        return False


async def test_a_user_who_cannot_be_told_for_a_wrong_configuration_is_not_refused() -> None:
    """It is the project's mistake: 403 would hide it for as long as nobody looks."""
    request = Request.from_parts("GET", "/")
    request._make_user = lambda request: request.session

    with pytest.raises(ImproperlyConfigured, match="SessionMiddleware"):
        await access.check([Nobody], request, write=False)


async def test_a_handshake_is_refused_where_nobody_can_log_in() -> None:
    ws = WebSocket({"type": "websocket", "path": "/", "headers": []}, _silent, _silent)
    assert not ws.has_user

    with pytest.raises(PermissionDenied):
        await access.check([Nobody], ws, write=False)

    ws.user = User(known=False)
    assert ws.has_user
    with pytest.raises(Unauthorized):
        await access.check([Nobody], ws, write=False)


async def _silent(*message: Any) -> Any:
    raise AssertionError(message)


@pytest.mark.parametrize(
    ("schemes", "told"),
    [
        ({"token": bearer()}, "Bearer"),
        ({"login": basic()}, 'Basic realm="api"'),
        (
            {"one": {"type": "http", "scheme": "Bearer"}, "two": basic(), "three": openid("/x")},
            'Bearer, Basic realm="api"',
        ),
        ({"session": session_cookie(), "login": basic(), "login2": oauth2(token_url="/t")}, "Session, Bearer"),
        ({"key": api_key()}, "Session"),
    ],
)
async def test_a_401_names_the_schemes_of_the_project(schemes: Any, told: str) -> None:
    class Own:
        is_authenticated = False
        www_authenticate = "Key"

    with override(OPENAPI_SECURITY=schemes), pytest.raises(Unauthorized) as unknown:
        await access.check([access.IsAdminUser], connection(**ANONYMOUS), write=True)

    assert unknown.value.headers["WWW-Authenticate"] == told
    assert access.challenge(Own()) == "Key"


async def test_the_default_lets_everybody_read_and_asks_for_a_user_to_write() -> None:
    await access.check(None, connection(**ANONYMOUS), write=False)
    await access.check(None, connection(), write=True)
    with pytest.raises(Unauthorized):
        await access.check(None, connection(**ANONYMOUS), write=True)


async def test_a_models_policy_holds_where_nothing_else_is_said() -> None:
    @access.policy(access.AllowAny)
    class Note: ...

    await access.check(None, connection(**ANONYMOUS), write=True, model=Note)
    with pytest.raises(Unauthorized):
        await access.check([access.IsAuthenticated], connection(**ANONYMOUS), write=True, model=Note)


class OwnRows(access.Permission):
    async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
        return obj == "mine"


async def test_object_permissions_are_asked_about_the_object() -> None:
    await access.check([OwnRows], connection(), write=True, obj="mine")
    with pytest.raises(PermissionDenied):
        await access.check([OwnRows], connection(), write=True, obj="yours")


async def test_or_lets_an_object_through_by_the_part_that_let_the_request_in() -> None:
    either = OwnRows() & access.IsAuthenticated | access.IsAdminUser

    await access.check([either], connection(is_staff=True), write=True, obj="yours")
    with pytest.raises(PermissionDenied):
        await access.check([either], connection(), write=True, obj="yours")


async def test_not_turns_an_object_permission_round() -> None:
    await access.check([~OwnRows()], connection(), write=True, obj="yours")
    with pytest.raises(PermissionDenied):
        await access.check([~OwnRows()], connection(), write=True, obj="mine")


class Quick(access.Permission):
    def has_permission(self, connection: Any, target: Any) -> bool:  # type: ignore[override]
        return False


async def test_plain_functions_work_as_well() -> None:
    with pytest.raises(PermissionDenied):
        await access.check([Quick], connection(), write=False)


def test_what_lets_anybody_in_is_known_before_any_request() -> None:
    assert access.AllowAny().allows_anyone(write=True)
    assert access.IsAuthenticatedOrReadOnly().allows_anyone(write=False)
    assert not access.IsAuthenticatedOrReadOnly().allows_anyone(write=True)
    assert (access.IsAdminUser | access.AllowAny).allows_anyone(write=True)
    assert not (access.IsAdminUser & access.AllowAny).allows_anyone(write=True)


def test_a_wrong_setting_is_an_error_that_names_it() -> None:
    # Where REST's plans are compiled already, the override itself says it.
    with (
        pytest.raises(ImproperlyConfigured, match="DEFAULT_PERMISSIONS"),
        override(DEFAULT_PERMISSIONS=["covet.access.Target"]),
    ):
        access.effective()


def test_permissions_show_themselves_in_one_line() -> None:
    shown = repr((access.IsAuthenticated & ~access.IsAdminUser) | access.AllowAny)

    assert shown == "((IsAuthenticated & ~IsAdminUser) | AllowAny)"


class Author(access.Permission):
    message = "Only its author may."
    code = "not_author"

    async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
        return obj == "mine"


class Paid(access.Permission):
    """Counts on a user who is known: asked about anyone else, it breaks."""

    message = "This must be paid for."

    async def has_permission(self, connection: Any, target: Any) -> bool:
        user = await connection.user
        return bool({"paid"} & (user.perms if user.is_staff else user.missing))


@pytest.mark.parametrize(
    ("permission", "obj", "message", "code"),
    [
        (access.IsAuthenticated & access.IsAdminUser, None, "This is for staff only.", ""),
        (access.IsAuthenticated & Author, "yours", "Only its author may.", "not_author"),
        (access.IsAdminUser & Author, None, "This is for staff only.", ""),
        # The first part that says no is told, and what stands behind it is not asked.
        (access.IsAdminUser & Paid, None, "This is for staff only.", ""),
        (access.Is(lambda user: False) & Paid, None, "You may not do this.", ""),
        (access.IsAdminUser | Author, "yours", "This is for staff only. Only its author may.", "not_author"),
        (access.Is(lambda user: False) | access.IsAdminUser, None, "This is for staff only.", ""),
        ((access.IsAuthenticated & Author) | access.IsAdminUser & Author, "yours", "Only its author may. This is for staff only.", "not_author"),
        (access.IsAuthenticated & (access.IsAdminUser | access.IsAdminUser), None, "This is for staff only.", ""),
        # What a permission says to its own no is no word about its yes.
        (~access.IsAuthenticated, None, "You may not do this.", ""),
        (access.IsAdminUser & ~Author, None, "This is for staff only.", ""),
        (access.Is(lambda user: False, "Not today."), None, "Not today.", ""),
    ],
)  # fmt: skip
async def test_a_combination_tells_why_its_parts_said_no(permission: Any, obj: Any, message: str, code: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        await access.check([permission], connection(), write=True, obj=obj)

    assert (str(refused.value), refused.value.code) == (message, code)


def test_the_code_of_a_refusal_is_a_member_of_its_problem_document() -> None:
    assert problem_for(PermissionDenied("Pay first.", code="unpaid")).as_dict() == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Pay first.",
        "code": "unpaid",
    }
    assert "code" not in problem_for(PermissionDenied()).as_dict()
    assert problem_for(PermissionDenied()).detail == "You may not do this."
