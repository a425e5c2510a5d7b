"""Takaro's HTTP API as far as it says who is calling: ``GET /me`` on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.github import Answer
from tests.support.web import Request, serve

ENDED = Answer(401, b'{"meta":{"error":{"code":"UnauthorizedError"}}}', {"Content-Type": "application/json"})


def me(user: object) -> Answer:
    """What ``/me`` answers for a user. It sets a cookie, as Takaro does when it renews a session."""
    data = {"user": user, "domain": "d-1", "domains": [{"id": "d-1", "serverRegistrationToken": "secret"}]}
    headers = {"Content-Type": "application/json", "Set-Cookie": "takaro-token=renewed; Path=/"}
    return Answer(200, json.dumps({"meta": {}, "data": data}).encode(), headers)


@dataclass
class Takaro:
    """``sessions`` maps a ``Cookie`` header to its user. ``lie`` is answered instead; while ``gate`` is
    closed nothing is. ``calls`` are those to ``/me``, in their order."""

    url: str = ""
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    lie: Answer | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[Request] = field(default_factory=list)

    def sign_in(self, cookie: str, id: str, **more: Any) -> None:
        self.sessions[cookie] = {"id": id, "email": f"{id}@example.org", "name": id.title(), **more}

    async def answer(self, request: Request) -> Answer:
        if request.path != "/me":
            return Answer(404, b"{}")
        self.calls.append(request)
        await self.gate.wait()
        if self.lie is not None:
            return self.lie
        user = self.sessions.get(request.headers.get("cookie", ""))
        return ENDED if user is None else me(user)


@asynccontextmanager
async def takaro_api() -> AsyncIterator[Takaro]:
    """A Takaro that answers on a port of its own."""
    takaro = Takaro()
    takaro.gate.set()
    async with serve(takaro.answer) as site:
        takaro.url = site.url
        try:
            yield takaro
        finally:
            takaro.gate.set()
