"""RequestFactory: requests made by hand, for tests that call a view or a middleware by itself.

Nothing else runs: no middleware, no routes. What middleware would have set is given here, or set on the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from covet.http.policy import DEFAULT_POLICY, RequestPolicy
from covet.http.request import Request

__all__ = ["RequestFactory"]


class RequestFactory:
    """Makes requests, whose bodies are written as httpx writes them.

    ```python
    request = RequestFactory().post("/articles/", json={"title": "Hi"}, user=author)
    answer = await create_article(request)
    ```

    Args:
        headers: Sent with each request.
        cookies: Sent with each request.
        base_url: Scheme and host of the requests.
        client_address: Where they come from.
        policy: The limits that they are read under.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        base_url: str = "http://testserver",
        client_address: tuple[str, int] = ("127.0.0.1", 50000),
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> None:
        self.headers = dict(headers or {})
        self.cookies = dict(cookies or {})
        self.base_url = httpx.URL(base_url)
        self.client_address = client_address
        self.policy = policy

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        user: Any = None,
        session: Any = None,
        path_params: Mapping[str, Any] | None = None,
    ) -> Request:
        """Return a request.

        Args:
            method: Such as ``"PUT"``.
            url: A path with its query, or a whole address.
            params: The query string, where it does not stand in ``url``.
            headers: Further headers; they win over the factory's.
            cookies: Further cookies.
            content: The body as bytes or text.
            data: The fields of a form.
            files: The files of a form.
            json: A value that is sent as JSON.
            user: Becomes ``request.user``.
            session: Becomes ``request.session``.
            path_params: What a route would have taken from the path.
        """
        sent = httpx.Request(
            method,
            self.base_url.join(url),
            params=params,
            headers={**self.headers, **(headers or {})},
            cookies={**self.cookies, **(cookies or {})},
            content=content,
            data=data,
            files=files,
            json=json,
        )
        secure = sent.url.scheme == "https"
        request = Request.from_parts(
            sent.method,
            sent.url.path,
            sent.url.query,
            [(name.lower(), value) for name, value in sent.headers.raw],
            sent.read(),
            scheme=sent.url.scheme,
            client=self.client_address,
            server=(sent.url.host, sent.url.port or (443 if secure else 80)),
            policy=self.policy,
        )
        request.path_params = dict(path_params or {})
        if user is not None:
            request.user = user
        if session is not None:
            request.session = session
        return request

    def get(self, url: str, **options: Any) -> Request:
        """Return a GET request; ``options`` as ``request()`` takes them, here and below."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Request:
        """Return a HEAD request."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Request:
        """Return an OPTIONS request."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str, **options: Any) -> Request:
        """Return a POST request."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Request:
        """Return a PUT request."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Request:
        """Return a PATCH request."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Request:
        """Return a DELETE request."""
        return self.request("DELETE", url, **options)

    def trace(self, url: str, **options: Any) -> Request:
        """Return a TRACE request."""
        return self.request("TRACE", url, **options)
