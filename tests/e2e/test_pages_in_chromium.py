"""The pages of each service as a browser without a network shows them."""

import pytest
from playwright.async_api import expect

from tests.browser.chromium import visiting
from tests.e2e.conftest import NAMES, System
from tests.e2e.test_endpoints import EVENTS, ROUTES
from tests.support.services import ServiceName

pytestmark = pytest.mark.browser
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
