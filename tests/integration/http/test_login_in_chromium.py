"""A person signs in to the page with a browser, whose ``fetch`` and ``EventSource`` are then known."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import jwt
import pytest
from playwright.async_api import Page, expect

from tests.browser.chromium import visiting
from tests.support.services import Service, running

pytestmark = pytest.mark.browser
SECRET = "a secret of more than thirty-two bytes"
PATIENCE_MS = 60_000

CREATE = """async () => {
    const answer = await fetch("/api/conversations", {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({agentId: "module-writer"}),
    })
    return {status: answer.status, body: await answer.json()}
}"""
GET = """async (path) => {
    const answer = await fetch(path)
    return {status: answer.status, body: await answer.json()}
}"""
FOLLOW = """(path) => new Promise((resolve, reject) => {
    const source = new EventSource(path)
    source.addEventListener("connected", (event) => resolve(JSON.parse(event.data).sessionId))
    source.onerror = () => reject(new Error("no stream"))
})"""


@pytest.fixture
async def services(database: str, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Service, Service]]:
    environment = {"AUTH_MODE": "jwt", "JWT_SECRET": SECRET}
    async with AsyncExitStack() as stack:
        chat, cockpit = [
            await stack.enter_async_context(
                running(
                    name,
                    database_url=database,
                    redis_url=redis_url,
                    folder=tmp_path / name,
                    environment=environment,
                )
            )
            for name in ("chat", "cockpit")
        ]
        yield chat, cockpit


async def sign_in(page: Page, url: str) -> None:
    token = jwt.encode({"sub": "u-1", "name": "Ann", "exp": int(time.time()) + 600}, SECRET)
    await page.goto(f"{url}/login?next=/login")
    await page.get_by_label("Bearer token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("You are signed in as Ann")).to_be_visible(timeout=PATIENCE_MS)


async def test_who_signed_in_is_known_to_fetch_and_to_event_source(
    services: tuple[Service, Service],
) -> None:
    chat, cockpit = services
    async with visiting(chat.url, also=[cockpit.url]) as visit:
        page = visit.page
        page.set_default_timeout(PATIENCE_MS)
        await sign_in(page, chat.url)
        assert await page.evaluate("document.cookie") == "", "no script reads it"
        await page.goto(f"{chat.url}/docs")  # the page of /login itself lets no script call anybody
        assert (await page.evaluate(GET, "/auth/me"))["body"]["data"]["name"] == "Ann"
        made = await page.evaluate(CREATE)
        assert (made["status"], made["body"]["data"]["userId"]) == (200, "u-1")
        await page.goto(f"{cockpit.url}/health")
        session = await page.evaluate(GET, f"/api/cockpit/sessions/{made['body']['data']['id']}")
        session_id = session["body"]["data"]["id"]
        assert await page.evaluate(FOLLOW, f"/api/cockpit/sessions/{session_id}/events") == session_id
        visit.expect_nothing_wrong()

        await page.goto(f"{chat.url}/login")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Bearer token")).to_be_visible(timeout=PATIENCE_MS)
        await page.goto(f"{cockpit.url}/health")
        assert (await page.evaluate(GET, f"/api/cockpit/sessions/{made['body']['data']['id']}"))[
            "status"
        ] == 401
