"""Sitemaps (sitemaps.org, protocol 0.9): XML, gzipped XML, or a text file of addresses. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from common.errors import PermanentError, TransientError
from knowledge.web.unicode import unicode_encoding
from knowledge.web.unpacking import GZIP, CutOff, Damaged, TooLong, Unpacker

MAX_BYTES = 50 * 1024 * 1024
"""The protocol's own limit, uncompressed."""

MAX_ENTRIES = 50_000
MAX_DEPTH = 100
"""Of elements in each other. The protocol has three, its extensions a few more."""

_DECLARATION = re.compile(
    r"""\A\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["'][^>]{0,200}\?>"""
)
_WIDE = ("utf-16", "utf-32", "utf16", "utf32", "ucs-", "iso-10646")
_BLANK = "\ufeff \t\r\n\v\f\xa0"


@dataclass(slots=True, frozen=True)
class Entry:
    """A page, or a sitemap of an index. ``lastmod`` is the original text; empty if it isn't given."""

    url: str
    lastmod: str = ""


@dataclass(slots=True, frozen=True)
class Sitemap:
    """The entries of a sitemap, which lists pages or, as an index, other sitemaps. ``left_out``: bytes after
    its gzip that belong to nothing."""

    is_index: bool
    entries: tuple[Entry, ...]
    left_out: int = 0


def sitemap_json(content: bytes) -> dict[str, Any]:
    """:func:`parse_sitemap` for a reader's process; :func:`sitemap_of` takes it back."""
    sitemap = parse_sitemap(content)
    return {
        "index": sitemap.is_index,
        "entries": [(entry.url, entry.lastmod) for entry in sitemap.entries],
        "leftOut": sitemap.left_out,
    }


def sitemap_of(value: Mapping[str, Any]) -> Sitemap:
    """What :func:`sitemap_json` made of a document."""
    entries = tuple(Entry(url, lastmod) for url, lastmod in value["entries"])
    return Sitemap(value["index"], entries, value["leftOut"])


def parse_sitemap(content: bytes) -> Sitemap:
    """Read a sitemap. Raises ``PermanentError`` if it isn't one, is too large, or has a DTD, and
    ``TransientError`` if it was cut off."""
    content, left_out = _unzipped(content)
    text = _decode(content)
    sitemap = _of_xml(text) if text.startswith("<") else _of_text(text)
    return replace(sitemap, left_out=left_out)


def _of_xml(text: str) -> Sitemap:
    entries: list[Entry] = []
    root: Element | None = None
    depth = 0
    try:
        for event, element in iterparse(BytesIO(text.encode()), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                root = element if root is None else root
                depth += 1
                if depth > MAX_DEPTH:
                    raise PermanentError("the sitemap is nested too deeply", code="source_refused")
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


def _unzipped(content: bytes) -> tuple[bytes, int]:
    """The plain document, and how many bytes after its gzip were left out."""
    if not content.startswith(GZIP):
        return content, 0
    unpacker = Unpacker(MAX_BYTES)
    try:
        plain = unpacker.feed(content)
        unpacker.finish()
    except Damaged as error:
        raise PermanentError(f"the sitemap's gzip is damaged: {error}", code="source_refused") from error
    except TooLong as error:
        raise PermanentError("the sitemap is larger than 50 MB", code="source_too_large") from error
    except CutOff as error:
        raise TransientError(f"the sitemap's gzip is cut off: {error}") from error
    return plain, unpacker.left_out


def _decode(content: bytes) -> str:
    """The document without anything before its first character, and without a declaration of its encoding.

    A mark, or zeros, show an encoding of Unicode; else XML's declaration names one; else it is UTF-8.
    """
    encoding = unicode_encoding(content)
    if not encoding:
        declared = _DECLARATION.match(content[:500].decode("latin-1"))
        encoding = declared[1].lower() if declared else "utf-8"
        if encoding.startswith(_WIDE):  # without a mark and without zeros: a writer's mistake, a frequent one
            encoding = "utf-8"
    try:
        text = content.decode(encoding)
    except LookupError as error:
        reason = f"the sitemap's encoding {encoding} is unknown"
        raise PermanentError(reason, code="source_refused") from error
    except UnicodeError as error:
        text = content.decode(encoding, "replace")
        if text.lstrip(_BLANK).startswith("<"):
            raise PermanentError(
                f"the sitemap isn't valid {encoding}: {error}", code="source_refused"
            ) from error
    text = text.lstrip(_BLANK)
    declared = _DECLARATION.match(text[:500])
    return text[declared.end() :].lstrip(_BLANK) if declared else text


def _of_text(text: str) -> Sitemap:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
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
