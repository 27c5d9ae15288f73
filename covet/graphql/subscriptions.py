"""GraphQL over a WebSocket: the ``graphql-transport-ws`` protocol, with its close codes.

Each operation is a task of its own; all of them end with the connection, and ``complete`` from the client ends one.
Results are sent one at a time, so a slow client slows the generator that feeds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from graphql import GraphQLError, OperationType
from strawberry.types.execution import ExecutionResult, PreExecutionError

from covet.apps import apps as registry
from covet.graphql.context import Context
from covet.graphql.engine import Schema
from covet.graphql.errors import format_error, settle
from covet.graphql.part import GraphQLPart
from covet.graphql.view import Operation, execute, read_operation
from covet.http.errors import BadRequest
from covet.json import JSONDecodeError, loads
from covet.websocket.codes import WebSocketDisconnect
from covet.websocket.connection import WebSocket

__all__ = ["PROTOCOL", "serve"]

logger = logging.getLogger("covet.graphql")

PROTOCOL: Final = "graphql-transport-ws"
MAX_ID_LENGTH: Final = 200

BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401
BAD_PROTOCOL: Final = 4406
INIT_TIMEOUT: Final = 4408
DUPLICATE: Final = 4409
TOO_MANY_INITS: Final = 4429


async def serve(ws: WebSocket, **_params: Any) -> None:
    """Serve one connection; what the path gives is in ``ws.path_params``, for resolvers."""
    part = registry.current().part(GraphQLPart)
    if part.schema is None:
        await ws.deny(404, b"No installed app defines a GraphQL Query in its schema.py.")
        return
    if PROTOCOL not in ws.subprotocols:
        # Only an accepted connection can be closed with a code that the client sees.
        await ws.accept()
        await ws.close(BAD_PROTOCOL, f"Subprotocol not acceptable: offer {PROTOCOL}")
        return
    await ws.accept(PROTOCOL)
    session = _Session(ws, part.schema, part.max_subscriptions)
    await session.run(part.init_timeout_s)


class _Close(Exception):
    """The client broke the protocol: the code and reason to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Session:
    """The state of one connection."""

    def __init__(self, ws: WebSocket, schema: Schema, max_operations: int) -> None:
        self._ws = ws
        self._schema = schema
        self._max_operations = max_operations
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._params: dict[str, Any] | None = None

    async def run(self, init_timeout_s: float) -> None:
        """Read messages until the connection ends; then end every operation."""
        try:
            async with asyncio.timeout(init_timeout_s):
                while self._params is None:
                    await self._handle(await self._next())
            while True:
                await self._handle(await self._next())
        except TimeoutError:
            await self._ws.close(INIT_TIMEOUT, "Connection initialisation timeout")
        except _Close as close:
            await self._ws.close(close.code, close.reason)
        except WebSocketDisconnect:
            pass
        finally:
            tasks = list(self._operations.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self) -> dict[str, Any]:
        data = await self._ws.receive()
        try:
            message = loads(data)
        except (JSONDecodeError, UnicodeDecodeError):
            raise _Close(BAD_MESSAGE, "Invalid message: not JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise _Close(BAD_MESSAGE, "Invalid message: an object with a type is needed")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_init":
            await self._init(message)
        elif kind == "ping":
            payload = message.get("payload")
            await self._ws.send_json({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})
        elif kind == "pong":
            pass
        elif kind == "subscribe":
            self._subscribe(message)
        elif kind == "complete":
            task = self._operations.pop(_id(message), None)
            if task is not None:
                task.cancel()
        else:
            raise _Close(BAD_MESSAGE, f"Invalid message: unknown type {kind[:40]}")

    async def _init(self, message: Mapping[str, Any]) -> None:
        if self._params is not None:
            raise _Close(TOO_MANY_INITS, "Too many initialisation requests")
        payload = message.get("payload")
        if payload is not None and not isinstance(payload, dict):
            raise _Close(BAD_MESSAGE, "Invalid message: payload is an object")
        self._params = payload or {}
        await self._ws.send_json({"type": "connection_ack"})

    def _subscribe(self, message: Mapping[str, Any]) -> None:
        if self._params is None:
            raise _Close(UNAUTHORIZED, "Unauthorized")
        key = _id(message)
        if key in self._operations:
            raise _Close(DUPLICATE, f"Subscriber for {key} already exists")
        try:
            operation = read_operation(message.get("payload"))
        except BadRequest as error:
            raise _Close(BAD_MESSAGE, f"Invalid message: {error}") from None
        context = Context(websocket=self._ws, params=self._params)
        too_many = len(self._operations) >= self._max_operations
        work = self._refuse(key) if too_many else self._operate(key, operation, context)
        self._operations[key] = asyncio.create_task(work, name=f"covet graphql {key[:20]}")

    async def _refuse(self, key: str) -> None:
        error = GraphQLError(f"This connection runs {self._max_operations} operations already.")
        await self._error(key, [format_error(error, "TOO_MANY_OPERATIONS")])

    async def _operate(self, key: str, operation: Operation, context: Context) -> None:
        """Run one operation to its end, and say so."""
        try:
            if await self._run(key, operation, context):
                await self._send({"type": "complete", "id": key})
        except WebSocketDisconnect:
            pass
        except Exception as error:
            # Resolvers' errors are results; what arrives here is a generator that broke, or a bug.
            with contextlib.suppress(WebSocketDisconnect):
                await self._error(key, [format_error(settle(error, self._schema.debug), "INTERNAL_SERVER_ERROR")])
        finally:
            if self._operations.get(key) is asyncio.current_task():
                del self._operations[key]

    async def _run(self, key: str, operation: Operation, context: Context) -> bool:
        """Send an operation's results; tells whether ``complete`` is still to be sent."""
        prepared = self._schema.documents.prepare(operation.query)
        if prepared.operation_type(operation.name) is not OperationType.SUBSCRIPTION:
            answer = await execute(self._schema, operation, context)
            if not answer.was_run:
                await self._error(key, answer.body["errors"])
                return False
            await self._send({"type": "next", "id": key, "payload": answer.body})
            return True
        if prepared.errors:
            await self._error(key, [format_error(error, prepared.code) for error in prepared.errors])
            return False
        results: Any = await self._schema.subscribe(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.name,
            operation_extensions=operation.extensions,
        )
        async with contextlib.aclosing(results):
            async for result in results:
                errors = self._errors_of(result)
                if isinstance(result, PreExecutionError):
                    await self._error(key, errors)
                    return False
                payload: dict[str, Any] = {"data": result.data}
                if errors:
                    payload["errors"] = errors
                if result.extensions:
                    payload["extensions"] = result.extensions
                await self._send({"type": "next", "id": key, "payload": payload})
        return True

    def _errors_of(self, result: ExecutionResult) -> list[dict[str, Any]]:
        told = self._schema.told(result).errors or []
        return [format_error(error, "BAD_USER_INPUT") for error in told]

    async def _error(self, key: str, errors: list[dict[str, Any]]) -> None:
        await self._send({"type": "error", "id": key, "payload": errors})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._ws.send_json(message)


def _id(message: Mapping[str, Any]) -> str:
    key = message.get("id")
    if not isinstance(key, str) or not key or len(key) > MAX_ID_LENGTH:
        raise _Close(BAD_MESSAGE, "Invalid message: id is a text of 1 to 200 characters")
    return key
