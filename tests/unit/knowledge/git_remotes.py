"""Open a Git remote as a sync does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from knowledge.readers.pool import Readers
from knowledge.sources.git.source import GitMemory, GitSource
from knowledge.sources.location import GitLocation
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.retries import Retries
from tests.support.plain_http import NO_TLS
from tests.support.web import WebServer


@asynccontextmanager
async def opened(
    server: WebServer,
    path: str = "docs",
    *,
    branch: str = "main",
    memory: GitMemory | None = None,
    access: Access | None = None,
    max_bytes: int = 10**9,
    max_file_bytes: int = 10**6,
    name: str = "handbook.git",
) -> AsyncIterator[GitSource]:
    at = GitLocation(f"{server.url}/{name}", branch, path)
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        fetcher = Fetcher(http, access or Access(frozenset({"127.0.0.1"})), Retries(2, 0.001, 1))
        readers = Readers()
        source = GitSource(
            fetcher, memory or GitMemory(), readers, at, max_bytes=max_bytes, max_file_bytes=max_file_bytes
        )
        try:
            async with source:
                yield source
        finally:
            await fetcher.close()
            await readers.close()
