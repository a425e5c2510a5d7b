"""Chromium as npm ships it (@sparticuz/chromium), driven by Playwright as PyPI ships it.

Playwright's own browsers come from a host of Microsoft's, and need libraries of the system; this one brings
its own, so that a machine with PyPI and npm is enough.

`python -m tests.browser.chromium` checks whether it can run here: if not, it exits with 1 and prints why.
"""

import fcntl
import json
import os
import platform
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, async_playwright

from tests.support.node import find_node, install_packages

HERE = Path(__file__).parent
ARGUMENTS = ("--headless=shell", "--no-sandbox", "--no-zygote", "--disable-gpu")


@dataclass(slots=True)
class Visit:
    """A page, what it and others of its browser asked strangers for, and what went wrong in them."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def expect_nothing_wrong(self) -> None:
        """It asked no other host for anything, and its scripts and resources raised no error."""
        assert self.foreign == []
        assert self.errors == []


def unpacked() -> Path:
    """The folder of the unpacked Chromium, by version; several test runs may ask for it at once."""
    packages = install_packages(HERE)
    version = json.loads((HERE / "package.json").read_text())["dependencies"]["@sparticuz/chromium"]
    folder = HERE.parents[1] / ".local" / f"chromium-{version}"
    with (packages / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "chromium").exists():
            node, _ = find_node()
            subprocess.run([node, str(HERE / "unpack.mjs"), str(folder)], check=True)
    return folder


def environment(folder: Path) -> dict[str, str | float | bool]:
    """What Chromium needs to find its libraries and fonts."""
    return {**os.environ, "LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_PATH": str(folder)}


@asynccontextmanager
async def visiting(
    origin: str, headers: dict[str, str] | None = None, also: Sequence[str] = ()
) -> AsyncIterator[Visit]:
    """A new page of a new browser that reaches ``origin`` alone, and those in ``also``. ``headers`` go with
    each request, as from a proxy that knows who is asking."""
    folder = unpacked()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=folder / "chromium", args=list(ARGUMENTS), env=environment(folder)
        )
        try:
            context = await browser.new_context(extra_http_headers=headers)
            yield await _page(context, [origin, *also])
        finally:
            await browser.close()


async def _page(context: BrowserContext, origins: Sequence[str]) -> Visit:
    visit = Visit(await context.new_page())
    own = (*(f"{origin}/" for origin in origins), "data:", "blob:")

    def asked(request: Request) -> None:
        if not request.url.startswith(own):
            visit.foreign.append(request.url)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    context.on("request", asked)
    context.on("console", said)
    context.on("weberror", lambda fault: visit.errors.append(str(fault.error)))
    await context.route(lambda url: not url.startswith(own), lambda route: route.abort())
    return visit


def why_not() -> str | None:
    """Why Chromium can't run on this machine; None if it can."""
    here = f"{platform.system()} {platform.machine()}"
    if here != "Linux x86_64":
        return f"the package's Chromium is for Linux x86_64, and this is {here}"
    folder = unpacked()
    surroundings = {name: str(value) for name, value in environment(folder).items()}
    said = subprocess.run(
        [str(folder / "chromium"), "--version"], env=surroundings, capture_output=True, text=True, check=False
    )
    return f"Chromium doesn't start here: {said.stderr.strip()[-300:]}" if said.returncode else None


if __name__ == "__main__":
    sys.exit(why_not())
