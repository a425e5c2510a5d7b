"""Which hosts may be reached, and how each of them is spelled."""

import httpx
import pytest

from common.errors import Invalid
from knowledge.app import build
from knowledge.settings import KnowledgeSettings
from knowledge.web.address import canonical_url
from knowledge.web.fetching import Access, Fetcher
from knowledge.web.public_addresses import is_public
from tests.support.plain_http import NO_TLS


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "203.0.113.1",
        "224.0.0.1",
        "233.252.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::ffff:100.64.0.1",
        "::ffff:192.88.99.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::c058:6301",
        "64:ff9b:1::a00:1",
        "64:ff9b:1::808:808",
        "64:ff9b:1:808:8:800::",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fe80::1%25eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "100::1",
        "localhost",
        "",
    ],
)
def test_addresses_that_are_not_the_public_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["140.82.121.4", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("http://docs.example", "http://docs.example"),
        ("HTTPS://Docs.Example.:443/A?b=C#d", "https://docs.example/A?b=C#d"),
        ("http://docs.example:443/", "http://docs.example:443/"),
        ("http://Bücher.example/ü", "http://xn--bcher-kva.example/ü"),
        ("http://BU\u0308CHER。example./", "http://xn--bcher-kva.example/"),
        ("http://faß.example/", "http://xn--fa-hia.example/"),
        ("http://xn--fa-hia.example/", "http://xn--fa-hia.example/"),
        ("http://under_score.internal:81/", "http://under_score.internal:81/"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:1.2.3.4]:80/", "http://[::ffff:102:304]/"),
    ],
)
def test_a_host_has_one_spelling(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical == canonical_url(canonical)


@pytest.mark.parametrize(
    "host",
    [
        "..",
        "a..b",
        "docs.example..",
        "ex%61mple.com",
        "a b",
        "a\\b",
        "a,b",
        "1.2.3",
        "0x7f.1",
        "docs.0x7f000001",
        "[fe80::1%25eth0]",
        "☃.example",
        "x" * 64,
        f"{'x.' * 127}ab",
        "host:0",
        "host:99999",
        "host:x",
    ],
)
def test_what_two_libraries_may_read_in_two_ways_is_no_host(host: str) -> None:
    with pytest.raises(Invalid):
        canonical_url(f"http://{host}/")


def test_hosts_of_settings_are_found_however_they_are_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_ALLOWED_HOSTS", "Bücher.example., git.example:8080, ::1, [0::2]:81")
    settings = KnowledgeSettings(auth_mode="dev")
    expected = ["xn--bcher-kva.example", "git.example:8080", "::1", "[::2]:81"]
    assert settings.source_allowed() == expected
    fetcher = Fetcher(httpx.AsyncClient(verify=NO_TLS), Access(frozenset(expected)))
    for url in ("https://bücher.example", "http://git.example.:8080", "http://[::1]:9", "http://[::2]:81"):
        assert fetcher.trusts(url), url
    for url in ("http://git.example", "http://[::2]", "http://docs.bücher.example"):
        assert not fetcher.trusts(url), url
    for bad in ("a b", "https://host", "host:port", "me@host", "host/path"):
        monkeypatch.setenv("SOURCE_ALLOWED_HOSTS", bad)
        with pytest.raises(ValueError, match="SOURCE_ALLOWED_HOSTS"):
            build(KnowledgeSettings(auth_mode="dev"))
