"""Sitemaps as they are found: packed, in other encodings, damaged, or something else."""

import gzip

import pytest

from common.errors import NotFound, PermanentError, TransientError
from knowledge.sources.website.sitemap_xml import Entry, parse_sitemap
from tests.support.github import Answer
from tests.support.website import Site, opened, texts

XML = """<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://a.example/é</loc><lastmod>2026-11-28</lastmod></url></urlset>"""
ENTRIES = (Entry("https://a.example/é", "2026-11-28"),)


@pytest.mark.parametrize(
    "content",
    [
        b"\n" + XML.encode(),
        b'\r\n \t<?xml version="1.0" encoding="UTF-8"?>' + XML.encode(),
        b'\xef\xbb\xbf\n<?xml version="1.0"?>' + XML.encode(),
        b'\n\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>' + XML.encode(),
        ('<?xml version="1.0" encoding="UTF-16"?>' + XML).encode("utf-16"),
        ("\n" + XML).encode("utf-16"),
        b"\xfe\xff" + XML.encode("utf-16-be"),
        ('<?xml version="1.0" encoding="utf-16"?>' + XML).encode("utf-16-le"),
        ('<?xml version="1.0" encoding="utf-16"?>' + XML).encode("utf-16-be"),
        ('<?xml version="1.0" encoding="UTF-32"?>' + XML).encode("utf-32"),
        ('<?xml version="1.0" encoding="utf-16"?>' + XML).encode(),
        ('\n<?xml version="1.0" encoding="ISO-8859-1"?>' + XML).encode("latin-1"),
        ("<?xml version='1.0' encoding='gb18030'?>" + XML).encode("gb18030"),
        XML.replace("\n", "\r").encode(),
        gzip.compress(("\n" + XML).encode("utf-16"), mtime=0),
    ],
)
def test_a_sitemap_is_read_in_its_encoding_and_after_blank_lines(content: bytes) -> None:
    assert parse_sitemap(content).entries == ENTRIES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_of_addresses_is_a_sitemap_in_any_encoding_of_unicode(encoding: str, end: str) -> None:
    content = ("\n\nhttps://a.example/x\nhttps://a.example/é\n".replace("\n", end)).encode(encoding)
    assert parse_sitemap(content).entries == (Entry("https://a.example/x"), Entry("https://a.example/é"))


@pytest.mark.parametrize("declared", ["no-such-encoding", "rot13", "utf-8"])
def test_a_sitemap_that_can_not_be_decoded_is_refused_with_its_encoding(declared: str) -> None:
    content = f'<?xml version="1.0" encoding="{declared}"?>{XML}'.encode("latin-1")
    with pytest.raises(PermanentError, match=declared):
        parse_sitemap(content)


def many(count: int, start: int = 0) -> bytes:
    return "".join(f"https://a.example/{number}\n" for number in range(start, start + count)).encode()


def test_each_member_of_a_packed_sitemap_is_read() -> None:
    first, second = gzip.compress(many(1000)), gzip.compress(many(1000, 1000))
    for content in (first + second, first + b"\x00" * 700 + second, first + second + b"\x00" * 512):
        sitemap = parse_sitemap(content)
        assert (len(sitemap.entries), sitemap.left_out) == (2000, 0)
    for garbage in (b"<!-- cached -->", b"\n", b"\x1fx"):
        sitemap = parse_sitemap(first + second + garbage)
        assert (len(sitemap.entries), sitemap.left_out) == (2000, len(garbage))


def test_a_packed_sitemap_that_is_cut_off_is_not_taken_for_a_short_one() -> None:
    packed = gzip.compress(many(1000))
    for length in (len(packed) // 2, len(packed) - 1):
        for before in (b"", packed):
            with pytest.raises(TransientError, match="cut off"):
                parse_sitemap(before + packed[:length])
    with pytest.raises(TransientError, match="cut off"):
        parse_sitemap(packed + b"\x1f")
    with pytest.raises(PermanentError, match="damaged"):
        parse_sitemap(packed + b"\x1f\x8b\x08broken")


def test_sitemaps_are_parsed_within_bounds() -> None:
    parsed = parse_sitemap(b"\xef\xbb\xbfhttps://a.example/x\nhttps://a.example/y\n")
    assert parsed.entries == (Entry("https://a.example/x"), Entry("https://a.example/y"))
    locs = "".join(f"<url><loc>https://a.example/{i}</loc></url>" for i in range(50_001))
    with pytest.raises(PermanentError, match="more than 50,000"):
        parse_sitemap(f"<urlset>{locs}</urlset>".encode())
    with pytest.raises(PermanentError, match="larger than 50 MB"):
        parse_sitemap(gzip.compress(b" " * (51 * 1024 * 1024), 1))
    members = gzip.compress(b" " * (26 * 1024 * 1024), 1)
    with pytest.raises(PermanentError, match="larger than 50 MB"):
        parse_sitemap(members * 2)
    with pytest.raises(PermanentError, match="more than 10,000 members"):
        parse_sitemap(gzip.compress(b"") * 10_001)
    with pytest.raises(PermanentError, match="damaged"):
        parse_sitemap(b"\x1f\x8b\x08broken")


async def test_an_index_of_zipped_sitemaps_is_followed(site: Site) -> None:
    url, packed = site.server.url, gzip.compress(site.sitemap())
    entries = "".join(f"<sitemap><loc>{url}/{name}</loc></sitemap>" for name in ("a.xml.gz", "index.xml"))
    site.pages["/index.xml"] = Answer(200, f"<sitemapindex>{entries}</sitemapindex>".encode())
    site.pages["/a.xml.gz"] = Answer(200, packed, {"Content-Type": "application/gzip"})
    async with opened(site, sitemap="/index.xml") as source:
        assert set(await texts(source)) == {"index", "guide/start", "guide/levers"}


async def test_what_follows_a_packed_sitemap_is_told(site: Site) -> None:
    site.pages["/a.xml.gz"] = Answer(200, gzip.compress(site.sitemap()) + b"0" * 12)
    async with opened(site, sitemap="/a.xml.gz") as source:
        assert set(await texts(source)) == {"index", "guide/start", "guide/levers"}
        [notice] = (await source.findings()).notices
    assert notice.endswith("/a.xml.gz: 12 bytes after its gzip were left out")


async def test_a_sitemap_that_is_none_is_refused(site: Site) -> None:
    for answer, error in (
        (Answer(404, b""), NotFound),
        (Answer(403, b""), PermanentError),
        (Answer(200, b"<html><body>hi</body></html>"), PermanentError),
        (Answer(200, b"<urlset><url>"), PermanentError),
        (Answer(200, b"hello"), PermanentError),
        (Answer(200, b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset/>'), PermanentError),
        (Answer(500, b""), TransientError),
    ):
        site.pages["/sitemap.xml"] = answer
        async with opened(site) as source:
            with pytest.raises(error):
                await source.newest_commit()
