"""Listens to a GraphQL subscription on one server while an article is published by another process.

``python subscriber.py URL`` subscribes, prints ``listening``, and then the first event as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

import websockets


async def main(url: str) -> None:
    query = "subscription { articlePublished { title author { name } } }"
    async with websockets.connect(
        f"{url.replace('http', 'ws', 1)}/graphql",
        subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        open_timeout=60,
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        print("listening", flush=True)
        while True:
            message = json.loads(await asyncio.wait_for(socket.recv(), 60))
            if message["type"] == "ping":
                await socket.send(json.dumps({"type": "pong"}))
            elif message["type"] != "pong":
                print(json.dumps(message), flush=True)
                return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
