"""Which URLs a webhook may have, and which addresses are public."""

from ipaddress import ip_address

import pytest

from core.webhook_targets import is_public, may_reach, parse_networks, parse_target

NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",  # carriers' NAT
    "100.100.100.200",  # metadata of a cloud
    "169.254.169.254",  # metadata of most clouds
    "168.63.129.16",  # of a cloud, public in its form only
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # IPv4-compatible
    "::ffff:127.0.0.1",  # IPv4-mapped
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",  # 6to4
    "2001::1",  # Teredo
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of a cloud
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"])
def test_addresses_that_are(text: str) -> None:
    assert is_public(ip_address(text))


def test_networks_that_are_allowed_are_meant_as_they_are_written() -> None:
    private = parse_networks("10.20.0.0/16, fd00:1::/64")
    assert may_reach(ip_address("10.20.3.4"), private)
    assert may_reach(ip_address("fd00:1::5"), private)
    for text in ("10.21.0.1", "127.0.0.1", "::ffff:10.20.3.4", "fd00:2::1"):
        assert not may_reach(ip_address(text), private)
    assert parse_networks(None) == ()
    with pytest.raises(ValueError, match="host bits"):
        parse_networks("10.20.0.1/16")


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("HTTPS://Example.COM:8443/A?b=C", "example.com", 8443, "/A?b=C"),
        ("https://example.com?b=/c", "example.com", 443, "/?b=/c"),
        ("https://example.com./x", "example.com", 443, "/x"),
        ("https://1.1.1.1/", "1.1.1.1", 443, "/"),
        ("https://[2606:4700:0:0::1111]:444/", "2606:4700::1111", 444, "/"),
        ("http://intranet/hook", "intranet", 80, "/hook"),
        ("https://xn--bcher-kva.example/b%C3%BCcher", "xn--bcher-kva.example", 443, "/b%C3%BCcher"),
    ],
)
def test_urls_are_read_in_one_way(url: str, host: str, port: int, path: str) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com:25/_HELO",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com#@127.0.0.1/",
        "https://example.com/#fragment",
        "https://example.com /",
        "https://example.com/a b",
        "https://example.com/\r\nHost: inside",
        "https://exam\nple.com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:/",
        "https://example.com:80:80/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.01/",
        "https://1.1.1/",
        "https://[::1/",
        "https://[::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::ffff:1.1.1.1.1]/",
        "https://bücher.example/",
        "https://①②⑦.⓪.⓪.①/",
        "https://example。com/",
        "https://exa%6dple.com/",
        "https://-example.com/",
        "https://example..com/",
        f"https://{'a' * 64}.example/",
        f"https://example.com/{'a' * 2048}",
    ],
)
def test_what_can_be_read_in_two_ways_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_target(url)


def test_the_address_is_pinned_and_the_name_is_told() -> None:
    target = parse_target("https://hooks.example.com:8443/in?x=1")
    assert target.at(ip_address("1.1.1.1")) == "https://1.1.1.1:8443/in?x=1"
    assert target.at(ip_address("2606:4700::1111")) == "https://[2606:4700::1111]:8443/in?x=1"
    assert target.host_header == "hooks.example.com:8443"
    assert parse_target("https://[2606:4700::1111]/").host_header == "[2606:4700::1111]"
