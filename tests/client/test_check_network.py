"""The line to the server, looked at for real: each fault of name, clock and key under its code."""

import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from flwr.proto.fleet_pb2 import ActivateNodeResponse

from client.check_network import LARGEST_OFFSET_S, Surroundings, network_items
from client.preflight import Finding, Outcome, look_at
from client.site_folder import CA, NODE_KEY, NODE_NUMBER, SETTINGS, parse_settings
from client.site_init import make_site
from tests.client.certificates import Authority
from tests.client.tls_server import Script, https, proxy

CA_OF_STUDY = Authority()
REGISTERED = {
    "/v1/fleet/activate-node": (200, ActivateNodeResponse(node_id=42).SerializeToString())
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(CA_OF_STUDY.pem)
    settings = parse_settings({"clinic": "harbour", "server": "localhost:1"}, "the test")
    make_site(tmp_path / "site", settings, tmp_path / "ca.pem")
    return tmp_path / "site"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return CA_OF_STUDY.serve(tmp_path)


def looked(
    site: Path,
    port: int = 1,
    host: str = "localhost",
    environment: Mapping[str, str] | None = None,
    clock: Callable[[], float] | None = None,
) -> dict[str, Finding]:
    more = {} if clock is None else {"clock": clock}
    around = Surroundings(site, environment or {}, server=f"{host}:{port}", **more)
    return {one.item: one for one in look_at(network_items(around), lambda name: None)}


def codes(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: one.code for name, one in findings.items() if one.outcome is not Outcome.OK}


def test_a_line_that_is_in_order_is_ok_throughout(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    script = Script(replies=dict(REGISTERED))
    with https(certificate, script) as port:
        found = looked(site, port)
    assert codes(found) == {}
    assert found["node key"].words == "registered, node 42"
    assert found["certificate"].words.startswith("TLSv1.3, by the pinned CA, valid until ")
    assert script.asked == ["/health", "/v1/fleet/activate-node", "/v1/fleet/deactivate-node"]
    assert (site / NODE_NUMBER).read_text() == "42\n"


def test_the_second_time_nothing_is_activated(site: Path, certificate: tuple[Path, Path]) -> None:
    (site / NODE_NUMBER).write_text("42\n")
    script = Script(replies={**REGISTERED, "/v1/fleet/get-run": (403, b"")})
    with https(certificate, script) as port:
        assert codes(looked(site, port)) == {}
    assert script.asked == ["/health", "/v1/fleet/get-run"]


@pytest.mark.parametrize("content", ["", "x", "-1", "0", "18446744073709551616", "1.5"])
def test_a_number_that_is_none_is_asked_anew(
    content: str, site: Path, certificate: tuple[Path, Path]
) -> None:
    (site / NODE_NUMBER).write_text(content)
    script = Script(replies=dict(REGISTERED))
    with https(certificate, script) as port:
        assert codes(looked(site, port)) == {}
    assert "/v1/fleet/get-run" not in script.asked


def test_a_folder_that_cannot_be_written_does_not_hide_a_registration(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    (site / NODE_NUMBER).mkdir()
    with https(certificate, Script(replies=dict(REGISTERED))) as port:
        assert codes(looked(site, port)) == {}


@pytest.mark.parametrize("off_s", [-400.0, -7.5, 7.5, 3600.0])
def test_a_clock_that_is_off_is_told_with_by_how_much(
    off_s: float, site: Path, certificate: tuple[Path, Path]
) -> None:
    with https(certificate, Script(off_s, dict(REGISTERED))) as port:
        found = looked(site, port)["clock"]
    assert found.code == "clock-off"
    direction = "behind" if off_s > 0 else "ahead of"
    said = float(found.words.removeprefix("this machine ").split(" s ")[0])
    assert said == pytest.approx(abs(off_s), abs=1.3)
    assert direction in found.words


@pytest.mark.parametrize("off_s", [-3.5, 0.0, 3.5])
def test_a_clock_within_five_seconds_is_ok(
    off_s: float, site: Path, certificate: tuple[Path, Path]
) -> None:
    assert abs(off_s) < LARGEST_OFFSET_S
    with https(certificate, Script(off_s, dict(REGISTERED))) as port:
        assert looked(site, port)["clock"].outcome is Outcome.OK


def test_a_server_that_tells_no_time_is_not_taken_for_a_right_clock(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    with https(certificate, Script(None, dict(REGISTERED))) as port:
        found = looked(site, port)["clock"]
    assert (found.code, found.outcome) == ("clock-unmeasured", Outcome.UNMEASURED)


@pytest.mark.parametrize(
    "date", ["now", "Thu, 99 Jan 1970 00:00:00 GMT", "", "Fri, 31 Dec 9999 23:59:59 -2300"]
)
def test_a_time_that_is_none_is_unmeasured(
    date: str, site: Path, certificate: tuple[Path, Path]
) -> None:
    raw = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode()
    with https(certificate, Script(raw=raw)) as port:
        found = looked(site, port)
    assert found["clock"].code == "clock-unmeasured"
    assert found["node key"].code == "node-key-unmeasured"


def test_an_answer_that_takes_too_long_says_nothing_of_the_clock(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    """Ten seconds on the way: the clocks may be five apart either way."""
    began: list[float] = []

    def clock() -> float:
        began.append(time.time())
        return time.time() - (10.0 if len(began) == 1 else 0.0)

    with https(certificate, Script(-4.0, dict(REGISTERED))) as port:
        found = looked(site, port, clock=clock)["clock"]
    assert (found.code, found.outcome) == ("clock-unmeasured", Outcome.UNMEASURED)
    assert "give or take 5." in found.words


def test_a_server_that_speaks_no_http_leaves_clock_and_key_unmeasured(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    with https(certificate, Script(raw=b"220 mail\r\n\r\n")) as port:
        found = looked(site, port)
    assert codes(found) == {"clock": "clock-unmeasured", "node key": "node-key-unmeasured"}
    assert {found[name].outcome for name in codes(found)} == {Outcome.UNMEASURED}


@pytest.mark.parametrize(
    ("status", "code"),
    [(412, "node-key-not-registered"), (401, "node-key-refused"), (404, "node-key-unmeasured")],
)
def test_a_key_that_the_server_does_not_take_is_told(
    status: int, code: str, site: Path, certificate: tuple[Path, Path]
) -> None:
    script = Script(replies={"/v1/fleet/activate-node": (status, b"")})
    with https(certificate, script) as port:
        assert codes(looked(site, port)) == {"node key": code}
    assert not (site / NODE_NUMBER).exists()


@pytest.mark.parametrize("spoil", ["remove", "loosen", "cut"])
def test_a_key_that_cannot_be_used_is_told(
    spoil: str, site: Path, certificate: tuple[Path, Path]
) -> None:
    path = site / NODE_KEY
    if spoil == "remove":
        path.unlink()
    elif spoil == "loosen":
        path.chmod(0o644)
    else:
        path.write_bytes(path.read_bytes()[:100])
    script = Script()
    with https(certificate, script) as port:
        assert codes(looked(site, port)) == {"node key": "node-key-unreadable"}
    assert script.asked == ["/health"]


def test_a_name_that_does_not_exist_is_told(site: Path) -> None:
    assert codes(looked(site, host="no-such-host.invalid"))["name"] in (
        "dns-unknown",
        "dns-no-answer",
    )


@pytest.mark.parametrize(
    ("number", "code"), [(socket.EAI_AGAIN, "dns-no-answer"), (socket.EAI_NONAME, "dns-unknown")]
)
def test_no_such_name_and_no_name_server_are_told_apart(
    number: int, code: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*arguments: object, **options: object) -> None:
        raise socket.gaierror(number, "as the resolver says")

    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    found = looked(site)
    assert found["name"].code == code
    assert found["port"].outcome is Outcome.NOT_TESTED


@pytest.mark.parametrize("host", ["a" * 64, "a..b"])
def test_a_name_that_no_resolver_takes_is_told(host: str, site: Path) -> None:
    assert looked(site, host=host)["name"].code == "dns-unknown"


def test_behind_a_proxy_the_name_is_the_proxy_s_to_find(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    seen: list[str] = []
    with https(certificate, Script(replies=dict(REGISTERED))) as port, proxy(seen=seen) as tunnel:
        found = looked(site, port, environment={"HTTPS_PROXY": f"http://127.0.0.1:{tunnel}"})
    assert codes(found) == {}
    assert found["proxy"].words == f"127.0.0.1:{tunnel}"
    assert found["name"].words == "left to the proxy"
    assert {line for line in seen if line.startswith("CONNECT")} == {
        f"CONNECT localhost:{port} HTTP/1.1"
    }


def test_a_proxy_that_forbids_is_told_and_the_rest_not_tested(site: Path) -> None:
    with proxy(403) as tunnel:
        found = looked(site, environment={"https_proxy": f"127.0.0.1:{tunnel}"})
    assert found["port"].code == "proxy-refused"
    assert found["certificate"].outcome is Outcome.NOT_TESTED


def test_a_bad_proxy_is_told_before_anybody_is_called(site: Path) -> None:
    found = looked(site, environment={"HTTPS_PROXY": "socks5://user:s3cret@127.0.0.1:1"})
    assert found["proxy"].code == "proxy-setting"
    assert "s3cret" not in str(found)
    assert {found[name].outcome for name in ("name", "port", "clock")} == {Outcome.NOT_TESTED}


def test_a_pinned_ca_that_is_gone_is_told(site: Path, certificate: tuple[Path, Path]) -> None:
    (site / CA).unlink()
    with https(certificate) as port:
        assert looked(site, port)["certificate"].code == "ca-unreadable"


def test_a_port_where_nobody_listens_is_told(site: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert looked(site, int(probe.getsockname()[1]))["port"].code == "port-closed"


def test_settings_that_are_gone_leave_the_rest_untested(site: Path) -> None:
    (site / SETTINGS).unlink()
    found = looked(site)
    assert found["settings"].code == "site-settings"
    assert {one.outcome for name, one in found.items() if name != "settings"} == {
        Outcome.NOT_TESTED
    }


@pytest.mark.parametrize("server", ["localhost", "https://localhost:1", "localhost:0"])
def test_another_server_that_is_none_is_told(server: str, site: Path) -> None:
    around = Surroundings(site, {}, server=server)
    first = look_at(network_items(around), lambda name: None)[0]
    assert first.code == "site-settings"
    assert "--server" in first.words


def test_the_relay_s_part_of_the_folder_is_enough(
    site: Path, certificate: tuple[Path, Path]
) -> None:
    for path in sorted(site.iterdir()):
        if path.name != "node" and path.is_file():
            path.unlink()
    with https(certificate, Script(replies=dict(REGISTERED))) as port:
        assert codes(looked(site, port)) == {}
