"""Puts new messages into the full-text index, behind their writers."""

import asyncio

from opentelemetry.instrumentation.utils import suppress_instrumentation
from prometheus_client import Counter

from chat.search import queue_repository as repository
from common.postgres import Pool, transaction, tried_again
from servicekit.service import Resources

INDEXED = Counter("takaro_search_indexed_total", "Messages taken from the queue of the full-text index")

BATCH = 200
POLL_SECONDS = 0.5
BURST_SECONDS = 10.0
BURST_PAUSE, PAUSE = 11, 3
"""While there is more to do, it pauses for so many times as long as it worked. So it uses at most a quarter
of a core, and writers that come faster than that have the rest. A burst it mostly leaves until it is over:
writers and the index want the same rows and the same disk."""


async def index_messages(resources: Resources) -> None:
    """Index messages as they come, until cancelled. Several processes share the work."""
    loop = asyncio.get_running_loop()
    idle = loop.time()
    while True:
        started = loop.time()
        with suppress_instrumentation():
            taken = await index_waiting(resources.pool)
        ended = loop.time()
        if taken < BATCH:
            idle = ended
            await asyncio.sleep(POLL_SECONDS)
        else:
            pause = BURST_PAUSE if ended - idle < BURST_SECONDS else PAUSE
            await asyncio.sleep((ended - started) * pause)


@tried_again
async def index_waiting(pool: Pool) -> int:
    """Index the messages that have waited longest, up to :data:`BATCH`. Returns how many were taken."""
    async with transaction(pool) as connection:
        queued = await repository.take_queued(connection, BATCH)
        if queued:
            await repository.hold_conversations(
                connection, [conversation_id for conversation_id, _ in queued]
            )
            await repository.index_messages(connection, queued)
    INDEXED.inc(len(queued))
    return len(queued)
