"""Knowledge's lists in pages: together they are the whole list."""

from typing import Any

import asyncpg
import httpx

from tests.integration.knowledge.registry.asking import BASES

FILL_BASES = """
INSERT INTO knowledge_bases (id, name, source, origin, owner, public)
SELECT 'base-' || lpad(n::text, 2, '0'), 'n', 'https://github.com/acme/none', 'api',
       CASE WHEN n % 2 = 0 THEN 'ada' ELSE 'bob' END, n % 3 = 0
FROM generate_series(1, 20) AS n
"""
FILL_SYNCS = """
INSERT INTO knowledge_syncs (id, knowledge_base_id, reason, status, job_id, created_at)
SELECT gen_random_uuid(), 'base-02', 'http', 'completed', 'job-' || n, now() - n % 4 * interval '1 minute'
FROM generate_series(1, 23) AS n
"""
FILL_AGENTS = """
INSERT INTO custom_agents (user_id, name, system_prompt, model, knowledge_bases)
SELECT 'ada', n::text, 'p', 'm', '["base-02"]' FROM generate_series(1, 7) AS n
"""


async def pages(client: httpx.AsyncClient, path: str, **query: Any) -> list[Any]:
    """All pages together, each within its limit."""
    items: list[Any] = []
    while True:
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert len(found["data"]) <= query["limit"]
        items += found["data"]
        query["cursor"] = found["meta"]["nextCursor"]
        if query["cursor"] is None:
            return items


async def test_pages_of_bases_syncs_and_agents_are_the_whole_lists(
    ada: httpx.AsyncClient, bob: httpx.AsyncClient, database: str
) -> None:
    connection = await asyncpg.connect(database)
    for statement in (FILL_BASES, FILL_SYNCS, FILL_AGENTS):
        await connection.execute(statement)
    syncs = await connection.fetch(
        "SELECT id FROM knowledge_syncs WHERE knowledge_base_id = 'base-02' ORDER BY created_at DESC, id DESC"
    )
    await connection.close()
    whole = (await ada.get(BASES)).json()
    assert list(whole) == ["data"]
    bases = [base["id"] for base in whole["data"]]
    assert bases == sorted(bases)
    assert len(bases) == 14  # ten of hers, three public ones of bob's, and the settings' own
    history, agents = f"{BASES}/base-02/syncs", f"{BASES}/base-02/agents"
    using = (await ada.get(agents)).json()["data"]
    assert len(using) == 7
    for order, step in (("asc", 1), ("desc", -1)):
        for limit in (1, 5, 100):
            listed = [base["id"] for base in await pages(ada, BASES, limit=limit, order=order)]
            assert listed == bases[::step]
        assert await pages(ada, agents, limit=3, order=order) == using[::step]
        shown = [sync["id"] for sync in await pages(ada, history, limit=4, order=order)]
        assert shown == [str(row["id"]) for row in syncs][::-step]
    assert (await ada.get(BASES, params={"total": "true"})).json()["meta"] == {"total": 14}
    first = (await ada.get(history)).json()
    assert len(first["data"]) == 20
    assert first["meta"]["nextCursor"] is not None

    of_bases = (await ada.get(BASES, params={"limit": 2})).json()["meta"]["nextCursor"]
    of_syncs = first["meta"]["nextCursor"]
    for client, path, cursor in (
        (bob, BASES, of_bases),
        (ada, history, of_bases),
        (ada, f"{BASES}/guide/syncs", of_syncs),
        (ada, agents, of_bases),
        (ada, BASES, of_bases[:-1]),
    ):
        answer = await client.get(path, params={"cursor": cursor})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["cursor"]), answer.text
