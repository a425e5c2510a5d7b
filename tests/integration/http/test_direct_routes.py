"""A request that is answered directly gets the answer that FastAPI would have given it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request
from pydantic import Field
from starlette.middleware import Middleware

from chat.app import build as build_chat
from chat.settings import ChatSettings
from cockpit.app import build as build_cockpit
from cockpit.settings import CockpitSettings
from common.errors import Conflict
from knowledge.app import build as build_knowledge
from knowledge.settings import KnowledgeSettings
from servicekit import direct
from servicekit.answers import Body, JSONAnswer, data
from servicekit.auth import Caller, CallerParam
from servicekit.direct import DirectRoutes
from servicekit.error_answers import install_error_handlers
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam, get_resources

ID = "0190d7a0-1111-7222-8333-444455556666"


class Thing(Body):
    name: Annotated[str, Field(min_length=1, max_length=5)]
    size: int = 3
    more: dict[str, Any] | None = None


class Anybody:
    async def caller(self, request: Request) -> Caller:
        return Caller(request.headers.get("x-user-id", "nobody"))


async def kind_of(kind: Annotated[str, Query(max_length=5)] = "any", x_kind: str = Header("")) -> str:
    return kind + x_kind


KindParam = Annotated[str, Depends(kind_of)]

router = create_api_router("/things/{thingId}", ["things"])


@router.get("")
async def get(
    thingId: UUID,  # noqa: N803 - the name in the path
    caller: CallerParam,
    resources: ResourcesParam,
    limit: Annotated[int, Query(ge=1, le=9)] = 5,
    after: Annotated[str | None, Query(alias="startAfter")] = None,
    if_match: Annotated[str | None, Header()] = None,
    kind: KindParam = "",
) -> JSONAnswer:
    return data([thingId, caller.user_id, str(resources), limit, after, if_match, kind])


@router.post("")
async def post(thingId: UUID, body: Thing, caller: CallerParam) -> JSONAnswer:  # noqa: N803
    return data([thingId, body.name, body.size, body.more, caller.user_id])


@router.put("")
async def put(thingId: str, request: Request) -> JSONAnswer:  # noqa: N803
    return data([thingId, (await request.body()).decode()])


@router.delete("")
async def delete(thingId: str) -> JSONAnswer:  # noqa: N803
    raise Conflict(f"{thingId} is in use")


def application(*middleware: Middleware) -> FastAPI:
    app = FastAPI(middleware=middleware)
    app.include_router(router)
    app.state.authenticator = Anybody()
    app.state.resources = "the resources"
    app.state.body_timeout_seconds = 5
    install_error_handlers(app)
    return app


@pytest.fixture
async def both() -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    ordinary = application()
    fast = application(Middleware(DirectRoutes, get_resources=get_resources))
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(ordinary), base_url="http://test") as one,
        httpx.AsyncClient(transport=httpx.ASGITransport(fast), base_url="http://test") as other,
    ):
        yield one, other


JSON = {"content-type": "application/json"}
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "get": ("GET", f"/things/{ID}", {"headers": {"x-user-id": "ann"}}),
    "get with all": ("GET", f"/things/{ID}?limit=7&startAfter=%C3%A4+%26", {"headers": {"if-match": '"3"'}}),
    "get with one given twice": ("GET", f"/things/{ID}?limit=7&limit=8", {}),
    "get with an empty value": ("GET", f"/things/{ID}?startAfter=&limit=2", {}),
    "get with an unknown parameter": ("GET", f"/things/{ID}?x=y", {}),
    "get out of bounds": ("GET", f"/things/{ID}?limit=10", {}),
    "get with no number": ("GET", f"/things/{ID}?limit=ten", {}),
    "get by a dependency": ("GET", f"/things/{ID}?kind=a", {"headers": {"x-kind": "b"}}),
    "get by a dependency out of bounds": ("GET", f"/things/{ID}?kind=abcdef", {}),
    "get of no id": ("GET", "/things/17", {}),
    "get of nothing": ("GET", "/thing", {}),
    "post": ("POST", f"/things/{ID}", {"json": {"name": "a", "more": {"b": [1, None, 2.5]}}}),
    "post with an unknown field": ("POST", f"/things/{ID}", {"json": {"name": "a", "other": 1}}),
    "post with null": ("POST", f"/things/{ID}", {"content": "null", "headers": JSON}),
    "post with nothing": ("POST", f"/things/{ID}", {"headers": JSON}),
    "post with a wrong type": ("POST", f"/things/{ID}", {"json": {"name": "a", "size": "3"}}),
    "post with a long name": ("POST", f"/things/{ID}", {"json": {"name": "abcdef"}}),
    "post with half of JSON": ("POST", f"/things/{ID}", {"content": '{"name"', "headers": JSON}),
    "post with NaN": ("POST", f"/things/{ID}", {"content": '{"name":"a","more":{"b":NaN}}', "headers": JSON}),
    "post with a large number": (
        "POST",
        f"/things/{ID}",
        {"content": '{"name":"a","more":{"b":12345678901234567}}', "headers": JSON},
    ),
    "post with depth": ("POST", f"/things/{ID}", {"content": "[" * 5_000, "headers": JSON}),
    "post of text": (
        "POST",
        f"/things/{ID}",
        {"content": '{"name":"a"}', "headers": {"content-type": "text/plain"}},
    ),
    "post with a charset": (
        "POST",
        f"/things/{ID}",
        {"content": '{"name":"a"}', "headers": {"content-type": "Application/JSON;charset=UTF-8"}},
    ),
    "post without a type": ("POST", f"/things/{ID}", {"content": '{"name":"a"}'}),
    "put": ("PUT", "/things/x", {"content": "any bytes"}),
    "an error of the route's": ("DELETE", "/things/x", {}),
    "an unknown method": ("PATCH", "/things/x", {}),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_both_ways_answer_alike(both: tuple[httpx.AsyncClient, httpx.AsyncClient], name: str) -> None:
    method, url, options = REQUESTS[name]
    one, other = [await client.request(method, url, **options) for client in both]
    assert (other.status_code, other.headers, other.content) == (one.status_code, one.headers, one.content)


INDIRECT = {
    r"DELETE ^/api/knowledge\-bases/(?P<kb_id>[^/]+)$",
    r"POST ^/api/imports$",
    r"POST ^/api/conversations/(?P<conversationId>[^/]+)/turns/(?P<turnId>[^/]+)/chunks$",
}
"""The query of the first is a model, which forbids other parameters; the others read their bodies as they
come."""


def settings(kind: type[Any]) -> Any:
    return kind(database_url="postgresql://x@127.0.0.1/x", auth_mode="dev", jwt_secret="x" * 40)


@pytest.mark.parametrize(
    ("build", "kind"),
    [(build_chat, ChatSettings), (build_cockpit, CockpitSettings), (build_knowledge, KnowledgeSettings)],
    ids=["chat", "cockpit", "knowledge"],
)
def test_every_route_of_the_api_is_answered_directly(build: Any, kind: type[Any]) -> None:
    app = build(settings(kind))
    candidates = direct._plan_routes(app, get_resources)
    indirect = {
        f"{method} {candidate.regex.pattern}"
        for method, routes in candidates.items()
        for candidate in routes
        if candidate.plan is None and candidate.regex.pattern.startswith("^/api")
    }
    assert indirect <= INDIRECT
