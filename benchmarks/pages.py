"""A page of a long list beside the same page of a short one, over HTTP: the length shouldn't matter."""

import statistics
import time

import asyncpg
import httpx

from benchmarks.report import Report
from benchmarks.world import World, bare_client
from tests.support.services import Service

LONG, SHORT = 100_000, 50
ITEMS = 20
REQUESTS = 200
ROUNDS = 5
TARGET = 2.0

# Among conversations of many other users.
OTHERS = """
INSERT INTO conversations (agent_id, agent_version, user_id, created_at)
SELECT 'module-writer', 'v', 'user-' || n / 10, '2026-01-01Z'::timestamptz + n * interval '1 s'
FROM generate_series(1, 50000) AS n
"""
CONVERSATIONS = """
INSERT INTO conversations (agent_id, agent_version, user_id, created_at)
SELECT 'module-writer', 'v', $1, '2026-01-01Z'::timestamptz + n * interval '1 s'
FROM generate_series(1, $2) AS n
"""
CONVERSATION = """
INSERT INTO conversations (agent_id, agent_version, user_id) VALUES ('module-writer', 'v', $1) RETURNING id
"""
MESSAGES = """
INSERT INTO messages (conversation_id, role, content, created_at, sequence)
SELECT $1, 'user', repeat('x', 600), '2026-01-01Z'::timestamptz + n * interval '1 s', n
FROM generate_series(1, $2) AS n
"""

# The places are given here, and the triggers would change the conversation for each row.
NUMBERED = """
SELECT set_config('takaro.message_order', 'numbered', true), set_config('takaro.usage', 'counted', true)
"""


async def run(world: World, report: Report) -> None:
    """Report the ratio for first, middle and last pages, in both orders, and for one whole list."""
    paths = await _fill(world)
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "pages",
        environment={"LOG_LEVEL": "warning"},
        anew=True,
    )
    await chat.start()
    try:
        for what, (long, short) in paths.items():
            for order in ("asc", "desc"):
                report.progress(f"pages of {what}, {order}")
                async with bare_client(chat, "long") as of_long, bare_client(chat, "short") as of_short:
                    places = {
                        "first": (None, None),
                        "next": await _cursors(of_long, long, of_short, short, order),
                    }
                    for place, (far, near) in places.items():
                        ratio, seconds = await _compare((of_long, long, far), (of_short, short, near), order)
                        report.line(
                            f"pages: {place} of {LONG:,} {what}, {order}: beside {SHORT}",
                            f"{ratio:.2f} ({seconds * 1000:.1f} ms)",
                            f"at most {TARGET:g}",
                            ratio <= TARGET,
                        )
    finally:
        await chat.stop()


async def _fill(world: World) -> dict[str, tuple[str, str]]:
    connection = await asyncpg.connect(world.postgres.url)
    await connection.execute(OTHERS)
    paths = {}
    for user, count in (("long", LONG), ("short", SHORT)):
        await connection.execute(CONVERSATIONS, user, count)
        id = await connection.fetchval(CONVERSATION, user)
        async with connection.transaction():
            await connection.execute(NUMBERED)
            await connection.execute(MESSAGES, id, count)
        paths[user] = f"/api/conversations/{id}/messages"
    await connection.execute("ANALYZE conversations, messages")
    await connection.close()
    return {
        "conversations": ("/api/conversations", "/api/conversations"),
        "messages": (paths["long"], paths["short"]),
    }


async def _cursors(
    of_long: httpx.AsyncClient, long: str, of_short: httpx.AsyncClient, short: str, order: str
) -> tuple[str, str]:
    """Cursors after 1,000 items of the long list and after 20 of the short one."""
    found = []
    for client, path, limit in ((of_long, long, 1_000), (of_short, short, ITEMS)):
        answer = await client.get(path, params={"limit": limit, "order": order}, timeout=60)
        found.append(answer.raise_for_status().json()["meta"]["nextCursor"])
    return found[0], found[1]


Wanted = tuple[httpx.AsyncClient, str, str | None]


async def _compare(long: Wanted, short: Wanted, order: str) -> tuple[float, float]:
    """How many times longer the page of the long list takes, and how long: medians; rounds alternate."""
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for which, (client, path, cursor) in enumerate((long, short)):
            query = {"limit": str(ITEMS), "order": order} | ({"cursor": cursor} if cursor else {})
            for _ in range(REQUESTS // ROUNDS):
                started = time.perf_counter()
                answer = await client.get(path, params=query)
                times[which].append(time.perf_counter() - started)
                assert len(answer.json()["data"]) == ITEMS
    slow, fast = (statistics.median(each) for each in times)
    return slow / fast, slow
