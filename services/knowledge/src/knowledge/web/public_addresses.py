"""Which addresses a fetch on a user's behalf may reach: only the public internet. Pure."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")

_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments, DS-Lite's among them
        "192.88.99.0/24",  # 6to4 relays, deprecated by RFC 7526
    )
)
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/32",  # Teredo: an embedded IPv4 address
        "3fff::/20",  # documentation, RFC 9637
    )
)
"""Networks that ``ipaddress`` considers global, or did in a Python version that we support.
https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry"""


def is_public(address: str) -> bool:
    """Whether ``address`` belongs to the public internet.

    Not loopback, private, link-local (cloud metadata), carrier-grade NAT, benchmarking, unique-local,
    site-local, multicast, reserved, documentation, a network's own NAT64 (64:ff9b:1::/48) or unspecified, nor
    any of these embedded in an IPv6 address (IPv4-mapped, 6to4, Teredo, NAT64). An address with a zone
    belongs to one link, and anything that isn't an IP address isn't public either.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return _is_public_v4(ip)
    return ip.scope_id is None and _is_public_v6(ip)


def _is_public_v4(ip: IPv4Address) -> bool:
    refused = ip.is_multicast or ip.is_reserved or any(ip in network for network in _REFUSED_V4)
    return ip.is_global and not refused


def _is_public_v6(ip: IPv6Address) -> bool:
    if ip.ipv4_mapped:
        return _is_public_v4(ip.ipv4_mapped)
    if ip in _NAT64:
        return _is_public_v4(IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip.sixtofour:
        return _is_public_v4(ip.sixtofour)
    refused = ip.is_multicast or any(ip in network for network in _REFUSED_V6)
    return ip in _GLOBAL_UNICAST and ip.is_global and not refused
