"""What resolvers get as ``info.context``: the connection, its user, and loaders that live as long as one operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from strawberry.dataloader import DataLoader

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.websocket.connection import WebSocket

__all__ = ["Context"]

K = TypeVar("K")
V = TypeVar("V")


class Context:
    """The surroundings of one operation.

    Attributes:
        request: The HTTP request; None over a WebSocket.
        websocket: The WebSocket; None over HTTP.
        params: What the client sent with ``connection_init``; empty over HTTP.
        state: A place for what extensions and resolvers hand on.
        written: The models that mutations of ours wrote, each with the values; a failed commit is told by them.
    """

    __slots__ = ("_loaders", "params", "request", "state", "websocket", "written")

    def __init__(
        self,
        *,
        request: Request | None = None,
        websocket: WebSocket | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        self.request = request
        self.websocket = websocket
        self.params = params or {}
        self.state: dict[str, Any] = {}
        self.written: list[tuple[Any, dict[str, Any]]] = []
        self._loaders: dict[Any, DataLoader[Any, Any]] = {}

    @property
    def connection(self) -> Any:
        """The request or the WebSocket, for permissions."""
        return self.request if self.request is not None else self.websocket

    @property
    def user(self) -> Any:
        """Who asks; ``await info.context.user`` gives the checked one."""
        return self.connection.user

    def loader(self, load: Callable[[list[K]], Awaitable[Sequence[V | BaseException]]]) -> DataLoader[K, V]:
        """Return the loader of a function, the same one for the whole operation.

        The keys that resolvers ask for in one turn of the loop reach the function as one list.

        Example:
            async def scores(ids: list[int]) -> list[int]: ...

            @graphql.field(needs=["id"])
            async def score(self, row: graphql.Parent[Article], info: graphql.Info) -> int:
                return await info.context.loader(scores).load(row.pk)
        """
        found = self._loaders.get(load)
        if found is None:
            found = self._loaders[load] = DataLoader(load_fn=load)
        return found
