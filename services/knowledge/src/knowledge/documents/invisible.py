"""What stands in a text without being words: characters without a glyph, and files that are written in it."""

import re

_WITHOUT_GLYPH = dict.fromkeys(
    (
        *(0x00, 0xAD, 0x180E, 0xFEFF),  # Postgres stores no U+0000; soft hyphen, byte order mark
        *(0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # directions
        *range(0x2060, 0x2065),  # word joiner, invisible operators
        *(0xE0001, *range(0xE0020, 0xE007F)),  # tags: a whole alphabet that shows nothing
    )
)
"""Neither the joiner nor the non-joiner (U+200C, U+200D): they are part of the spelling of Persian and of
emoji."""

_BREAK_INSIDE_WORD = re.compile(r"(?<=[!-\u04ff])\u200b(?=[!-\u04ff])")
"""Thai, Lao, Khmer and Burmese separate words by this space; other scripts only allow a line to end there."""

_PAYLOAD = re.compile(
    r"\b(data:(?:[a-z]+/[\w.+-]+)?(?:;(?!base64,)[\w.+-]+(?:=[\w.+-]+)?)*)"
    r"(?:;base64,\s*[A-Za-z0-9_+/=%-]{60,}"
    r"(?:(?:\s+[A-Za-z0-9+/=]{60,})+(?:\s+[A-Za-z0-9+/]+={0,2}(?=[\"')>]))?)?"
    r"|,[^\s\"')<>]{100,})"
)


def without_invisible(text: str) -> str:
    """The text without characters that show nothing."""
    return _BREAK_INSIDE_WORD.sub("", text.translate(_WITHOUT_GLYPH))


def storable(text: str) -> str:
    """The text without what no reader sees in it, and with ``\\n`` at the end of lines.

    Pictures and fonts that are written in place (``data:image/png;base64,…``) lose their bytes. Half of a
    surrogate pair, which Postgres doesn't store, becomes ``?``.
    """
    text = without_invisible(text.replace("\r\n", "\n").replace("\r", "\n"))
    if "data:" in text:
        text = _PAYLOAD.sub(r"\1", text)
    return text.encode("utf-8", "replace").decode()
