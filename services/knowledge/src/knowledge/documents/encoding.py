"""Bytes to text: UTF-8 first, then marks, then what the bytes look like."""

import charset_normalizer

from knowledge.documents.document import MAX_FILE_BYTES, UnsupportedContent, check_size

_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_LEGACY = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257",
    "koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "cp949",
]  # fmt: skip
"""Encodings of text that isn't UTF-8: those that browsers know, without the rare ones. With all of Python's
codecs, a detector takes a short Latin text for CP775 or UTF-16."""

_SAMPLE_BYTES = 256 * 1024
_DETECTABLE_SHARE = 0.15
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x08")) + b"\x7f"


def decode_text(content: bytes, *, max_bytes: int = MAX_FILE_BYTES) -> str:
    """The text of a file, with ``\\n`` at the end of lines. The same bytes always give the same text.

    UTF-8, UTF-16 and UTF-32 are recognised by their byte order marks, and legacy encodings are detected.
    Bytes that fit nowhere become U+FFFD. Raises :class:`UnsupportedContent` for binary content and for more
    than ``max_bytes``.
    """
    check_size(len(content), max_bytes)
    text = _decode(content)
    if "\x00" in text:
        raise UnsupportedContent("the file is binary")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if _looks_binary(content):
        raise UnsupportedContent("the file is binary")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(_guess(content), errors="replace")


def _looks_binary(content: bytes) -> bool:
    """U+0000 anywhere, or more control characters than text ever has."""
    if b"\x00" in content:
        return True
    sample = content[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls > len(sample) * 0.05


def _guess(content: bytes) -> str:
    """The encoding of content that isn't valid UTF-8.

    Damaged UTF-8 stays UTF-8. A few bytes beyond ASCII are too little for a detector: they are read as
    Windows-1252, the default of the web's standard. Otherwise charset-normalizer chooses.
    """
    lenient = content.decode("utf-8", errors="ignore")
    if sum(ord(character) > 127 for character in lenient) > _losses(content, lenient):
        return "utf-8"
    beyond = len(content) - len(content.translate(None, bytes(range(128, 256))))
    letters = sum(chr(byte).isalpha() for byte in content[:_SAMPLE_BYTES] if byte < 128) + beyond
    if beyond < letters * _DETECTABLE_SHARE:
        return "cp1252"
    best = charset_normalizer.from_bytes(content[:_SAMPLE_BYTES], cp_isolation=_LEGACY).best()
    return best.encoding if best else "cp1252"


def _losses(content: bytes, lenient: str) -> int:
    """Number of bytes that decoding to ``lenient`` skipped."""
    return len(content) - len(lenient.encode())
