"""`insula study dashboard`: where it listens, whom it lets in, how it ends."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import insula
from server.dashboard_cli import address
from study.failure import ExitCode
from study.web_door import listening
from tests.server.study_folder import study_folder, twelve_rounds


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "insula", "study", "dashboard", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline())
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study_folder(tmp_path / "run", twelve_rounds(), 2)


def test_addresses_as_a_browser_takes_them() -> None:
    assert address("127.0.0.1", 80, None) == "http://127.0.0.1:80/"
    assert address("::1", 80, "abc") == "http://[::1]:80/?token=abc"


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    with listening("127.0.0.1", 0, "test") as taken:
        port = taken.getsockname()[1]
        words = ["study", "dashboard", str(folder), "--port", str(port)]
        assert insula.main(words) == ExitCode.USAGE


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    words = ["study", "dashboard", str(tmp_path / "nowhere")]
    assert insula.main(words) == ExitCode.MISSING_INPUT


@pytest.mark.slow
def test_it_serves_this_machine_and_ends_when_interrupted(folder: Path) -> None:
    with running(str(folder), "--port", "0", "--json") as process:
        said = told(process)
        assert said["url"].startswith("http://127.0.0.1:") and said["token"] is None
        with urllib.request.urlopen(said["url"]) as answer:
            assert b"four-waters" in answer.read()
            assert "server" not in answer.headers
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == insula.INTERRUPTED


@pytest.mark.slow
def test_raw_paths_over_a_real_socket_stay_in_the_run(folder: Path) -> None:
    """What a client library would tidy away is sent as it is."""
    (folder.parent / "secret").write_text("a patient's name")
    with running(str(folder), "--port", "0", "--json") as process:
        port = int(told(process)["url"].rsplit(":", 1)[1].strip("/"))
        for path in ("/../secret", "/clinics/../../secret", "/%2e%2e/secret", "\\..\\secret", "*"):
            with socket.create_connection(("127.0.0.1", port)) as call:
                request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                call.sendall(request.encode())
                answer = b"".join(iter(lambda call=call: call.recv(65536), b""))  # type: ignore[misc]
            assert answer.split()[1] in (b"400", b"404"), path
            assert b"patient's name" not in answer


@pytest.mark.slow
def test_bound_elsewhere_it_asks_for_a_token(folder: Path) -> None:
    with running(str(folder), "--port", "0", "--host", "0.0.0.0", "--json") as process:
        said = told(process)
        assert len(said["token"]) >= 32 and said["url"].endswith(f"?token={said['token']}")
        here = said["url"].replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(here.partition("?")[0])
        refused.value.close()
        cookies = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with cookies.open(here) as answer:
            assert b"four-waters" in answer.read() and "token" not in answer.url
