"""`insula twin studio`: where it listens, what it prints once, how it ends."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import insula
from client import studio_cli
from study.failure import ExitCode
from study.web_door import listening
from tests.client.studio_site import CANARY, studio_process, studio_site

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return studio_site(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "clinic.example"])
def test_it_refuses_to_be_reached_from_elsewhere(
    site: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["twin", "studio", "--site", str(site), "--host", host, "--port", "0"]
    assert insula.main(words) == ExitCode.USAGE
    said = capsys.readouterr()
    assert "No studio was started" in said.err and said.out == ""


def test_a_folder_without_patients_and_a_port_that_is_taken(site: Path, tmp_path: Path) -> None:
    nowhere = ["twin", "studio", "--site", str(tmp_path / "nowhere"), "--port", "0"]
    assert insula.main(nowhere) == ExitCode.MISSING_INPUT
    with listening("127.0.0.1", 0, "test") as taken:
        port = str(taken.getsockname()[1])
        assert insula.main(["twin", "studio", "--site", str(site), "--port", port]) == 2


def test_where_no_web_server_is_installed_it_says_so(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the agent's image, which has no network to serve."""
    monkeypatch.setattr(studio_cli, "find_spec", lambda name: None)
    assert insula.main(["twin", "studio", "--site", str(site)]) == ExitCode.USAGE
    assert "not in the container" in " ".join(capsys.readouterr().err.split())


def test_the_token_is_printed_once_and_the_studio_ends_when_interrupted(site: Path) -> None:
    command = [sys.executable, "-m", "insula", "twin", "studio", "--site", str(site), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        url, token = process.stdout.readline().strip(), process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:") and len(token) >= 32
        with urllib.request.urlopen(url + "login") as answer:
            assert b"Sign in" in answer.read() and "server" not in answer.headers
        process.send_signal(2)
        assert process.wait(20) == insula.INTERRUPTED
        rest = process.stdout.read() + process.stderr.read()
        assert token not in rest and "Ctrl-C stops it" in rest


def test_raw_requests_get_no_file_and_leave_no_name(site: Path) -> None:
    """What a client library would tidy away is sent as it is; so is half a request."""
    with studio_process(site) as (url, _, _):
        port = int(url.rsplit(":", 1)[1])
        for path in ("/../site.parquet", "/%2e%2e/site.parquet", "\\..\\site.parquet", "*"):
            with socket.create_connection(("127.0.0.1", port)) as call:
                call.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert call.recv(65536).split()[1] in (b"303", b"400", b"404"), path
        with socket.create_connection(("127.0.0.1", port)) as call:
            head = "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
            call.sendall(f"{head}Content-Length: 50\r\n\r\ntoken=".encode())
        with pytest.raises(urllib.error.HTTPError, match="421") as refused:
            urllib.request.urlopen(
                urllib.request.Request(url + "/login", headers={"Host": "evil.example"})
            )
        refused.value.close()
        with urllib.request.urlopen(url + "/login") as answer:
            assert answer.status == 200
        assert CANARY not in (site / "studio.txt").read_text()
