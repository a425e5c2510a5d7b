"""A browser's EventSource at a stream that can't start yet: it comes back by itself.

Any status but 200 is final for it, so that such a stream has to begin and end.
"""

import pytest

from tests.browser.chromium import visiting
from tests.integration.http.test_too_many import Session, connection, session, streaming
from tests.support.services import Service
from tests.support.wait import eventually

pytestmark = pytest.mark.browser
__all__ = ["connection", "session"]

FOLLOW = """(path) => {
    window.seen = []
    window.source = new EventSource(path)
    window.source.onopen = () => window.seen.push("open")
    window.source.addEventListener("error", (event) => window.seen.push(event.data ?? "lost"))
}"""


async def test_an_event_source_outlives_one_stream_too_many(cockpit: Service, session: Session) -> None:
    path = await session("zoe")
    async with visiting(cockpit.url, {"X-User-Id": "zoe"}) as visit:
        page = visit.page
        await page.goto(f"{cockpit.url}/health")

        async def seen() -> list[str]:
            said: list[str] = await page.evaluate("window.seen")
            return said

        async with streaming(cockpit, path, "zoe"), streaming(cockpit, path, "zoe"):
            await page.evaluate(FOLLOW, path)

            async def refused() -> bool:
                return any('"status":429' in said for said in await seen())

            await eventually(refused)
            assert await page.evaluate("window.source.readyState != EventSource.CLOSED")

        async def streams() -> bool:
            is_open: bool = await page.evaluate("window.source.readyState == EventSource.OPEN")
            return is_open and (await seen())[-1] == "open"

        await eventually(streams)
