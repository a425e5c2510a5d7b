"""Cancels tasks, also those in which a library swallows the cancellation: they are cancelled once more."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 2.0


async def cancel(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Returns when all of them have ended."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
