"""Search over 1,000,000 messages: for a user with few and one with very many, by how frequent a word is.

A tenth of the messages are one user's; the others have 100 each. A message has 60 words, drawn so that the
n-th word is about 1/n as frequent as the first.
"""

import asyncio
import time

import asyncpg
import httpx

from benchmarks.report import Report
from benchmarks.world import World, bare_client, median
from tests.support.services import Service

MESSAGES = 1_000_000
LARGE, SMALL = "large", "small-1"
WORDS = {
    "in almost every message": "w1",
    "in 1 of 3": "w12",
    "in 1 of 20": "w100",
    "in 1 of 200": "w1000",
    "in 1 of 2,000": "w10000",
    "two words": "w12 w100",
    "a phrase": '"w5 w9"',
    "in no message": "nowhere",
}
ROUNDS = 30
TARGET_MS = 20

# Conversations of 100 messages, so that a small user has one. `number % 10` spreads the large user's evenly.
CONVERSATIONS = f"""
INSERT INTO conversations (agent_id, agent_version, user_id)
SELECT 'module-writer', 'grok-fast', CASE WHEN number % 10 = 0 THEN '{LARGE}' ELSE 'small-' || number END
FROM generate_series(1, $1::int) AS number
RETURNING id
"""
MESSAGES_OF = """
INSERT INTO messages (conversation_id, role, content, created_at, sequence)
SELECT id, 'user', (
    SELECT string_agg('w' || floor(exp(random() * 10.8))::int, ' ') FROM generate_series(1, 60 + 0 * place)
), timestamptz '2026-01-01' + place * interval '1 hour' + random() * interval '1 hour', place
FROM unnest($1::uuid[]) AS id, generate_series(1, 100) AS place
ORDER BY place
"""
WORDS_OF = """
INSERT INTO message_search (conversation_id, sequence, user_id, created_at, words)
SELECT m.conversation_id, m.sequence, c.user_id, m.created_at, message_words(c.user_id, m.content)
FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
WHERE m.conversation_id = ANY($1::uuid[])
ORDER BY m.created_at
"""


async def run(world: World, report: Report) -> None:
    """Report each case's median; the target is for each of them."""
    await _fill(world, report)
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "search",
        environment={"LOG_LEVEL": "warning"},
        anew=True,
    )
    await chat.start()
    try:
        for user, owner in ((SMALL, "100 messages"), (LARGE, f"{MESSAGES // 10:,} messages")):
            async with bare_client(chat, user) as client:
                for frequency, q in WORDS.items():
                    p50, p99, found = await _measure(client, q)
                    what = f"search_messages: {owner}, {frequency}"
                    report.line(
                        what,
                        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {found} found",
                        f"p50 under {TARGET_MS} ms",
                        p50 < TARGET_MS,
                    )
    finally:
        await chat.stop()


async def _fill(world: World, report: Report) -> None:
    """Messages, their words, and the index over them, in the order in which that takes the least time."""
    connection = await asyncpg.connect(world.postgres.url)
    await connection.execute("SET takaro.message_order = 'numbered'")
    await connection.execute("SET takaro.message_search = 'kept'")
    ids = [row["id"] for row in await connection.fetch(CONVERSATIONS, MESSAGES // 100)]
    await connection.execute("DROP INDEX message_search_words_index")
    part = len(ids) // 20
    for start in range(0, len(ids), part):
        report.progress(f"search_messages, {start * 100:,} of {MESSAGES:,} messages")
        await connection.execute(MESSAGES_OF, ids[start : start + part])
        await connection.execute(WORDS_OF, ids[start : start + part])
    report.progress("search_messages, the index")
    await connection.execute(
        "CREATE INDEX message_search_words_index ON message_search USING gin (words) WITH (fastupdate = off)"
    )
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _measure(client: httpx.AsyncClient, q: str) -> tuple[float, float, int]:
    """Milliseconds of a first page, and how many messages it has."""
    times, found = [], 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        answer = await client.get("/api/messages/search", params={"q": q})
        times.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
        found = len(answer.json()["data"])
        await asyncio.sleep(0)
    return median(times), sorted(times)[-1], found
