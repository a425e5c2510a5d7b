"""One spelling of a web address, so that the host that is checked is the host that is dialled. Pure.

A host has many spellings (``Git.Example.``, ``gít.example``, ``0x7f.1``), and each library reads some of them
differently. Nothing is fetched before its host is in the one form that all of them read alike.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit, urlunsplit

import idna

from common.errors import Forbidden, Invalid

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host, port."""

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")


def canonical_url(url: str) -> str:
    """``url`` with its host as :func:`canonical_host` returns it, and without its scheme's default port.

    Raises ``Invalid`` for anything but http(s) to a host, ``Forbidden`` for a password in it.
    """
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname, parts.scheme
        netloc = canonical_netloc(parts) if host and scheme in _PORTS else ""
    except ValueError as error:
        raise Invalid(f"{url!r} isn't a URL: {error}", code="invalid_source") from error
    if not netloc:
        raise Invalid(f"{url!r}: only http and https are fetched", code="invalid_source")
    if parts.username or parts.password:
        raise Forbidden(f"{host}: a URL may hold no password", code="source_refused")
    return urlunsplit(parts._replace(netloc=netloc))


def canonical_netloc(parts: SplitResult) -> str:
    """Host and port, without credentials; the port only if it isn't the scheme's default. Raises
    ``ValueError``."""
    host, port = canonical_host(parts.hostname or ""), parts.port
    if port == 0:
        raise ValueError("nothing is at port 0")
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None or port == _PORTS.get(parts.scheme) else f"{shown}:{port}"


def canonical_host(host: str) -> str:
    """A name in lower case and ASCII (IDNA 2008, mapped as browsers do: UTS 46), without the root's dot, or
    an address in its usual form. Raises ``ValueError`` if it is neither, and for an address with a zone."""
    if ":" in host:
        address = IPv6Address(host)
        if address.scope_id is not None:
            raise ValueError(f"{host} is an address of one link")
        return str(address)
    name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    name = name.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{host!r} isn't a host name")
    # A name that ends in a number is an address to every resolver: 127.1, 0x7f000001.
    return str(IPv4Address(name)) if _NUMBER.fullmatch(name) else name


def canonical_place(text: str) -> str:
    """``host`` or ``host:port`` of a setting, in the form of :func:`place`. Raises ``ValueError``."""
    if text.count(":") > 1 and "[" not in text:
        return canonical_host(text)
    parts = urlsplit(f"//{text}")
    host, port = canonical_host(parts.hostname or ""), parts.port
    if parts.netloc != text or parts.username is not None:
        raise ValueError(f"{text!r} isn't a host or host:port")
    return host if port is None else place(host, port)


def place(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def site_of(url: str) -> str:
    """``host:port`` of ``url``, which identifies the site that is waited for and that sets limits. Raises as
    :func:`canonical_url`."""
    _, host, port = origin_of(url)
    return place(host, port)


def origin_of(url: str) -> Origin:
    """Scheme, host and port of ``url``. Raises as :func:`canonical_url` does."""
    parts = urlsplit(canonical_url(url))
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]
