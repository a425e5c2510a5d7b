"""A page's path in its base: readable, and different for each address. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from knowledge.sources.website.sitemap_xml import Entry

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+|[\x00-\x1f\x7f]")
_SEPARATORS = "/?#"
_UNREADABLE = ("Cc", "Cs", "Zl", "Zp")
_PERCENT = "\x00"
_HOME = "index"


@dataclass(slots=True, frozen=True, order=True)
class Address:
    """What tells one page from another: two spellings of an address are equal. ``path`` without the first
    slash, readable."""

    scheme: str
    place: str
    path: str
    query: str

    @property
    def name(self) -> str:
        """The path without slashes at its ends, and the query. The home page is ``index``."""
        return self._with_query(self.path.strip("/") or _HOME)

    @property
    def whole_name(self) -> str:
        """The same with its slashes; the home page is ``/``."""
        return self._with_query(self.path or "/")

    @property
    def longest_name(self) -> str:
        """A name that no other address has."""
        whole = f"{self.scheme}://{self.place}/{self.path}?{self.query}"
        return f"{self.whole_name} ({hashlib.sha256(whole.encode()).hexdigest()[:12]})"

    def _with_query(self, path: str) -> str:
        return f"{path}?{self.query}" if self.query else path


def address_of(url: str) -> Address:
    """The address of a page. ``url`` is one of http or https."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    query = re.sub("%[0-9a-f]{2}", lambda escape: escape[0].upper(), parts.query, flags=re.IGNORECASE)
    place = parts.netloc.lower().removesuffix(default)
    return Address(parts.scheme, place, _readable(parts.path).removeprefix("/"), query)


def name_pages(pages: Iterable[tuple[Address, Entry]]) -> dict[str, Entry]:
    """Pages by their names, each address once.

    Of several with one name, the one whose whole path it is has it (``/d`` before ``/d/``); the others keep
    their slashes (``d/``), or are told apart by a hash of their address.
    """
    alike: dict[str, dict[Address, Entry]] = {}
    for address, entry in pages:
        alike.setdefault(address.name, {}).setdefault(address, entry)
    named: dict[str, Entry] = {}
    for name, entries in alike.items():
        first, *others = sorted(
            entries, key=lambda at: (at.whole_name != name, at.scheme != "https", len(at.path), at)
        )
        named[name] = entries[first]
        for address in others:
            free = address.whole_name not in alike and address.whole_name not in named
            named[address.whole_name if free else address.longest_name] = entries[address]
    return named


def name_before(url: str) -> str:
    """The name that a page had in bases of earlier releases, where others could have the same."""
    parts = urlsplit(url)
    path = unquote(parts.path).strip("/") or _HOME
    return f"{path}?{parts.query}" if parts.query else path


def _readable(path: str) -> str:
    """``path`` with its escapes as characters, except those that would then mean something else: separators,
    bytes that aren't UTF-8, and what can't be seen."""
    text = _ESCAPES.sub(lambda found: _characters(found[0]), path)
    return re.sub(f"{_PERCENT}(?=[0-9A-Fa-f]{{2}})", "%25", text).replace(_PERCENT, "%")


def _characters(escapes: str) -> str:
    text = unquote_to_bytes(escapes).decode("utf-8", "surrogateescape")
    return "".join(_character(character) for character in text)


def _character(character: str) -> str:
    if character == "%":
        return _PERCENT
    if character in _SEPARATORS or unicodedata.category(character) in _UNREADABLE:
        return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
    return character
