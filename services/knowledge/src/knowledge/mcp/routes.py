"""HTTP of the MCP server. Callers, origins and bodies are checked as for every other route."""

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from knowledge.mcp.server import KnowledgeMcp
from knowledge.resources import ResourcesParam
from servicekit.auth import CallerParam
from servicekit.origins import require_origin
from servicekit.routing import GuardedRoute, create_api_router


class McpRoute(GuardedRoute):
    """MCP has ids of its own for requests, so no answer is kept for an ``Idempotency-Key``."""

    keeps_answers = False


class _Answer(Response):
    """What the MCP server answers to a request with this body."""

    def __init__(self, server: KnowledgeMcp, body: bytes) -> None:
        super().__init__()
        self._server, self._read = server, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def replay() -> Message:
            nonlocal begun
            if begun:
                return await receive()
            begun = True
            return {"type": "http.request", "body": self._read, "more_body": False}

        await self._server.handle(scope, replay, send)


def create_router(server: KnowledgeMcp) -> APIRouter:
    """``POST /mcp``. There are no sessions, so there is nothing to GET or to DELETE."""
    router = create_api_router("", ["mcp"], route_class=McpRoute)

    @router.post("/mcp", include_in_schema=False)
    async def answer_mcp(request: Request, caller: CallerParam, resources: ResourcesParam) -> Response:
        """Answer a message of the Model Context Protocol."""
        if "origin" in request.headers:
            require_origin(request, resources.settings.allowed_origins())
        return _Answer(server, await request.body())

    return router
