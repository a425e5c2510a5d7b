"""The encoding of a page, chosen as browsers choose it: https://encoding.spec.whatwg.org and HTML's
"Determining the character encoding"."""

import re

import webencodings

from knowledge.documents.encoding import decode_text

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be"))
_PRESCAN_BYTES = 4096
"""Browsers look at 1,024 bytes, and start again when a later tag says otherwise."""

_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"<meta\s[^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
_XML = re.compile(rb"\A\s*<\?xml[^>]*?encoding\s*=\s*[\"']([^\"'>]+)", re.IGNORECASE)
_CODECS = {"gbk": "gb18030", "x-user-defined": "cp1252"}
"""The standard's decoder of GBK is that of GB18030; ``x-user-defined`` in a page means Windows-1252."""


def decode_page(content: bytes, charset: str | None) -> str:
    """The text of a page. A byte order mark comes before ``charset`` (HTTP's), which comes before the
    page's own label; without any, the encoding is what the bytes look like.

    Raises ``UnsupportedContent`` for binary content.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark) and not content.startswith(b"\xff\xfe\x00\x00"):
            return decode_text(content) if encoding == "utf-8" else content[2:].decode(encoding, "replace")
    codec = _codec(charset) if charset else None
    if codec is None and b"\x00" not in content:
        codec = _codec(_label(content))
        if codec is not None and codec.startswith("utf-16"):
            codec = "utf-8"  # the label was read as ASCII, so it can't be true
    if codec is None or (b"\x00" in content and not codec.startswith("utf-16")):
        return decode_text(content, max_bytes=len(content))
    return content.decode(codec, "replace")


def _label(content: bytes) -> str:
    head = _COMMENT.sub(b"", content[:_PRESCAN_BYTES])
    found = _META.search(head) or _XML.search(head)
    return found[1].decode("ascii", "ignore") if found else ""


def _codec(label: str) -> str | None:
    """Python's name of the codec for one of the web's labels; ``None`` for a label that browsers ignore."""
    encoding = webencodings.lookup(label)
    if encoding is None or encoding.name == "replacement":
        return None
    return _CODECS.get(encoding.name, encoding.codec_info.name)
