"""Slow PDFs delay no other base's files."""

import asyncio
import threading

from knowledge.documents.threads import PDFS_AT_ONCE, ReadingThreads
from tests.support.wait import eventually

BASES = 40
"""With a PDF each: more than threads of any kind."""


async def test_slow_pdfs_hold_up_neither_other_files_nor_each_other_s_base() -> None:
    under_way, most, release = 0, 0, threading.Event()
    counting = threading.Lock()

    def read(of: str) -> str:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
        release.wait(20)
        with counting:
            under_way -= 1
        return of

    one = ReadingThreads()
    slow = [asyncio.create_task(one.run(b"%PDF-1.7", read, "one")) for _ in range(3)]
    slow += [asyncio.create_task(ReadingThreads().run(b"%PDF-1.7", read, "more")) for _ in range(BASES)]
    try:
        async with asyncio.timeout(5):
            await eventually(lambda: under_way == PDFS_AT_ONCE)
            assert await one.run(b"# Text", str.upper, "text") == "TEXT"
    finally:
        release.set()
    assert sorted(await asyncio.gather(*slow)) == ["more"] * BASES + ["one"] * 3
    assert most == PDFS_AT_ONCE
