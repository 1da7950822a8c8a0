"""What the one parser of Redis URLs makes of them."""

import pytest

from sync.online.address import Server, parse_address


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("redis://", [Server("localhost", 6379)]),
        ("redis://h:7000/2", [Server("h", 7000)]),
        ("rediss://[::1]/2", [Server("::1", 6379)]),
        ("unix:///run/re%20dis.sock?db=2", [Server("localhost", 6379, "/run/re dis.sock")]),
        ("redis+sentinel://a,b:7/p/2", [Server("a", 26379), Server("b", 7)]),
        ("redis+sentinel://[::1]:7,[fe80::2]/p/2", [Server("::1", 7), Server("fe80::2", 26379)]),
    ],
)
def test_where_the_servers_are(url: str, servers: list[Server]) -> None:
    assert list(parse_address(url).servers) == servers


def test_a_sentinels_url_says_all_that_others_do() -> None:
    address = parse_address("rediss+sentinel://u%40x:p%2Fw@a:1,b/main/3?ssl_check_hostname=false")
    assert (address.primary, address.database, address.secure) == ("main", 3, True)
    assert (address.username, address.password) == ("u@x", "p/w")
    assert address.options == {"ssl_check_hostname": "false"}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://h", "it begins with redis://"),
        ("redis://h:port", "its port or its database is no number"),
        ("redis://h/x", "its port or its database is no number"),
        ("redis+sentinel://a:x/p", "its port or its database is no number"),
        ("redis+sentinel://a", "a Sentinel's URL is"),
        ("redis+sentinel:///p", "a Sentinel's URL is"),
    ],
)
def test_what_is_no_address_is_told_without_the_url(url: str, told: str) -> None:
    secret = url.replace("://", "://:hidden@")
    with pytest.raises(ValueError, match=told) as raised:
        parse_address(secret)
    assert "hidden" not in str(raised.value)
