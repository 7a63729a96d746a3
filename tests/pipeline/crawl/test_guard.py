from __future__ import annotations

import socket

import pytest

from pipeline.crawl.guard import REFUSED_ERRNO, guarded_socket, is_public


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
        *("224.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1", "168.63.129.16", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%2", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1"),
        *("2001:0:7f00:1::", "2002:101:101::1", "fec0::1", "64:ff9b:1::101:101"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


def test_no_socket_is_made_for_what_is_refused() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with pytest.raises(PermissionError) as refused:
        guarded_socket(info)
    assert refused.value.errno == REFUSED_ERRNO
    with pytest.raises(PermissionError):
        guarded_socket((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/tmp/x"))  # type: ignore[arg-type]
    guarded_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))).close()
