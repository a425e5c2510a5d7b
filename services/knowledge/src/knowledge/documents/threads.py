"""Threads for CPU-bound work. PDFs have a few threads of their own, because each may take a minute."""

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
    """The threads of one sync. PDFs of one base are read one by one, and delay no other base's files."""

    def __init__(self) -> None:
        self._one_pdf = asyncio.Semaphore(1)

    async def run(self, content: bytes, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``read(*args)``, which reads ``content``, in a thread."""
        if not is_pdf(content):
            return await asyncio.to_thread(read, *args, **kwargs)
        async with self._one_pdf:
            call = asyncio.get_running_loop().run_in_executor(_FOR_PDFS, lambda: read(*args, **kwargs))
            return await call
