"""Packed bodies and files: gzip of any number of members, zlib, raw deflate. Bounded, and never cut short in
silence. Pure."""

import zlib

MOST_MEMBERS = 10_000
"""Members of one gzip file: block-wise writers make one for each 64 KB or so."""

GZIP = b"\x1f\x8b"
_STEP_BYTES = 4096  # zlib copies what follows a member: many in a large part would be quadratic
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


class Damaged(Exception):
    """The bytes are not what they should be."""


class CutOff(Exception):
    """The end is missing."""


class TooLong(Exception):
    """Unpacked, there are more bytes than may be."""


class Unpacker:
    """Unpacks one body, part by part; at most ``most`` bytes come out.

    A gzip file is any number of members (RFC 1952, 2.2), perhaps with zeros after each. Other bytes after a
    member are no part of it: they are left out and counted in ``left_out``, as gzip and browsers do. With
    ``raw``, deflate without a header is accepted too: some servers mean that by ``deflate``.
    """

    def __init__(self, most: int, *, raw: bool = False) -> None:
        self._most, self._raw = most, raw
        self._member: zlib._Decompress | None = None
        self._pending = b""
        self._is_gzip = False
        self._members = self._bytes = 0
        self.left_out = 0

    def feed(self, part: bytes) -> bytes:
        """What the next ``part`` unpacks to. Raises :class:`Damaged` and :class:`TooLong`."""
        return b"".join(
            self._step(part[start : start + _STEP_BYTES]) for start in range(0, len(part), _STEP_BYTES)
        )

    def finish(self) -> None:
        """Say that nothing follows. Raises :class:`CutOff` if something should."""
        if self._member is not None or self._pending == GZIP[:1] or not self._members:
            raise CutOff("its end is missing")
        self.left_out += len(self._pending)

    def _step(self, packed: bytes) -> bytes:
        unpacked = bytearray()
        rest = self._pending + packed
        self._pending = b""
        while rest:
            if self._member is None:
                rest = self._begin(rest)
                if self._member is None:
                    break
            try:
                unpacked += self._member.decompress(rest, self._most - self._bytes - len(unpacked) + 1)
            except zlib.error as error:
                raise Damaged(str(error)) from error
            if self._bytes + len(unpacked) > self._most:
                raise TooLong
            rest = self._member.unused_data
            if self._member.eof:
                self._member = None
        self._bytes += len(unpacked)
        return bytes(unpacked)

    def _begin(self, rest: bytes) -> bytes:
        """Begin a member, if ``rest`` is enough to see one. Returns what of it is still to be unpacked."""
        if self._members:
            rest = rest.lstrip(b"\x00") if self._is_gzip and not self.left_out else rest
            if self.left_out or not self._is_gzip or (len(rest) > 1 and not rest.startswith(GZIP)):
                self.left_out += len(rest)
                return b""
        if len(rest) < len(GZIP):
            self._pending = rest
            return b""
        if self._members == MOST_MEMBERS:
            raise Damaged(f"it has more than {MOST_MEMBERS:,} members")
        self._members += 1
        self._is_gzip = rest.startswith(GZIP)
        has_header = self._is_gzip or (rest[0] & 15 == 8 and int.from_bytes(rest[:2], "big") % 31 == 0)
        self._member = zlib.decompressobj(47 if has_header or not self._raw else -15)
        return rest


class ContentEncoding:
    """Unpacks a body by its ``Content-Encoding``: several, in the order in which they were applied. Raises
    :class:`Damaged` for one that is unknown."""

    def __init__(self, header: str, most: int) -> None:
        named = [name.strip().lower() for name in header.split(",")]
        named = [name for name in named if name not in ("", "identity")]
        if unknown := [name for name in named if name not in _PACKED]:
            raise Damaged(f"it is packed as {unknown[0][:40]}, which was not asked for")
        self._unpackers = [Unpacker(most, raw=name == "deflate") for name in reversed(named)]

    def feed(self, part: bytes) -> bytes:
        """What the next ``part`` unpacks to. Raises :class:`Damaged` and :class:`TooLong`."""
        for unpacker in self._unpackers:
            part = unpacker.feed(part)
        return part

    def finish(self) -> None:
        """Say that nothing follows. Raises :class:`CutOff` if something should."""
        for unpacker in self._unpackers:
            unpacker.finish()
