"""Which addresses a fetch on a user's behalf may reach: the public internet, nothing of ours. Pure."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TEREDO = IPv6Network("2001::/32")
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    """Whether ``address`` belongs to the public internet.

    Not loopback, private, link-local (cloud metadata), carrier-grade NAT, unique-local, site-local,
    multicast, reserved, documentation or unspecified, nor any of these wrapped up in an IPv6 address
    (IPv4-mapped, 6to4, Teredo, NAT64). Anything that is no IP address isn't public either.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return _is_public_v4(ip)
    return _is_public_v6(ip)


def _is_public_v4(ip: IPv4Address) -> bool:
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _is_public_v6(ip: IPv6Address) -> bool:
    if ip.ipv4_mapped:
        return _is_public_v4(ip.ipv4_mapped)
    if any(ip in network for network in _TRANSLATED):
        return _is_public_v4(IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip.sixtofour:
        return _is_public_v4(ip.sixtofour)
    return ip in _GLOBAL_UNICAST and ip.is_global and not ip.is_multicast and ip not in _TEREDO
