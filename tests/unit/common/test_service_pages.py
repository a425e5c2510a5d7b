"""What the pages of a service let others do."""

import httpx
import pytest
from fastapi import FastAPI

from servicekit.pages import mount_pages


async def page(path: str) -> httpx.Response:
    app = FastAPI(docs_url=None)
    mount_pages(app, "chat", {})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://chat.test", trust_env=False
    ) as client:
        return await client.get(path)


@pytest.mark.parametrize("path", ["/docs", "/asyncapi"])
async def test_no_other_site_can_show_them_in_a_frame(path: str) -> None:
    answer = await page(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_a_readers_token_isnt_kept() -> None:
    """All pages of the origin share one localStorage."""
    assert '"persistAuthorization": false' in (await page("/docs")).text
