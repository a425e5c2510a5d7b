"""The services behind one origin, as `make run` has them."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import BASE, NAMES, USER, System
from tests.support.mcp import mcp_client, text_of
from tests.support.origin import Origin, running_origin
from tests.support.services import ServiceName


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def origin(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Origin]:
    urls = {str(name): system[name].url for name in NAMES}
    async with running_origin(tmp_path_factory.mktemp("origin"), urls) as running:
        yield running


async def test_work_goes_through_all_services_at_one_address(origin: Origin) -> None:
    """An event arrives before its stream has ended."""
    async with origin.client(**{"X-User-Id": USER}) as client:
        made = await client.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = made.raise_for_status().json()["data"]["id"]
        sent = await client.post(f"/api/conversations/{conversation}/messages", json={"content": "hi"})
        assert sent.is_success
        base = await client.get(f"/api/knowledge-bases/{BASE}")
        assert base.raise_for_status().json()["data"]["id"] == BASE
        session = await client.get(f"/api/cockpit/sessions/{conversation}")
        path = f"/api/cockpit/sessions/{session.raise_for_status().json()['data']['id']}/events"
        async with client.stream("GET", path, headers={"Accept": "text/event-stream"}) as events:
            assert await anext(events.aiter_lines()) == "event: connected"


async def test_agents_reach_the_mcp_server_there(origin: Origin) -> None:
    """The SDK's checks of `Host` and `Origin` hold behind the proxy too."""
    async with mcp_client(f"{origin.url}/mcp", {"X-User-Id": USER, "Origin": origin.url}) as agent:
        assert BASE in text_of(await agent.call_tool("list_knowledge_bases", {}))
    async with origin.client(**{"X-User-Id": USER}) as client:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        headers = {"Accept": "application/json, text/event-stream", "Origin": "http://elsewhere.test"}
        assert (await client.post("/mcp", json=asked, headers=headers)).status_code == 403


async def test_a_websocket_goes_through(origin: Origin) -> None:
    """With the cookie of somebody who signed in, and the `Origin` of the proxy."""
    async with origin.client(**{"X-User-Id": USER}) as client:
        made = await client.post("/api/conversations", json={"agentId": "module-writer"})
        session = await client.get(f"/api/cockpit/sessions/{made.raise_for_status().json()['data']['id']}")
    path = f"/api/cockpit/sessions/{session.raise_for_status().json()['data']['id']}/events"
    own = {"Origin": origin.url, "Cookie": f"takaro_login={USER}"}
    address = origin.url.replace("http://", "ws://") + path
    async with connect(address, additional_headers=own, proxy=None) as socket:
        assert json.loads(await socket.recv())["event"] == "connected"
    with pytest.raises(InvalidStatus, match="403"):
        async with connect(address, additional_headers=own | {"Origin": "http://evil.test"}, proxy=None):
            pass


async def test_who_signs_in_at_the_origin_is_known_to_every_service(origin: Origin) -> None:
    """The browser's `Origin` is that of the proxy, which the services know from what it says."""
    own = {"Origin": origin.url}
    async with origin.client() as client:
        strange = await client.post(
            "/login", data={"secret": USER}, headers={"Origin": "http://elsewhere.test"}
        )
        assert strange.status_code == 403
        assert (await client.get("/auth/me")).status_code == 401
        signed_in = await client.post("/login", data={"secret": USER}, headers=own)
        assert signed_in.status_code == 303
        assert (await client.get("/auth/me")).json()["data"]["id"] == USER
        made = await client.post("/api/conversations", json={"agentId": "module-writer"}, headers=own)
        conversation = made.raise_for_status().json()["data"]["id"]
        assert (await client.get(f"/api/cockpit/sessions/{conversation}")).is_success
        assert (await client.get(f"/api/knowledge-bases/{BASE}")).is_success


@pytest.mark.parametrize("page", ["docs", "asyncapi"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_page_loads_everything_below_its_service(
    origin: Origin, name: ServiceName, page: str
) -> None:
    document = {"docs": "openapi.json", "asyncapi": "asyncapi.json"}[page]
    async with origin.client() as client:
        shown = (await client.get(f"/{name}/{page}")).raise_for_status().text
        assert document in shown
        for address in re.findall(r"""(?:src|href)="([^"]+)\"""", shown):
            if not address.startswith("data:"):
                assert (await client.get(f"/{name}/{address}")).raise_for_status().content
        text = (await client.get(f"/{name}/{document}")).raise_for_status().text
    assert "servers" not in json.loads(text) or page == "asyncapi", "calls go to the origin's own paths"


@pytest.mark.parametrize("name", NAMES)
async def test_checks_are_there_and_metrics_are_not(origin: Origin, name: ServiceName) -> None:
    async with origin.client() as client:
        assert (await client.get(f"/{name}/health")).json() == {"status": "ok"}
        assert (await client.get(f"/{name}/ready")).json()["status"] == "ready"
        for path in ("/metrics", f"/{name}/metrics"):
            assert (await client.get(path)).status_code == 404
