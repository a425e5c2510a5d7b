"""Cancels tasks, also those in which a library swallows the cancellation: they are cancelled once more."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.5


async def cancel(tasks: Iterable["asyncio.Task[Any]"], *, again_seconds: float = AGAIN_SECONDS) -> None:
    """Returns when all of them have ended. Those that haven't after ``again_seconds`` are cancelled again."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_seconds)
