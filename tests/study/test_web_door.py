"""The door that dashboard and studio share: which addresses and names are this machine's alone."""

import pytest

from study.failure import Failure
from study.web_door import address, is_loopback, listening, names_this_machine


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("centre.example", False),
    ],
)
def test_what_counts_as_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize(
    "host", ["localhost:1", "LOCALHOST", "127.0.0.1:8322", "[::1]:8", "[::1]", "127.0.0.2:1"]
)
def test_names_of_this_machine(host: str) -> None:
    assert names_this_machine(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:1", "127.0.0.1.evil.example", "localhost.:1", "::1"]
)
def test_names_that_another_machine_can_have(host: str) -> None:
    assert not names_this_machine(host)


def test_addresses_as_a_browser_takes_them() -> None:
    assert address("127.0.0.1", 80) == "http://127.0.0.1:80/"
    assert address("::1", 80) == "http://[::1]:80/"


def test_a_port_that_is_taken_is_named() -> None:
    with listening("127.0.0.1", 0, "test") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} at 127.0.0.1.*No page was started"):
            listening("127.0.0.1", port, "page")
