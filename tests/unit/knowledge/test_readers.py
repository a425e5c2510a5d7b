"""Whatever a file is made of, it costs no more than it may, and nobody else anything."""

import asyncio
import codecs
import operator
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import psutil
import pytest

from common.errors import PermanentError, TransientError
from knowledge.content.files.rules import read_texts
from knowledge.documents import UnsupportedContent, format_of
from knowledge.documents.robots import ask_robots
from knowledge.readers.limits import ReaderLimits
from knowledge.readers.pool import Readers, Session
from knowledge.sources.website.sitemap_xml import sitemap_json
from tests.support import without
from tests.support.hostile import HOSTILE_FILES, HOSTILE_ROBOTS, HOSTILE_SITEMAPS
from tests.support.wait import eventually

LIMITS = ReaderLimits(cpu_seconds=2, seconds=60, memory_bytes=400 << 20, chunks=8_000)
PATIENT = ReaderLimits(cpu_seconds=3_600, seconds=3_600)

ENDLESS = b"-" + b"a" * 3_000_000
"""What takes :func:`codecs.decode` many minutes as Punycode, whatever becomes of our own parsers."""

ROOM_BYTES = 150 << 20
"""What this process may grow by: the file itself and its chunks come and go."""


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    readers = Readers(LIMITS)
    yield readers
    await readers.close()


async def read(session: Session, name: str, content: bytes) -> list[str]:
    sizes = (1000, 200)
    read = await session.run(
        read_texts, content, f"a{format_of(name)}", sizes, 10 << 20, LIMITS.text, LIMITS.chunks
    )
    return cast("list[str]", read["texts"])


def processes() -> list[psutil.Process]:
    """The readers of this process."""
    return [child for child in psutil.Process().children() if "knowledge.readers.program" in child.cmdline()]


@pytest.mark.parametrize("name", HOSTILE_FILES)
async def test_a_hostile_file_is_read_or_refused_while_others_are_read(readers: Readers, name: str) -> None:
    other = readers.session()
    await read(other, "warm.md", b"# Warm")
    before, slowest = psutil.Process().memory_info().rss, 0.0
    hostile = asyncio.create_task(read(readers.session(), name, HOSTILE_FILES[name]))
    while not hostile.done():
        began = time.monotonic()
        async with asyncio.timeout(20):
            assert await read(other, "a.md", b"# Levers") == ["# Levers"]
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.02)
    with suppress(UnsupportedContent):
        assert len(await hostile) <= LIMITS.chunks
    assert psutil.Process().memory_info().rss - before < ROOM_BYTES
    assert slowest < 10


@pytest.mark.parametrize("name", HOSTILE_SITEMAPS)
async def test_a_hostile_sitemap_is_refused(readers: Readers, name: str) -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises((UnsupportedContent, PermanentError)):
        await readers.session().run(sitemap_json, HOSTILE_SITEMAPS[name])
    assert psutil.Process().memory_info().rss - before < ROOM_BYTES


async def test_a_hostile_robots_txt_is_read(readers: Readers) -> None:
    urls = ["https://a.example/" + "ab" * 2_000, "https://b.example/x"]
    said = await readers.session().run(ask_robots, HOSTILE_ROBOTS, "takaro-knowledge", urls)
    assert said == {"delay": None, "forbidden": urls[:1]}


