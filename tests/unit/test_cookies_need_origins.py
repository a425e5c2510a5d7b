"""Every operation of every service that changes something refuses another site's request with a cookie."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import chat.app
import cockpit.app
import knowledge.app
from chat.settings import ChatSettings
from cockpit.settings import CockpitSettings
from knowledge.settings import KnowledgeSettings
from servicekit.auth import Authenticator
from servicekit.outgoing_http import open_http
from tests.support.takaro import takaro_api

OURS, COOKIE = "http://agents.example.org", "takaro-token=1"
ORIGINS = {"another": "https://evil.example", "null": "null", "none": None}


def application(service: str, api_url: str) -> FastAPI:
    settings: dict[str, Any] = {"auth_mode": "takaro", "takaro_api_url": api_url}
    if service == "chat":
        return chat.app.build(ChatSettings(**settings))
    if service == "cockpit":
        return cockpit.app.build(CockpitSettings(**settings))
    return knowledge.app.build(KnowledgeSettings(**settings, embeddings_provider="hashing"))


@pytest.fixture(params=["chat", "knowledge", "cockpit"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A service without its servers: who is calling is asked before anything else."""
    async with takaro_api() as takaro, open_http() as http:
        takaro.sign_in(COOKIE, "ann")
        app = application(request.param, takaro.url)
        settings = ChatSettings(auth_mode="takaro", takaro_api_url=takaro.url)
        app.state.authenticator = Authenticator(settings, http)
        app.state.resources = None
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=OURS) as client:
            yield app, client


def changes(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of each operation that changes something for a caller."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", "0190d7a0-1111-7222-8333-444455556666", path))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if method != "get" and {"session": []} in operation.get("security", ())
    ]


async def test_an_operation_that_changes_something_is_refused(
    served: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    app, client = served
    found = changes(app)
    assert found
    for method, path in found:
        for what, origin in ORIGINS.items():
            for key in ({}, {"Idempotency-Key": "1"}):
                headers = {"Cookie": COOKIE, "Referer": f"{OURS}/"} | key
                if origin is not None:
                    headers["Origin"] = origin
                answer = await client.request(method, path, headers=headers, json={})
                told = (answer.status_code, answer.headers["X-Error-Code"])
                assert told == (403, "cross_site_request"), (method, path, what)
                assert answer.json().keys() == {"error"}
