"""Threads for what takes the processor's time. PDFs have a few of their own: each may take a minute."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from knowledge.documents.pdf import is_pdf

P = ParamSpec("P")
T = TypeVar("T")

PDFS_AT_ONCE = 4
_FOR_PDFS = ThreadPoolExecutor(PDFS_AT_ONCE, thread_name_prefix="pdf")


class ReadingThreads:
    """Those of one sync: PDFs of one base are read one by one, and hold up no other base's files."""

    def __init__(self) -> None:
        self._one_pdf = asyncio.Semaphore(1)

    async def run(self, content: bytes, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``read(*args)``, which reads ``content``."""
        if not is_pdf(content):
            return await asyncio.to_thread(read, *args, **kwargs)
        async with self._one_pdf:
            call = asyncio.get_running_loop().run_in_executor(_FOR_PDFS, lambda: read(*args, **kwargs))
            return await call
