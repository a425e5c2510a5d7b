"""The Chromium of the browser tests, which renders what readers see."""

from playwright.sync_api import Browser, Page, Playwright, Route

from tests.browser.chromium import ARGUMENTS, environment, unpacked


class Chromium:
    """A page that reads files of this machine and nothing else. The browser is started again when it ends by
    itself: without its zygote it does so now and then."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browser: Browser | None = None

    def page(self) -> Page:
        """A new page, in a browser that runs."""
        if self._browser is None or not self._browser.is_connected():
            self._browser = self._launch()
        context = self._browser.new_context(viewport={"width": 1280, "height": 1024})
        context.route(lambda url: not url.startswith("file:"), _refuse)
        return context.new_page()

    def _launch(self) -> Browser:
        folder = unpacked()
        return self._playwright.chromium.launch(
            executable_path=folder / "chromium", args=list(ARGUMENTS), env=environment(folder)
        )


def _refuse(route: Route) -> None:
    route.abort()
