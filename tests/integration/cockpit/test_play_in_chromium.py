"""People play: the page in a real Chromium, on a real cockpit, with the cookie of somebody who signed in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from tests.browser.chromium import Visit, visiting
from tests.integration.cockpit.conftest import Converse
from tests.support.services import Service

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000
PLAYERS = 5


@asynccontextmanager
async def signed_in(cockpit: Service, user: str) -> AsyncIterator[Visit]:
    async with visiting(cockpit.url) as visit:
        visit.page.context.set_default_timeout(PATIENCE_MS)
        await visit.page.context.add_cookies([{"name": "takaro_login", "value": user, "url": cockpit.url}])
        yield visit


async def is_live(page: Page) -> None:
    await expect(page.locator("#live")).to_have_text("Live", timeout=PATIENCE_MS)


async def shows(page: Page, text: str, times: int = 1) -> None:
    """The list of events has it exactly so often."""
    found = page.locator("#events li").filter(has_text=text).filter(has=page.locator(".tag", has_text="Chat"))
    await expect(found).to_have_count(times, timeout=PATIENCE_MS)


async def run(page: Page, line: str) -> None:
    await expect(page.locator("#run")).to_be_enabled(timeout=PATIENCE_MS)
    await page.locator("#line").fill(line)
    await page.locator("#line").press("Enter")


async def test_a_game_is_played_in_two_tabs_and_outlives_its_service(
    cockpit: Service, converse: Converse
) -> None:
    """Start, connect everybody, speak, and see it in both tabs; reload; kill -9: still there, live again."""
    address = f"{cockpit.url}/play/{await converse('ann')}"
    async with signed_in(cockpit, "ann") as visit:
        one, two = visit.page, await visit.page.context.new_page()
        for page in (one, two):
            await page.goto(address)
            await is_live(page)
            await expect(page.locator("#status")).to_have_text("Stopped", timeout=PATIENCE_MS)
        await one.get_by_role("button", name="Start", exact=True).click()
        for page in (one, two):
            await expect(page.locator("#status")).to_have_text("Running", timeout=PATIENCE_MS)
            await expect(page.locator("#players input")).to_have_count(PLAYERS, timeout=PATIENCE_MS)
        await run(one, "disconnectAll")
        await expect(two.locator("#online")).to_have_text("0 of 5", timeout=PATIENCE_MS)
        await run(one, "connectAll")
        await expect(two.locator("#online")).to_have_text("5 of 5", timeout=PATIENCE_MS)
        await run(one, "say good evening")
        for page in (one, two):
            await shows(page, "good evening")
            answers = page.locator("#output li").filter(has_text="Said: good evening")
            await expect(answers).to_have_count(1, timeout=PATIENCE_MS)

            await expect(page.locator("#events li").last).to_be_in_viewport(ratio=0.9)

        await one.reload()
        await is_live(one)
        await shows(one, "good evening")
        visit.expect_nothing_wrong()

        await cockpit.kill()
        for page in (one, two):
            await expect(page.locator("#live")).not_to_have_text("Live", timeout=PATIENCE_MS)
        await expect(one.locator("#status")).to_have_text("Running")
        await cockpit.start()
        for page in (one, two):
            await is_live(page)
        await run(two, "say still here")
        for page in (one, two):
            await expect(page.locator("#status")).to_have_text("Running")
            await shows(page, "good evening")
            await shows(page, "still here")
        assert visit.foreign == []
        assert all("ERR_" in error for error in visit.errors), "only what was asked of nobody"


async def test_the_keyboard_is_enough(cockpit: Service, converse: Converse) -> None:
    async with signed_in(cockpit, "ben") as visit:
        page = visit.page
        keys = page.keyboard
        await page.goto(f"{cockpit.url}/play/{await converse('ben')}")
        await is_live(page)
        start = page.get_by_role("button", name="Start", exact=True)
        for _ in range(10):
            await keys.press("Tab")
            if await start.evaluate("one => one === document.activeElement"):
                break
        await keys.press("Enter")
        await expect(page.locator("#status")).to_have_text("Running", timeout=PATIENCE_MS)
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_focused()

        await expect(page.locator("#players input:checked")).to_have_count(1, timeout=PATIENCE_MS)
        for _ in range(10):
            await keys.press("Tab")
            if await page.evaluate("document.activeElement.name === 'player'"):
                break
        await keys.press("ArrowDown")
        second = page.locator("#players input").nth(1)
        await expect(second).to_be_checked(timeout=PATIENCE_MS)
        await expect(second).to_be_focused()

        await keys.press("/")
        line = page.locator("#line")
        await expect(line).to_be_focused()
        await keys.type("connecta")
        await keys.press("Tab")
        await expect(line).to_have_value("connectAll")
        await keys.press("Enter")
        await expect(page.locator("#output")).to_contain_text("Connected 0 players", timeout=PATIENCE_MS)
        await keys.type("kick 3")
        await keys.press("Tab")
        name = await page.locator("#players strong").nth(2).text_content()
        await expect(line).to_have_value(f"kick {name} ")
        await keys.press("Enter")
        await expect(page.locator("#output")).to_contain_text(f"Kicked {name}", timeout=PATIENCE_MS)
        await keys.press("ArrowUp")
        await expect(line).to_have_value(f"kick {name}")
        await keys.press("ArrowUp")
        await expect(line).to_have_value("connectAll")
        await keys.press("ArrowDown")
        await keys.press("ArrowDown")
        await expect(line).to_have_value("")
        await keys.type("con")
        await keys.press("Escape")
        await keys.press("Tab")
        await expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
        visit.expect_nothing_wrong()


async def test_filters_hide_kinds_and_find_words(cockpit: Service, converse: Converse) -> None:
    async with signed_in(cockpit, "cleo") as visit:
        page = visit.page
        await page.goto(f"{cockpit.url}/play/{await converse('cleo')}")
        await page.get_by_role("button", name="Start", exact=True).click()
        await run(page, "say <b>apples</b> & pears")
        await shows(page, "<b>apples</b> & pears")
        visible = page.locator("#events li:visible")
        await page.locator("label.chip", has_text="Players").click()
        await page.locator("label.chip", has_text="Commands").click()
        await page.locator("label.chip", has_text="Server").click()
        await expect(visible).to_have_count(1, timeout=PATIENCE_MS)
        await expect(visible).to_contain_text("apples")
        await page.locator("#find").fill("plums")
        await expect(visible).to_have_count(0)
        await expect(page.get_by_text("The filters hide all events.")).to_be_visible()
        await page.locator("#find").fill("PEARS")
        await expect(visible).to_have_count(1)
        visit.expect_nothing_wrong()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    cockpit: Service, converse: Converse, scheme: str
) -> None:
    async with signed_in(cockpit, "dora") as visit:
        page = visit.page
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.goto(f"{cockpit.url}/play/{await converse('dora')}")
        await is_live(page)
        await page.get_by_role("button", name="Start", exact=True).click()
        await run(page, "say " + "w" * 300)
        await shows(page, "w" * 300)
        await page.get_by_text("All commands").click()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(", "))) / 3
        assert (lightness < 64) == (scheme == "dark")
        visit.expect_nothing_wrong()


async def test_the_policy_stops_what_somebody_smuggles_in(cockpit: Service, converse: Converse) -> None:
    """The other tests' silence means something: a violation is seen."""
    async with signed_in(cockpit, "edda") as visit:
        await visit.page.goto(f"{cockpit.url}/play/{await converse('edda')}")
        await visit.page.evaluate("document.body.setAttribute('style', 'color: red')")
        assert any("Content Security Policy" in error for error in visit.errors)
        with pytest.raises(Exception, match="TrustedHTML"):
            await visit.page.evaluate("document.body.innerHTML = '<b>hi</b>'")


async def test_whose_game_it_is_not_learns_that(cockpit: Service, converse: Converse) -> None:
    async with signed_in(cockpit, "finn") as visit:
        await visit.page.goto(f"{cockpit.url}/play/{await converse('gwen')}")
        await expect(visit.page.locator("#notice")).to_contain_text("Forbidden", timeout=PATIENCE_MS)
    async with visiting(cockpit.url) as visit:
        await visit.page.goto(f"{cockpit.url}/play/{await converse('gwen')}")
        await expect(visit.page.get_by_role("link", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
        visit.expect_nothing_wrong()
