"""Packed answers: every member, nothing cut short, nothing beyond the limit."""

import gzip
import zlib

import httpx
import pytest

from common.errors import TransientError
from knowledge.web.fetching import Access, Fetcher, TooLarge
from knowledge.web.retries import Retries
from knowledge.web.unpacking import MOST_MEMBERS, ContentEncoding, CutOff, Damaged, TooLong, Unpacker
from tests.support.github import Answer
from tests.support.plain_http import NO_TLS
from tests.support.web import Request, serve


def packed(content: bytes) -> bytes:
    """The same bytes at any time: they are names of tests."""
    return gzip.compress(content, mtime=0)


ONE, TWO = packed(b"one "), packed(b"two")


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


async def fetched(encoding: str, body: bytes, *, max_bytes: int = 1000) -> bytes:
    """What a page of this ``Content-Encoding`` is fetched as, over HTTP."""

    async def answer(_: Request) -> Answer:
        return Answer(200, body, {"Content-Encoding": encoding})

    async with serve(answer) as server, httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
        fetcher = Fetcher(http, Access(frozenset({"127.0.0.1"})), Retries(2, 0.001, 1))
        try:
            return (await fetcher.get(server.url, max_bytes=max_bytes)).content
        finally:
            await fetcher.close()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", ONE + TWO),
        ("x-gzip", ONE + packed(b"") + TWO),
        ("GZIP", ONE + b"\x00" * 5000 + TWO + b"\x00" * 5000),
        ("gzip", packed(b"one two") + b"\r\n"),
        ("gzip, gzip", packed(ONE) + packed(TWO)),
        ("identity, gzip", ONE + TWO),
        ("deflate", zlib.compress(b"one two")),
        ("deflate", raw_deflate(b"one two")),
        ("deflate", ONE + TWO),
        ("deflate, gzip", packed(zlib.compress(b"one two"))),
        ("identity", b"one two"),
        ("", b"one two"),
    ],
)
async def test_an_answer_is_unpacked_whole(encoding: str, body: bytes) -> None:
    assert await fetched(encoding, body) == b"one two"


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", ONE + TWO[:-9], "cut off"),
        ("gzip", ONE + TWO[:1], "cut off"),
        ("gzip", ONE + TWO[:12], "cut off"),
        ("gzip, gzip", packed(ONE + TWO[:-1]), "cut off"),
        ("deflate", zlib.compress(b"one two" * 9)[:-5], "cut off"),
        ("gzip", ONE + TWO[:2] + b"\xff" * 20, "damaged"),
        ("gzip", b"one two", "damaged"),
        ("br", b"\x0b\x03\x80one two\x03", "packed as br, which was not asked for"),
    ],
)
async def test_an_answer_that_is_not_whole_is_no_answer(encoding: str, body: bytes, reason: str) -> None:
    with pytest.raises(TransientError, match=reason):
        await fetched(encoding, body)


async def test_members_together_are_bounded() -> None:
    member = packed(b"0" * 600)
    assert len(await fetched("gzip", member * 2, max_bytes=1200)) == 1200
    with pytest.raises(TooLarge):
        await fetched("gzip", member * 2, max_bytes=1199)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 4096, 10_000])
def test_parts_may_end_anywhere(step: int) -> None:
    packed = (ONE + b"\x00\x00" + TWO) * 50 + b"trailing"
    unpacker = Unpacker(10_000)
    parts = [unpacker.feed(packed[start : start + step]) for start in range(0, len(packed), step)]
    unpacker.finish()
    assert (b"".join(parts), unpacker.left_out) == (b"one two" * 50, len(b"trailing"))


def test_members_are_counted_and_bytes_too() -> None:
    with pytest.raises(Damaged, match="members"):
        Unpacker(10).feed(packed(b"") * (MOST_MEMBERS + 1))
    with pytest.raises(TooLong):
        Unpacker(10).feed(packed(b"0" * 6) * 2)
    with pytest.raises(CutOff):
        ContentEncoding("gzip", 10).finish()
