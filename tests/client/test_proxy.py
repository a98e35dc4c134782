"""The proxy that is named is the one that Flower's HTTP client takes, whatever the variables."""

import os
import ssl

import httpx
import pytest

from client.preflight import Trouble
from client.proxy import Proxy, proxy_for

HOST, PORT = "study.example.org", 9092
NOTHING_LOADED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HTTPS_PROXY": "http://p:3128"},
        {"https_proxy": "http://p:3128"},
        {"https_proxy": "p:3128"},
        {"ALL_PROXY": "http://p:3128"},
        {"HTTP_PROXY": "http://p:3128"},
        {"HTTPS_PROXY": "http://q:1", "https_proxy": "http://p:3128"},
        {"HTTPS_PROXY": "http://q:1", "https_proxy": ""},
        {"HTTPS_PROXY": "http://p:3128", "ALL_PROXY": "http://q:1"},
        *(
            {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": none}
            for none in (
                "*",
                "example.org",
                ".example.org",
                "study.example.org",
                ".study.example.org",
                "ample.org",
                "other.org, example.org",
                "STUDY.EXAMPLE.ORG",
                "localhost",
                "10.0.0.0/8",
                "study.example.org:9092",
                "study.example.org:443",
                "",
            )
        ),
        {"HTTPS_PROXY": "http://p:3128", "no_proxy": "other.org", "NO_PROXY": "*"},
    ],
)
@pytest.mark.parametrize("host", [HOST, "example.org", "localhost", "10.0.0.0", "10.1.2.3"])
def test_the_same_proxy_as_flower_s_client(
    environment: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with httpx.Client(verify=NOTHING_LOADED) as client:
        way = client._transport_for_url(httpx.URL(f"https://{host}:{PORT}/"))
        through_proxy = way is not client._transport
    found = proxy_for(host, PORT, environment)
    assert (found is not None) == through_proxy
    if found is not None:
        assert found == Proxy("p", 3128)


def test_a_password_is_taken_and_not_shown() -> None:
    proxy = proxy_for(HOST, PORT, {"HTTPS_PROXY": "http://us%40er:s3cret@p:3128"})
    assert proxy is not None
    assert proxy.credentials == "Basic dXNAZXI6czNjcmV0"
    assert "s3cret" not in repr(proxy)
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize(
    "address",
    ["https://p:3128", "socks5://p:1080", "http://", "http://p:port", "http://[::1", "x://"],
)
def test_an_address_that_cannot_be_used_is_told(address: str) -> None:
    with pytest.raises(Trouble) as trouble:
        proxy_for(HOST, PORT, {"HTTPS_PROXY": address})
    assert trouble.value.code == "proxy-setting"


def test_a_bad_address_with_a_password_keeps_it() -> None:
    with pytest.raises(Trouble) as trouble:
        proxy_for(HOST, PORT, {"HTTPS_PROXY": "socks5://user:s3cret@p:1080"})
    assert "s3cret" not in trouble.value.found
