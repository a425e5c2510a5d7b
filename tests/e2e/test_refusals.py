"""What a refusal says beside its text."""

import pytest

from tests.e2e.conftest import NAMES, System
from tests.support.raw_http import connected, request
from tests.support.services import ServiceName


@pytest.mark.parametrize("name", NAMES)
async def test_a_refusal_has_a_code_and_a_trace(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        answer = await client.get("/api/nothing")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "not_found")
    assert len(bytes.fromhex(answer.headers["x-trace-id"])) == 16


async def test_a_refused_method_is_told_all_that_the_path_takes(system: System) -> None:
    """Starlette alone names those of the first route with this path."""
    async with system["chat"].client() as client:
        answer = await client.request("PUT", "/api/conversations")
        one = await client.request("PUT", "/api/conversations/0190b5a0-0000-7000-8000-000000000001")
    assert answer.status_code == one.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert one.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    async with connected(system["chat"]) as connection:
        await connection.send(request("TRACE /api/conversations"))
        assert (await connection.answer()).status == 405