@pytest.mark.parametrize("apart", [True, False])
async def test_this_process_pays_for_none_of_it(
    readers: Readers, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``apart`` is the product; else the same is read in a thread, as it was once."""
    if not apart:
        without.reader_processes(monkeypatch)
    before = time.process_time()
    with suppress(UnsupportedContent):
        await read(readers.session(), "a.html", b"<ul>" + b"<li>a" * 120_000)
    assert (time.process_time() - before < LIMITS.cpu_seconds / 2) == apart


async def test_what_takes_more_memory_than_it_may_is_refused_with_the_reason() -> None:
    # One large piece: a parser that asks for small ones may meet the limit of CPU first.
    readers = Readers(ReaderLimits(memory_bytes=250 << 20, cpu_seconds=600, seconds=600))
    with pytest.raises(UnsupportedContent, match="more than 250 MB of memory"):
        await readers.session().run(operator.mul, b"word", 100 << 20)
    assert await read(readers.session(), "a.md", b"# Levers") == ["# Levers"]
    await readers.close()


async def test_a_killed_process_costs_its_file_nothing(readers: Readers) -> None:
    session = readers.session()
    await read(session, "a.md", b"# Warm")
    [reader] = processes()
    reader.suspend()
    reading = asyncio.create_task(read(session, "a.md", b"# Levers"))
    await asyncio.sleep(0.05)
    os.kill(reader.pid, signal.SIGKILL)
    assert await reading == ["# Levers"]
    assert [process.pid for process in processes()] != [reader.pid]


async def test_a_file_whose_process_is_killed_each_time_is_refused() -> None:
    readers = Readers(PATIENT)
    sessions = [readers.session() for _ in range(2)]
    await asyncio.gather(*(read(session, "a.md", b"# Warm") for session in sessions))
    warm = {reader: reader.cpu_times().user for reader in processes()}
    reading = asyncio.create_task(sessions[0].run(codecs.decode, ENDLESS, "punycode"))

    def kill() -> bool:
        for reader, before in list(warm.items()):
            if reader.cpu_times().user > before + 0.1:  # it has begun the file
                reader.kill()
                del warm[reader]
        return reading.done()

    await eventually(kill, timeout=60)
    with pytest.raises(UnsupportedContent, match=r"its reader ended with -9, twice"):
        await reading
    assert not warm
    assert await read(sessions[0], "a.md", b"# Levers") == ["# Levers"]
    await readers.close()


async def test_processes_killed_between_two_files_cost_nothing(readers: Readers) -> None:
    sessions = [readers.session() for _ in range(2)]
    await asyncio.gather(*(read(session, "a.md", b"# Warm") for session in sessions))
    killed = processes()
    for reader in killed:
        reader.kill()
    await eventually(lambda: all(reader.status() == psutil.STATUS_ZOMBIE for reader in killed))
    assert await read(sessions[0], "a.md", b"# Levers") == ["# Levers"]


async def test_a_process_reads_many_files(readers: Readers) -> None:
    ballast = b"x" * (LIMITS.memory_bytes // 2)  # of ours, which is nothing to it
    session = readers.session()
    await read(session, "a.md", b"# Levers")
    [reader] = processes()
    for _ in range(20):
        await read(session, "a.md", b"# Levers")
    assert [process.pid for process in processes()] == [reader.pid], len(ballast)


async def test_a_frozen_process_is_given_up_on() -> None:
    readers = Readers(ReaderLimits(seconds=2))
    session = readers.session()
    await read(session, "a.md", b"# Warm")
    [reader] = processes()
    reader.suspend()
    assert await read(session, "a.md", b"# Levers") == ["# Levers"]
    await readers.close()


async def test_a_cancelled_reading_frees_its_process(readers: Readers) -> None:
    session = readers.session()
    slow = asyncio.create_task(read(session, "rows.html", HOSTILE_FILES["rows.html"]))
    await eventually(lambda: len(processes()) == 1)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await read(session, "a.md", b"# Levers") == ["# Levers"]


async def test_syncs_with_slow_files_leave_one_process_to_the_others() -> None:
    readers = Readers(ReaderLimits(processes=2, cpu_seconds=3))
    slow = [readers.session() for _ in range(3)]
    for session in slow:
        session.is_slow = True
    rows = HOSTILE_FILES["rows.html"]
    waiting = [asyncio.create_task(read(session, "a.html", rows)) for session in slow for _ in range(3)]
    other = readers.session()
    await read(other, "a.md", b"# Warm")
    async with asyncio.timeout(10):
        for _ in range(20):
            await read(other, "a.md", b"# Levers")
    assert not all(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await readers.close()


async def test_new_syncs_with_slow_files_leave_one_process_to_the_others() -> None:
    readers = Readers(PATIENT)
    slow = [readers.session() for _ in range(4)]
    waiting = [asyncio.create_task(one.run(codecs.decode, ENDLESS, "punycode")) for one in slow]
    await eventually(lambda: len(processes()) == PATIENT.processes)
    other = readers.session()
    for _ in range(20):
        assert await read(other, "a.md", b"# Levers") == ["# Levers"]
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await readers.close()


async def test_a_file_that_gave_way_is_read_when_it_is_its_turn() -> None:
    readers = Readers(PATIENT)
    letters = 200_000  # more than a second
    tasks = (readers.session().run(codecs.decode, ENDLESS[: 1 + letters], "punycode") for _ in range(2))
    assert await asyncio.gather(*tasks) == ["\x80" * letters] * 2
    await readers.close()


async def test_an_answer_that_is_too_large_is_refused_with_the_reason() -> None:
    readers = Readers(ReaderLimits(text=10))
    urls = b"\n".join(b"https://a.example/%d/%s" % (number, b"x" * 2_000) for number in range(40_000))
    with pytest.raises(UnsupportedContent, match="yields more than 64 MB"):
        await readers.session().run(sitemap_json, urls)
    await readers.close()


async def test_a_closed_pool_leaves_no_process_behind(readers: Readers) -> None:
    await read(readers.session(), "a.md", b"# Levers")
    assert processes()
    await readers.close()
    assert not processes()
    with pytest.raises(TransientError, match="stops"):
        await read(readers.session(), "a.md", b"# Levers")


async def test_a_process_gets_none_of_the_services_credentials(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    await read(readers.session(), "a.md", b"# Levers")
    [reader] = processes()
    assert "DATABASE_URL" not in reader.environ()
