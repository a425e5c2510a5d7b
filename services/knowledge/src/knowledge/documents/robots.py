"""robots.txt (RFC 9309): what it says to one robot about some addresses."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from protego import Protego

from knowledge.web.unicode import unicode_encoding

_NO_TEXT = str.maketrans("", "", "\ufeff\x00")
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("(?:%[89A-Fa-f][0-9A-Fa-f])+")


def ask_robots(content: bytes, agent: str, urls: Sequence[str]) -> dict[str, Any]:
    """``{"delay": seconds or None, "forbidden": [those of urls that ``agent`` may not ask for]}``."""
    robots = Protego.parse(_apart(_decode(content)))
    delay = robots.crawl_delay(agent)
    return {
        "delay": None if delay is None else float(delay),
        "forbidden": [url for url in urls if not robots.can_fetch(_apart(url), agent)],
    }


def _decode(content: bytes) -> str:
    """Its text in any encoding of Unicode, without marks: a rule is obeyed however the file was saved. Bytes
    that aren't UTF-8 are written as an address has them, ``%E9``."""
    encoding = unicode_encoding(content) or "utf-8"
    text = content.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    return _NOT_UTF_8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text).translate(_NO_TEXT)


def _apart(text: str) -> str:
    """``text`` with the escapes of bytes that aren't UTF-8 escaped once more: Protego takes all of them for
    the same character."""
    return _BEYOND_ASCII.sub(lambda run: _escaped_twice(run[0]), text)


def _escaped_twice(escapes: str) -> str:
    text = unquote_to_bytes(escapes).decode("utf-8", "surrogateescape")
    return "".join(
        f"%25{ord(character) - 0xDC00:02X}" if _NOT_UTF_8.match(character) else quote(character)
        for character in text
    )
