"""The registry's POSTs with an Idempotency-Key."""

import httpx
import pytest

from tests.integration.knowledge.registry.asking import BASES, newest_sync, wanted
from tests.support.knowledge import fetch
from tests.support.repeats import expect_one_effect

pytestmark = pytest.mark.timeout(120)


async def test_each_post_commits_its_effect_with_its_answer(ada: httpx.AsyncClient, database: str) -> None:
    async def syncs() -> int:
        return len(await fetch(database, "SELECT FROM knowledge_syncs WHERE knowledge_base_id = 'handbook'"))

    made = await expect_one_effect(database, ada, BASES, wanted(extensions=["md"]), syncs)
    assert made["id"] == "handbook"
    await newest_sync(ada)
    await expect_one_effect(database, ada, f"{BASES}/handbook/sync", {}, syncs)
    await newest_sync(ada, count=2)
