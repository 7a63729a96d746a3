"""Public IP addresses: those that IANA's special-purpose registries (RFC 6890) leave globally routable, one to one.

The registries are written down here, because what Python's `ipaddress` calls global changes with its version.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Network

import re2

from pipeline.personal_data.spans import Span, before, stands_alone

# fmt: off
_NOT_PUBLIC_V4 = list(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)))
# fmt: on
FIRST_V4 = [int(network.network_address) for network in _NOT_PUBLIC_V4]  # ascending
LAST_V4 = [int(network.broadcast_address) for network in _NOT_PUBLIC_V4]
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = re2.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_V6 = re2.compile(rf"[23][0-9A-Fa-f]{{3}}:[0-9A-Fa-f:]{{1,40}}(?:{_OCTET}(?:\.{_OCTET}){{3}})?")

_NOT_BEFORE = re2.compile(r"(?:[\pL\pN_]-?|[\pL\pN_]/)\z")
_NOT_AFTER = re2.compile(r"\A(?:[\pL\pN_]|[-+~_]\pL|-[0-9]{1,3}(?:[^0-9.]|\z))")
# What says that four numbers are no address: "version 4.2.1.16", "(>= 1.0.2.30)".
_VERSION = re2.compile(
    r"(?i)(?:\b(?:v|ver|vers|version|versions|release|releases|rev|revision|build|builds|firmware|driver|patch|update|section|sections|sect|"
    r"sec|chapter|clause|paragraph|article|appendix|figure|table|rule|annex|oid)\.?[ :=]{0,3}|§ ?|(?:[<>~=!]=|~>|\^|\([<>]{1,2}) ?)\z"
)
_PORT = re2.compile(r"\A:[0-9]{2,5}")
_SMALL = 20  # where all four numbers are less, they count sections or versions, but for hosts in URLs and with ports


def ipv4(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The public IPv4 address that a window of digits and dots is, or none. The cheap checks come first: most windows are none."""
    found = text[start:end].rstrip(b".")
    written = found.lstrip(b".")
    span = Span(start + len(found) - len(written), start + len(found))
    if written.count(b".") == 3 and _V4.fullmatch(written):
        address = bytes(map(int, written.split(b".")))
        if _is_public(address) and _is_host(text, span, address) and stands_alone(text, span, _NOT_BEFORE, _NOT_AFTER):
            yield span


def _is_public(address: bytes) -> bool:
    number = int.from_bytes(address)
    return number > LAST_V4[bisect_right(FIRST_V4, number) - 1]


def _is_host(text: bytes, span: Span, address: bytes) -> bool:
    left = before(text, span.start)
    if left.endswith((b"//", b"@")) or (text[span.end : span.end + 1] == b":" and _PORT.search(text[span.end : span.end + 6])):
        return True
    return max(address) >= _SMALL and not _VERSION.search(left)


def ipv6(text: bytes, start: int, end: int) -> Iterator[Span]:
    """The public IPv6 address that a window of hexadecimal digits, colons and dots is, or none."""
    if text.count(b":", start, end) < 6 and text.find(b"::", start, end) < 0:
        return
    found = text[start:end].rstrip(b".")
    found = found[:-1] if found.endswith(b":") and not found.endswith(b"::") else found
    lead = 1 if found.startswith(b":") and not found.startswith(b"::") else 0
    span = Span(start + lead, start + len(found))
    complete = b"::" in found or found.count(b":") >= 6 + lead
    if complete and _V6.fullmatch(found[lead:]) and stands_alone(text, span, _NOT_BEFORE, _NOT_AFTER):
        try:
            address = IPv6Address(found[lead:].decode())
        except AddressValueError:
            return
        if address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6):
            yield span
