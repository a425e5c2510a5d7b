"""Agents' side of MCP, by the official SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.support.plain_http import NO_TLS


@asynccontextmanager
async def mcp_client(url: str, headers: dict[str, str], *, mode: str = "auto") -> AsyncIterator[Client]:
    """A client of the server at ``url``, past its handshake."""
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, verify=NO_TLS, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def text_of(result: Any) -> str:
    """What a model reads of a tool's result."""
    assert isinstance(result, CallToolResult)
    [said] = result.content
    assert isinstance(said, TextContent)
    return said.text
