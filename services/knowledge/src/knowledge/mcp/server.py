"""The MCP server, by the official SDK: streamable HTTP without sessions, so any process answers a request."""

import asyncio
from collections.abc import Mapping
from inspect import cleandoc
from itertools import islice
from typing import Any

import structlog
from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as McpTool
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from common.errors import Invalid, TakaroError, TransientError, is_transient
from knowledge.mcp.tools import TOOLS, Said
from knowledge.settings import KnowledgeSettings
from servicekit.auth import Caller
from servicekit.request_bodies import MAX_BODY_BYTES

log = structlog.get_logger()

INSTRUCTIONS = (
    "Documentation and other texts, in knowledge bases. Find the base with list_knowledge_bases, the "
    "passages with search_knowledge, and the text around one with read_source. Name the source of what "
    "you tell."
)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
MAX_PROBLEMS = 10

Context = ServerRequestContext[Any, Any]


class KnowledgeMcp:
    """Answers MCP requests while :meth:`run` runs."""

    def __init__(self, settings: KnowledgeSettings, version: str) -> None:
        self._security = security_of(settings)
        self._server: Server[Any] = Server(
            "takaro-knowledge",
            version=version,
            title="Takaro knowledge",
            instructions=INSTRUCTIONS,
            on_list_tools=_list_tools,
            on_call_tool=_call_tool,
        )
        self._manager: StreamableHTTPSessionManager | None = None

    async def run(self) -> None:
        """Answer requests until this is cancelled."""
        manager = StreamableHTTPSessionManager(
            self._server,
            json_response=True,
            stateless=True,
            security_settings=self._security,
            max_request_body_size=MAX_BODY_BYTES,
        )
        async with manager.run():
            self._manager = manager
            try:
                await asyncio.Event().wait()
            finally:
                self._manager = None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose caller is known. Raises ``TransientError`` while nothing runs."""
        if self._manager is None:
            raise TransientError("The MCP server is just starting")
        await self._manager.handle_request(scope, receive, send)

    @property
    def running(self) -> bool:
        """Whether requests are answered."""
        return self._manager is not None


def security_of(settings: KnowledgeSettings) -> TransportSecuritySettings:
    """Which ``Host`` and ``Origin`` the SDK takes.

    With ``AUTH_MODE=dev`` anybody is believed, so a page whose name was bound to this machine (DNS rebinding)
    must not get through: only names of loopback and those of ``CORS_ORIGINS`` do. Otherwise nobody gets
    anything without a token or a cookie, which such a page doesn't have, and a proxy may call us by any name:
    then the route's own check of ``Origin`` is enough.
    """
    if "dev" not in settings.auth_ways():
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    origins = settings.allowed_origins()
    hosts = [name for each in LOOPBACK_NAMES for name in (each, f"{each}:*")]
    own = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(
        allowed_hosts=[*hosts, *(origin.partition("://")[2] for origin in origins)],
        allowed_origins=[*own, *origins],
    )


async def _list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(
        tools=[
            McpTool(
                name=name,
                title=tool.title,
                description=" ".join(cleandoc(tool.takes.__doc__ or "").split()),
                input_schema=tool.takes.model_json_schema(by_alias=True),
                annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
            )
            for name, tool in TOOLS.items()
        ]
    )


async def _call_tool(context: Context, called: CallToolRequestParams) -> CallToolResult:
    request = context.request
    assert isinstance(request, Request)
    caller: Caller = request.state.caller
    try:
        said = await _run(request, caller, called.name, called.arguments or {})
    except TakaroError as error:
        return _failure(_words_of(error))
    except Exception as error:
        if is_transient(error):
            log.warning("dependency unavailable", tool=called.name, error=repr(error))
            return _failure("The service is temporarily unavailable, try again")
        log.exception("tool failed", tool=called.name)
        return _failure("Internal server error")
    return CallToolResult(
        content=[TextContent(type="text", text=said.text)], structured_content=dict(said.structured)
    )


async def _run(request: Request, caller: Caller, name: str, arguments: Mapping[str, Any]) -> Said:
    tool = TOOLS.get(name)
    if tool is None:
        raise Invalid(f"There is no tool {name[:80]!r}: there are {', '.join(TOOLS)}")
    try:
        wanted = tool.takes.model_validate(arguments)
    except ValidationError as error:
        details: dict[str, list[str]] = {}
        for problem in islice(error.errors(include_url=False, include_input=False), MAX_PROBLEMS):
            where = ".".join(map(str, problem["loc"])) or "arguments"
            details.setdefault(where, []).append(str(problem["msg"]).removeprefix("Value error, "))
        raise Invalid("Validation failed", details=details) from error
    return await tool.run(request.app.state.resources, caller.user_id, wanted)


def _words_of(error: TakaroError) -> str:
    details = error.details if isinstance(error, Invalid) else None
    wrong = "; ".join(f"{field}: {', '.join(messages)}" for field, messages in (details or {}).items())
    return f"{error.reason}: {wrong}" if wrong else error.reason


def _failure(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)], is_error=True)
