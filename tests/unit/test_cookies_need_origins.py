"""Every operation of every service that changes something refuses another site's request with a cookie."""

import re
import time
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx
import jwt
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

OURS = "http://agents.example.org"
SECRET = "a secret of more than thirty-two bytes"
COOKIES = {
    "takaro": "takaro-token=1",
    "jwt": f"takaro_login={jwt.encode({'sub': 'ann', 'exp': int(time.time()) + 3_600}, SECRET)}",
    "dev": "takaro_login=ann",
}
ORIGINS = {"another": "https://evil.example", "null": "null", "none": None}


@cache
def application(service: str) -> FastAPI:
    """Built once: that takes most of a second."""
    settings: dict[str, Any] = {"auth_mode": "jwt", "jwt_secret": SECRET}
    if service == "chat":
        return chat.app.build(ChatSettings(**settings))
    if service == "cockpit":
        return cockpit.app.build(CockpitSettings(**settings))
    return knowledge.app.build(KnowledgeSettings(**settings, embeddings_provider="hashing"))


@pytest.fixture(params=COOKIES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["chat", "knowledge", "cockpit"])
async def served(
    request: pytest.FixtureRequest, mode: str
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A service without its servers: who is calling is asked before anything else."""
    async with takaro_api() as takaro, open_http() as http:
        takaro.sign_in(COOKIES["takaro"], "ann")
        settings: dict[str, Any] = {"auth_mode": mode, "takaro_api_url": takaro.url, "jwt_secret": SECRET}
        app = application(request.param)
        app.state.authenticator = Authenticator(ChatSettings(**settings), http)
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
        if method != "get" and operation.get("security", [{"github": []}]) != [{"github": []}]
    ]


async def test_an_operation_that_changes_something_is_refused(
    served: tuple[FastAPI, httpx.AsyncClient], mode: str
) -> None:
    app, client = served
    found = changes(app)
    assert found
    for method, path in found:
        for what, origin in ORIGINS.items():
            for key in ({}, {"Idempotency-Key": "1"}):
                headers = {"Cookie": COOKIES[mode], "Referer": f"{OURS}/"} | key
                if origin is not None:
                    headers["Origin"] = origin
                answer = await client.request(method, path, headers=headers, json={})
                told = (answer.status_code, answer.headers["X-Error-Code"])
                assert told == (403, "cross_site_request"), (method, path, what)
                assert answer.json().keys() == {"error"}
    who = await client.get("/auth/me", headers={"Cookie": COOKIES[mode]})
    assert who.status_code == (200 if app.title == "Takaro chat" else 404), "the cookie is a good one"
