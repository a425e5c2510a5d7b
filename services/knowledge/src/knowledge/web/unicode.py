"""Which encoding of Unicode bytes are in, by the first of them. Pure."""

_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xef\xbb\xbf", "utf-8"),
)
_WITHOUT_MARK = (
    ((1, 0, 0, 0), "utf-32-le"),
    ((0, 0, 0, 1), "utf-32-be"),
    ((1, 0, 1, 0), "utf-16-le"),
    ((0, 1, 0, 1), "utf-16-be"),
)
"""Which of the first bytes aren't zero, where a text begins with ASCII (XML 1.0, appendix F)."""


def unicode_encoding(content: bytes) -> str:
    """The encoding that a byte order mark, or the zeros of a text without one, show; else empty."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    zeros = tuple(int(byte != 0) for byte in content[:4])
    return next((encoding for pattern, encoding in _WITHOUT_MARK if zeros == pattern), "")
