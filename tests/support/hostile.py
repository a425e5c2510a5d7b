"""Small files that cost their reader much: each was seen to hold up, swell or break one."""

import gzip
import zlib

from tests.support.pdf import make_pdf


def _page(body: str) -> bytes:
    return f"<html><body><main>{body}</main></body></html>".encode()


def _pdf_bomb() -> bytes:
    """A page whose content stream of 500 KB unpacks to 100 MB of text operators."""
    packed = zlib.compress(b"BT /F1 12 Tf (lever) Tj ET\n" * 4_000_000, 1)
    plain = make_pdf(["x"])
    start, end = plain.index(b"<< /Length"), plain.index(b"\nendstream")
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s" % (len(packed), packed)
    return plain[:start] + stream + plain[end:]


def _yaml_mapping() -> str:
    return "\n".join(f"key{number}: value {number}" for number in range(45_000))


HOSTILE_FILES: dict[str, bytes] = {
    "braces.mdx": b"{" * 20_000,
    "quoted braces.mdx": b"<a '" + b"{'<a '" * 4_000,
    "dotted keys.md": b"+++\n" + b".".join([b"a"] * 25_000) + b" = 1\n+++\ntext",
    "sexagesimal.md": b"---\ntitle: " + b"1:" * 150_000 + b"1\n---\ntext",
    "mapping.md": f"---\n{_yaml_mapping()}\n---\ntext".encode(),
    "nested.md": b"---\n" + b"[" * 50_000 + b"\n---\ntext",
    "rows.html": _page("<table>" + "<tr><td>a" * 49_000 + "</table>"),
    "items.html": _page("<ol>" + "<li>a" * 90_000 + "</ol>"),
    "columns.html": _page("<table><tr>" + "<th colspan=1000>a" * 300 + "</table>"),
    "start.html": _page(f"<ol start={'9' * 5_000}><li>a</ol>"),
    "deep.html": _page("<div>" * 40_000 + "a"),
    "deep.json": b"[" * 1_000_000,
    "crumbs.txt": b"a b " * 2_000_000,
    "long.txt": b"word " * 1_800_000,
    "guess.txt": bytes(range(192, 256)) * 20_000,
    "bomb.pdf": _pdf_bomb(),
}

_URLSET = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'

HOSTILE_SITEMAPS: dict[str, bytes] = {
    "too large": gzip.compress(_URLSET + b" " * 60_000_000, 1),
    "many elements": gzip.compress(_URLSET + b"<url><a/>" + b"<a/>" * 12_000_000, 1),
    "deep": gzip.compress(b"<a>" * 16_000_000, 1),
}

HOSTILE_ROBOTS = b"User-agent: *\nDisallow: /" + b"*a" * 40 + b"*b\n"
