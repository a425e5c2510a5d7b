"""Chromium as npm ships it (`@sparticuz/chromium`), driven by Playwright as PyPI ships it."""

import os
import subprocess
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, Route

from benchmarks.visible.packages import FOLDER

HERE = Path(__file__).parent
ARGUMENTS = ("--headless=shell", "--no-sandbox", "--no-zygote", "--disable-gpu")


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
        folder = FOLDER / "chromium"
        if not (folder / "chromium").exists():
            subprocess.run(["node", str(HERE / "unpack.mjs"), str(folder)], check=True)
        environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(folder / "lib"),
            "FONTCONFIG_FILE": str(folder / "fonts.conf"),
        }
        program = folder / "chromium"
        return self._playwright.chromium.launch(
            executable_path=program, args=list(ARGUMENTS), env=environment
        )


def _refuse(route: Route) -> None:
    route.abort()
