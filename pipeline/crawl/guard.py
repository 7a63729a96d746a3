"""No connection to an address that is not globally routable: loopback, private and link-local networks, metadata services.

It stands where sockets are made, behind name resolution and redirects, so neither a literal in any notation nor a name
whose address changes gets past it.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

from aiohappyeyeballs import AddrInfoType

REFUSED_ERRNO = errno.EACCES

# What `is_global` lets pass, in some Python versions or in all: protocol assignments and metadata services, Azure's WireServer,
# IPv4-compatible, local-use NAT64, Teredo, 6to4, documentation, segment routing and site-local addresses (IANA special-purpose
# registries; RFC 4291, RFC 8215, RFC 9637, RFC 9602, RFC 3879).
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("192.0.0.0/24", "168.63.129.16/32"),
        *("::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # carries an IPv4 address in its last 32 bits (RFC 6052)


def is_public(address: str) -> bool:
    """Whether an IP address literal is globally routable; of an address that carries an IPv4 one, whether that one is."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inside:
            return is_public(str(inside))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _REFUSED)


def guarded_socket(info: AddrInfoType) -> socket.socket:
    """A socket for an address that may be connected to; `PermissionError` with REFUSED_ERRNO for any other."""
    family, kind, protocol, _, address = info
    if family not in (socket.AF_INET, socket.AF_INET6) or not is_public(str(address[0])):
        raise PermissionError(REFUSED_ERRNO, f"{address[0]} is not globally routable")
    return socket.socket(family, kind, protocol)
