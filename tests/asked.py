"""One request to a web application in this process, its path sent as it is written."""

import asyncio

import httpx
from starlette.types import ASGIApp

HERE = "http://127.0.0.1:8321"


def asked(
    app: ASGIApp, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> httpx.Response:
    """The answer; redirects are not followed."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())
