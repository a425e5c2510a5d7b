"""Sitemaps (sitemaps.org, protocol 0.9): XML, gzipped XML, or a text file of addresses. Pure."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from common.errors import PermanentError, TransientError

MAX_BYTES = 50 * 1024 * 1024
"""The protocol's own limit, uncompressed."""

MAX_ENTRIES = 50_000


@dataclass(slots=True, frozen=True)
class Entry:
    """A page, or a sitemap of an index. ``lastmod`` is the original text; empty if it isn't given."""

    url: str
    lastmod: str = ""


@dataclass(slots=True, frozen=True)
class Sitemap:
    """The entries of a sitemap, which lists pages or, as an index, other sitemaps."""

    is_index: bool
    entries: tuple[Entry, ...]


def sitemap_json(content: bytes) -> dict[str, Any]:
    """:func:`parse_sitemap` for a reader's process; :func:`sitemap_of` takes it back."""
    sitemap = parse_sitemap(content)
    return {"index": sitemap.is_index, "entries": [(entry.url, entry.lastmod) for entry in sitemap.entries]}


def sitemap_of(value: Mapping[str, Any]) -> Sitemap:
    """What :func:`sitemap_json` made of a document."""
    return Sitemap(value["index"], tuple(Entry(url, lastmod) for url, lastmod in value["entries"]))


def parse_sitemap(content: bytes) -> Sitemap:
    """Read a sitemap. Raises ``PermanentError`` if it isn't one, is too large, or has a DTD, and
    ``TransientError`` if it was cut off."""
    content = _unzipped(content)
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _of_text(content)
    entries: list[Entry] = []
    root: Element | None = None
    depth = 0
    try:
        for event, element in iterparse(BytesIO(content), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                root = element if root is None else root
                depth += 1
                continue
            depth -= 1
            if _local(element.tag) in ("url", "sitemap") and (entry := _entry(element)):
                entries.append(entry)
            if depth == 1 and root is not None:
                root.clear()  # what was in it, images and translations too, is done with
            if len(entries) > MAX_ENTRIES:
                raise PermanentError(
                    f"a sitemap has more than {MAX_ENTRIES:,} entries", code="source_too_large"
                )
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise PermanentError(f"the sitemap isn't valid XML: {error}", code="source_refused") from error
    kind = _local(root.tag) if root is not None else ""
    if kind not in ("urlset", "sitemapindex"):
        raise PermanentError(f"the document isn't a sitemap but <{kind}>", code="source_refused")
    return Sitemap(kind == "sitemapindex", tuple(entries))


def _unzipped(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    unzip = zlib.decompressobj(wbits=31)
    try:
        plain = unzip.decompress(content, MAX_BYTES + 1)
    except zlib.error as error:
        raise PermanentError(f"the sitemap's gzip is damaged: {error}", code="source_refused") from error
    if len(plain) > MAX_BYTES:
        raise PermanentError("the sitemap is larger than 50 MB", code="source_too_large")
    if not unzip.eof:
        raise TransientError("the sitemap's gzip is cut off")
    return plain


def _of_text(content: bytes) -> Sitemap:
    lines = [line.strip() for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if (
        not lines
        or len(lines) > MAX_ENTRIES
        or not all(line.startswith(("http://", "https://")) for line in lines)
    ):
        raise PermanentError("the document isn't a sitemap", code="source_refused")
    return Sitemap(False, tuple(Entry(line) for line in lines))


def _entry(element: Element) -> Entry | None:
    values = {_local(child.tag): (child.text or "").strip() for child in element}
    return Entry(values["loc"], values.get("lastmod", "")) if values.get("loc") else None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
