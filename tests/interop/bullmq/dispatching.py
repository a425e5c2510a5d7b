"""``python -m tests.interop.bullmq.dispatching``: our dispatcher alone, traced, as knowledge runs it.

Settings come from the environment, as knowledge's do.
"""

import asyncio

from common.notifications import Notifications
from common.postgres import create_pool
from common.telemetry import setup
from knowledge.queue.dispatcher import Dispatcher
from knowledge.settings import KnowledgeSettings


async def dispatch() -> None:
    """Dispatch until the process is ended."""
    settings = KnowledgeSettings()
    notifications = Notifications(settings)
    async with await create_pool(settings) as pool:
        await asyncio.gather(notifications.run(), Dispatcher(pool, settings.redis_url, notifications).run())


if __name__ == "__main__":
    setup("knowledge", "dispatcher")
    asyncio.run(dispatch())
