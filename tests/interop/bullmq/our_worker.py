"""``python -m tests.interop.bullmq.our_worker REDIS_URL``: our worker in a separate process."""

import asyncio
import sys

from knowledge.queue.worker import QueueWorker
from tests.interop.bullmq.sides import SHORT_LOCK_SECONDS, scripted


def main() -> None:
    worker = QueueWorker(
        sys.argv[1], scripted, concurrency=1, grace_seconds=2, lock_seconds=SHORT_LOCK_SECONDS
    )
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
