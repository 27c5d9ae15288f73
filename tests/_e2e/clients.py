"""Real clients that speak to a server as a user's would: HTTP, GraphQL over HTTP and WebSocket, plain WebSocket.

It is run inside a machine's own environment: ``python clients.py URL SESSION CSRF`` prints what came back as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import websockets

ARTICLES = """
query { articles(first: 2) { totalCount edges { node { title excerpt author { name } tags { name } } } } }
"""
CREATE = "mutation($data: ArticleIn!) { createArticle(data: $data) { id title } }"


async def main(url: str, session: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    ws_url = url.replace("http", "ws", 1)
    async with (
        httpx.AsyncClient(base_url=url, timeout=60) as visitor,
        httpx.AsyncClient(base_url=url, timeout=60) as member,
    ):
        member.cookies.set("sessionid", session)
        seen["home"] = (await visitor.get("/")).text
        seen["docs"] = (await visitor.get("/docs")).status_code
        document = (await visitor.get("/openapi.json")).json()
        seen["paths"] = sorted(document["paths"])
        seen["page"] = (await visitor.get("/api/articles/?size=1")).json()
        seen["search"] = (await visitor.get("/api/articles/?q=nothing")).json()["total"]
        author = seen["page"]["items"][0]["author"]
        article = {"title": "By REST", "body": "Body", "author": author}
        seen["anonymous"] = (await visitor.post("/api/articles/", json=article)).status_code
        refused = await member.post("/api/articles/", json=article)
        seen["without csrf"] = refused.status_code
        token = await _csrf_token(member)
        member.headers["X-CSRFToken"] = token
        created = await member.post("/api/articles/", json=article)
        seen["created"] = [created.status_code, created.json()]
        seen["read"] = (await visitor.get(f"/api/articles/{created.json()['id']}")).json()
        seen["errors"] = {
            "unknown key": await _problem(member.post("/api/articles/", json={**article, "author": 987654})),
            "wrong type": await _problem(member.post("/api/articles/", json={**article, "title": 7})),
            "unknown field": await _problem(member.post("/api/articles/", json={**article, "titel": "x"})),
            "no json": await _problem(
                member.post("/api/articles/", content=b"{", headers={"content-type": "application/json"})
            ),
            "duplicate": await _problem(member.post("/api/authors/", json={"name": "Ann", "email": "ann@example.com"})),
            "not found": await _problem(visitor.get("/api/articles/987654")),
            "no path": await _problem(visitor.get("/nowhere/", headers={"accept": "application/json"})),
            "method": await _problem(visitor.delete("/api/articles/")),
        }
        allow = (await visitor.delete("/api/articles/")).headers.get("allow", "")
        seen["allow"] = sorted(part.strip() for part in allow.split(","))
        seen["authors"] = (await member.get("/api/authors/?name=Ann")).json()
        seen["promoted"] = (await member.post(f"/api/authors/{author}/promote/")).json()
        seen["graphql"] = (await visitor.post("/graphql", json={"query": ARTICLES})).json()
        variables = {"data": {"title": "By GraphQL", "body": "x", "author": author}}
        seen["mutation"] = (await member.post("/graphql", json={"query": CREATE, "variables": variables})).json()
        seen["refused mutation"] = (
            await visitor.post("/graphql", json={"query": CREATE, "variables": variables})
        ).json()
    cookie = {"Cookie": f"sessionid={session}"}
    async with (
        websockets.connect(f"{ws_url}/ws/rooms/lobby/", additional_headers=cookie, open_timeout=60) as one,
        websockets.connect(f"{ws_url}/ws/rooms/lobby/", additional_headers=cookie, open_timeout=60) as two,
    ):
        # Who hears itself is in the room: accepting comes before entering.
        await two.send(json.dumps({"text": "ready"}))
        await asyncio.wait_for(two.recv(), 60)
        await one.send(json.dumps({"text": "hello"}))
        seen["heard"] = json.loads(await asyncio.wait_for(two.recv(), 60))
    return seen


async def _csrf_token(client: httpx.AsyncClient) -> str:
    """The token as a page's script finds it: in the cookie that a safe request sets."""
    for path in ("/docs", "/graphql", "/"):
        await client.get(path, headers={"accept": "text/html"})
        if "csrftoken" in client.cookies:
            return client.cookies["csrftoken"]
    raise SystemExit("no page set a CSRF cookie")


async def _problem(request: Any) -> list[Any]:
    response = await request
    body = response.json()
    return [
        response.status_code,
        response.headers["content-type"].partition(";")[0],
        [error.get("pointer") for error in body.get("errors", [])],
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
