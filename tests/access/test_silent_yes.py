"""What somebody forgot to await, or misspelt, is never taken for a yes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from covet import access
from covet.access.permissions import says_yes
from covet.auth.anonymous import AnonymousUser
from covet.auth.decorators import user_passes_test
from covet.auth.hashers import check_password, make_password
from covet.concurrency import Verdict, maybe_await, unawaited, verdict
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.test import RequestFactory
from tests.rest.library import Author

READ = access.Target(write=False)


@verdict
async def is_open(door: str) -> bool:
    await asyncio.sleep(0)
    return door == "open"


@verdict
async def breaks(error: type[Exception]) -> bool:
    await asyncio.sleep(0)
    raise error


class Forgetful(access.Permission):
    async def has_permission(self, connection: Any, target: Any) -> bool:
        return connection.is_open("closed")  # type: ignore[no-any-return]


class Door:
    is_open = staticmethod(is_open)


class PlainDoor:
    @staticmethod
    async def is_open(door: str) -> bool:
        return False


@pytest.mark.parametrize("door", [Door(), PlainDoor()], ids=["verdict", "coroutine"])
async def test_a_permission_that_forgot_to_await_is_an_error(door: Any) -> None:
    with pytest.raises(
        TypeError, match=r"Forgetful\.has_permission returned what (PlainDoor\.)?is_open\(\) gives and did not await it"
    ):
        await access.allowed([Forgetful()], door, READ)


async def test_an_answer_that_is_no_bool_counts_by_its_truth() -> None:
    assert await says_yes("ann") is True
    assert await says_yes(None) is False


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"has_permision": lambda self, connection, target: False}, "Shop.has_permision is asked by nobody. Did you mean 'has_permission'?"),
        ({"has_object_permissions": lambda self, c, t, o: False}, "Did you mean 'has_object_permission'?"),
        ({"mesage": "No."}, "Did you mean 'message'?"),
    ],
    ids=["method", "plural", "value"],
)  # fmt: skip
def test_a_misspelt_member_of_a_permission_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        type("Shop", (access.Permission,), {**body, "__module__": "shop.access"})
    assert message in str(caught.value)


def test_members_of_a_permissions_own_are_nobodys_business() -> None:
    made = type(
        "Shop", (access.Permission,), {"has_permissio": "a value", "_has_permision": 1, "opening": lambda self: 9}
    )
    assert made().opening() == 9


async def test_a_question_that_was_not_awaited_has_no_truth() -> None:
    answer = is_open("open")
    with pytest.raises(TypeError, match=r"is_open\(\) was not awaited, so there is no answer yet"):
        bool(answer)


async def test_a_question_is_awaited_as_a_coroutine_is() -> None:
    assert await is_open("open") is True
    assert list(await asyncio.gather(is_open("open"), is_open("shut"))) == [True, False]
    assert await asyncio.create_task(is_open("open")) is True
    hook: Any = is_open("shut")
    assert await maybe_await(hook) is False
    with pytest.raises(LookupError):
        await asyncio.create_task(breaks(LookupError))


async def test_a_task_that_asks_is_cancelled_where_it_waits() -> None:
    task = asyncio.create_task(is_open("open"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_unawaited_names_what_was_called_and_ends_it() -> None:
    assert unawaited(is_open("open")) == "is_open"
    assert unawaited(PlainDoor.is_open("open")) == "PlainDoor.is_open"
    assert unawaited("open") is None


async def test_a_user_cannot_be_asked_without_await() -> None:
    nobody = AnonymousUser()
    with override(AUTHENTICATION_BACKENDS=["covet.auth.backends.ModelBackend"]):
        for asked in (nobody.has_perm("a.b"), nobody.has_perms(["a.b"]), nobody.has_module_perms("a")):
            assert isinstance(asked, Verdict)
            with pytest.raises(TypeError, match="was not awaited"):
                assert not asked
        assert await nobody.has_perm("a.b") is False


async def test_a_password_cannot_be_checked_without_await() -> None:
    encoded = await make_password("correct horse")
    with pytest.raises(TypeError, match=r"check_password\(\) was not awaited"):
        assert check_password("wrong", encoded)
    assert await check_password("wrong", encoded) is False


async def test_a_test_of_users_that_forgot_to_await_lets_nobody_in() -> None:
    async def test(user: Any) -> bool:
        return user.has_perm("a.b")  # type: ignore[no-any-return]

    @user_passes_test(test)
    async def view(request: Request) -> Response:
        return Response("in")

    with pytest.raises(TypeError, match="did not await it"):
        await view(RequestFactory().get("/", user=AnonymousUser()))


async def test_rows_cannot_be_asked_for_without_await() -> None:
    """``if rows.exists():`` would be a yes whatever the table holds."""
    for rows in (Author.objects.filter(name="x"), Author.objects):
        with pytest.raises(TypeError, match=r"exists\(\) was not awaited, so there is no answer yet"):
            assert not rows.exists()
    with pytest.raises(TypeError, match=r"contains\(\) was not awaited"):
        bool(Author.objects.all().contains(Author(pk=1)))
