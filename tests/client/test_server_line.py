"""Each way in which the line to a server can fail, made for real on the loopback interface."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from client import server_line
from client.preflight import Trouble
from client.proxy import Proxy
from client.server_line import NoAnswer, Server, ask, connect, secure
from tests.client.certificates import Authority
from tests.client.tls_server import Script, https, listening, proxy

CA_OF_STUDY = Authority()


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(CA_OF_STUDY.pem)
    return path


def trouble_with(server: Server) -> Trouble:
    with pytest.raises(Trouble) as trouble, connect(server) as line, secure(line, server):
        pass
    return trouble.value


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_of_the_pinned_ca_is_asked(host: str, ca: Path, tmp_path: Path) -> None:
    script = Script(replies={"/x": lambda body: (203, body[::-1])})
    with https(CA_OF_STUDY.serve(tmp_path), script) as port:
        answer = ask(Server(host, port, ca), "/x", b"abc", {"A": "b"})
        assert (answer.status, answer.body) == (203, b"cba")
        assert "date" in answer.headers
        assert ask(Server(host, port, ca), "/y").status == 200
    assert script.asked == ["/x", "/y"]


def test_another_ca_is_told_with_who_issued_what_was_shown(ca: Path, tmp_path: Path) -> None:
    other = Authority("Hospital inspection")
    with https(other.serve(tmp_path)) as port:
        trouble = trouble_with(Server("localhost", port, ca))
    assert trouble.code == "tls-wrong-ca"
    assert "issued by CN=Hospital inspection" in trouble.found


def test_a_certificate_that_signed_itself_is_of_another_ca(ca: Path, tmp_path: Path) -> None:
    """A server of the same CA name, whose key is not the pinned one's."""
    with https(Authority().serve(tmp_path)) as port:
        trouble = trouble_with(Server("localhost", port, ca))
    assert trouble.code in ("tls-wrong-ca", "tls-certificate")


@pytest.mark.parametrize(
    ("names", "age", "code"),
    [
        (("localhost",), 1, "tls-expired"),
        (("localhost",), -1, "tls-not-yet-valid"),
        (("study.example.org",), 0, "tls-wrong-name"),
        (("127.0.0.1",), 0, "tls-wrong-name"),
        ((), 0, "tls-wrong-name"),
    ],
)
def test_a_certificate_that_does_not_hold_is_told_by_its_fault(
    names: tuple[str, ...], age: int, code: str, ca: Path, tmp_path: Path
) -> None:
    with https(CA_OF_STUDY.serve(tmp_path, names, age)) as port:
        trouble = trouble_with(Server("localhost", port, ca))
    assert trouble.code == code
    assert f"shown was one for {', '.join(names) or 'no name'}" in trouble.found


def test_an_address_is_no_name_of_the_certificate(ca: Path, tmp_path: Path) -> None:
    with https(CA_OF_STUDY.serve(tmp_path, ("localhost",))) as port:
        assert trouble_with(Server("127.0.0.1", port, ca)).code == "tls-wrong-name"


def test_a_closed_port_is_told(ca: Path) -> None:
    assert trouble_with(Server("127.0.0.1", closed_port(), ca)).code == "port-closed"


def test_a_port_that_does_not_answer_is_told(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog: the kernel drops what would be one call more, as a firewall does."""
    monkeypatch.setattr(server_line, "PATIENCE_S", 0.3)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        place = deaf.getsockname()
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(place)
        time.sleep(0.05)
        assert trouble_with(Server("127.0.0.1", place[1], ca)).code == "port-no-answer"
        for caller in callers:
            caller.close()


ALONE = """
import sys
from pathlib import Path
from client.preflight import Trouble
from client.server_line import Server, connect
try:
    connect(Server("192.0.2.1", 9092, Path("ca.pem")))
except Trouble as trouble:
    print(trouble.code)
"""


@pytest.mark.slow
def test_a_machine_without_a_route_is_told() -> None:
    """In a network namespace of its own, where there is nothing but a loopback that is down."""
    words = ["unshare", "--net", "--map-root-user", sys.executable, "-c", ALONE]
    root = Path(__file__).parents[2]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=root, check=False)
    if "unshare" in ran.stderr:
        pytest.skip("needs a network namespace of its own, which this machine refuses")
    assert ran.stdout.strip() == "port-unreachable"


def says(reply: bytes) -> Callable[[socket.socket], None]:
    def serve(line: socket.socket) -> None:
        line.recv(10)
        line.sendall(reply)

    return serve


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 no\r\n\r\n", b"", b"\x16\x03\x01\x00\x05hello"])
def test_a_server_without_tls_is_told(reply: bytes, ca: Path) -> None:
    with listening(says(reply)) as port:
        assert trouble_with(Server("127.0.0.1", port, ca)).code == "tls-none"


def test_a_server_that_is_silent_is_told(ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_line, "PATIENCE_S", 0.2)
    with listening(lambda line: time.sleep(0.5)) as port:
        assert trouble_with(Server("127.0.0.1", port, ca)).code == "tls-none"


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n"]
)
def test_a_ca_that_cannot_be_read_is_told(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "pinned.pem"
    if content is not None:
        path.write_bytes(content)
    with https(CA_OF_STUDY.serve(tmp_path)) as port:
        assert trouble_with(Server("localhost", port, path)).code == "ca-unreadable"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_no_answer(raw: bytes, ca: Path, tmp_path: Path) -> None:
    with https(CA_OF_STUDY.serve(tmp_path), Script(raw=raw)) as port, pytest.raises(NoAnswer):
        ask(Server("localhost", port, ca), "/health")


def test_a_long_answer_is_cut(ca: Path, tmp_path: Path) -> None:
    script = Script(replies={"/long": (200, b"x" * 200_000)})
    with https(CA_OF_STUDY.serve(tmp_path), script) as port:
        assert len(ask(Server("localhost", port, ca), "/long").body) == server_line.LONGEST_ANSWER


def test_the_line_goes_through_a_proxy_with_its_password(ca: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    with https(CA_OF_STUDY.serve(tmp_path)) as port, proxy(seen=seen) as tunnel:
        way = Proxy("127.0.0.1", tunnel, "Basic abc")
        assert ask(Server("localhost", port, ca, way), "/health").status == 200
    assert seen == [
        f"CONNECT localhost:{port} HTTP/1.1",
        f"Host: localhost:{port}",
        "Proxy-Authorization: Basic abc",
    ]


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_told_with_its_answer(status: int, ca: Path) -> None:
    with proxy(status) as tunnel:
        trouble = trouble_with(Server("localhost", 1, ca, Proxy("127.0.0.1", tunnel)))
    assert trouble.code == "proxy-refused"
    assert str(status) in trouble.found


def test_a_proxy_that_is_none_is_told(ca: Path) -> None:
    with listening(says(b"SSH-2.0-x\r\n")) as tunnel:
        trouble = trouble_with(Server("localhost", 1, ca, Proxy("127.0.0.1", tunnel)))
    assert trouble.code == "proxy-refused"


def test_a_proxy_that_is_not_there_is_told(ca: Path) -> None:
    trouble = trouble_with(Server("localhost", 1, ca, Proxy("127.0.0.1", closed_port())))
    assert trouble.code == "proxy-unreachable"
