"""The pages of each service as a browser without a network shows them."""

import pytest
from playwright.async_api import expect

from tests.browser.chromium import visiting
from tests.e2e.conftest import NAMES, System
from tests.e2e.test_endpoints import EVENTS, ROUTES
from tests.e2e.test_origin import origin
from tests.support.origin import Origin
from tests.support.services import ServiceName

pytestmark = pytest.mark.browser
__all__ = ["origin"]
PATIENCE_MS = 60_000


@pytest.mark.parametrize("name", NAMES)
async def test_docs_show_the_routes_and_can_call_them(system: System, name: ServiceName) -> None:
    """A reader opens an operation, and says who is asking."""
    async with visiting(system[name].url) as visit:
        page = visit.page
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(f"{system[name].url}/docs")
        route = page.locator(f'[data-path="{ROUTES[name]}"]').first
        await expect(route).to_be_visible(timeout=PATIENCE_MS)
        await route.click()
        await expect(page.locator(".opblock.is-open .responses-table").first).to_be_visible(
            timeout=PATIENCE_MS
        )
        await page.locator(".auth-wrapper .authorize").click()
        await expect(page.locator(".dialog-ux .modal-ux")).to_be_visible(timeout=PATIENCE_MS)
        visit.expect_nothing_wrong()


@pytest.mark.parametrize("name", NAMES)
async def test_asyncapi_shows_the_events(system: System, name: ServiceName) -> None:
    async with visiting(system[name].url) as visit:
        page = visit.page
        await page.goto(f"{system[name].url}/asyncapi")
        for event in EVENTS[name]:
            await expect(page.get_by_text(event).first).to_be_attached(timeout=PATIENCE_MS)
        visit.expect_nothing_wrong()


async def test_the_origin_leads_to_docs_that_call_it(origin: Origin) -> None:
    """From its first page, below the service's name, to a call of the operation that is shown."""
    async with visiting(origin.url) as visit:
        page = visit.page
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(origin.url)
        await page.locator('a[href="/chat/docs"]').click()
        await page.locator(".auth-wrapper .authorize").click()
        await page.get_by_label("auth-X-User-Id").or_(page.locator(".modal-ux input")).first.fill("ann")
        await page.locator(".modal-ux button.authorize").first.click()
        await page.locator(".modal-ux .btn-done").first.click()
        route = page.locator('.opblock-get [data-path="/api/usage"]').first
        await route.click()
        block = page.locator(".opblock.is-open")
        await block.locator(".try-out__btn").click()
        async with page.expect_response(lambda answer: answer.request.method == "GET") as called:
            await block.locator(".execute").click()
        answer = await called.value
        assert answer.url.startswith(f"{origin.url}/api/usage")
        assert answer.status == 200
        visit.expect_nothing_wrong()


async def test_a_person_signs_in_at_the_origin_and_plays(origin: Origin) -> None:
    """From its first page: sign in, begin a game, start its server, speak; then the game is in the list."""
    async with visiting(origin.url) as visit:
        page = visit.page
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(origin.url)
        await page.get_by_role("link", name="Play").click()
        await page.get_by_role("link", name="Sign in").click()
        await page.locator("#secret").fill("player-one")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("You have none yet.")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="New game").click()
        await page.get_by_role("button", name="Start", exact=True).click()
        await expect(page.locator("#run")).to_be_enabled(timeout=PATIENCE_MS)
        await page.locator("#line").fill("say good morning")
        await page.locator("#line").press("Enter")
        await expect(page.locator("#events")).to_contain_text("good morning", timeout=PATIENCE_MS)
        game = page.url
        await page.get_by_role("link", name="Takaro cockpit").click()
        await page.locator("#games a").click()
        await expect(page.locator("#events")).to_contain_text("good morning", timeout=PATIENCE_MS)
        assert page.url == game
        visit.expect_nothing_wrong()
