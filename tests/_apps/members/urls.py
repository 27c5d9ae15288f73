"""Log in, log out, ask who is there, keep something in the session."""

from __future__ import annotations

from covet import auth
from covet.auth.decorators import login_required, permission_required
from covet.http import JSONResponse, Request, Response
from covet.urls import path


async def whoami(request: Request) -> Response:
    claimed = request.user.pk
    user = await request.user
    again = await request.user
    return JSONResponse(
        {"claimed": claimed, "name": user.get_username(), "authenticated": user.is_authenticated, "same": user is again}
    )


async def nothing(request: Request) -> Response:
    return JSONResponse({"untouched": True})


async def log_in(request: Request) -> Response:
    data = await request.json()
    user = await auth.authenticate(request, username=data["username"], password=data["password"])
    if user is None:
        return JSONResponse({"error": "wrong"}, status=400)
    await auth.login(request, user)
    return JSONResponse({"name": (await request.user).get_username()})


async def log_out(request: Request) -> Response:
    await auth.logout(request)
    return JSONResponse({"name": (await request.user).get_username()})


async def change_password(request: Request) -> Response:
    user = await request.user
    await user.set_password((await request.json())["password"])
    await user.save()
    await auth.update_session_auth_hash(request, user)
    return JSONResponse({})


async def cart(request: Request) -> Response:
    if request.method == "POST":
        request.session["cart"] = [*request.session.get("cart", []), await request.json()]
    return JSONResponse(request.session.get("cart", []))


async def broken(request: Request) -> Response:
    request.session["cart"] = ["lost"]
    raise RuntimeError("on purpose")


@login_required
async def secret(request: Request) -> Response:
    return JSONResponse({"secret": True})


@permission_required("auth.add_group", raise_exception=True)
def sync_secret(request: Request) -> Response:
    return JSONResponse({"secret": "sync"})


urlpatterns = [
    path("whoami", whoami),
    path("nothing", nothing),
    path("login", log_in),
    path("logout", log_out),
    path("password", change_password),
    path("cart", cart),
    path("broken", broken),
    path("secret", secret),
    path("sync-secret", sync_secret),
]
