"""The containers' health check reads the kernel's tables aright, and says what is wrong."""

import importlib.util
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

SELF = Path("/proc/self")


@pytest.fixture(scope="module")
def health(repository: Path) -> ModuleType:
    """docker/health.py, which lies in an image by itself and belongs to no package."""
    specification = importlib.util.spec_from_file_location("h", repository / "docker" / "health.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Path]:
    """A Unix socket that listens."""
    with closing(socket.socket(socket.AF_UNIX)) as agent:
        agent.bind(str(tmp_path / "agent.sock"))
        agent.listen()
        yield tmp_path / "agent.sock"


def test_an_agent_that_listens_is_well_and_was_not_called(health: ModuleType, door: Path) -> None:
    assert health.trouble("agent", str(door), SELF) == ""


def test_a_socket_left_behind_is_no_agent(health: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with closing(socket.socket(socket.AF_UNIX)) as agent:
        agent.bind(str(path))
        assert health.trouble("agent", str(path), SELF) == f"nobody listens at {path}"
    assert path.is_socket()
    assert health.trouble("agent", str(path), SELF) == f"nobody listens at {path}"


def test_a_server_is_well_once_its_port_listens(health: ModuleType) -> None:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
        assert health.trouble("server", port, SELF) == f"nobody listens on port {port}"
        server.listen()
        assert health.trouble("server", port, SELF) == ""


def tables(proc: Path, *rows: str) -> Path:
    """A /proc with these rows in its table of TCP sockets."""
    (proc / "net").mkdir()
    (proc / "net" / "tcp").write_text("\n".join(["  sl  local_address ...", *rows]))
    return proc


OUT = "   0: 0200000A:9C40 0100000A:2384 01 00000000:00000000"
WITHIN = "   1: 0100007F:2386 0100007F:9C41 01 00000000:00000000"


@pytest.mark.skipif(sys.byteorder != "little", reason="the rows are a little-endian machine's")
def test_a_relay_is_well_if_it_has_a_door_and_a_way_out(
    health: ModuleType, door: Path, tmp_path: Path
) -> None:
    assert health.trouble("relay", str(door), tables(tmp_path, WITHIN, OUT)) == ""
    absent = str(tmp_path / "none.sock")
    assert health.trouble("relay", absent, tmp_path) == f"no agent's socket at {absent}"


def test_a_relay_that_speaks_to_itself_alone_is_unwell(
    health: ModuleType, door: Path, tmp_path: Path
) -> None:
    alone = tables(tmp_path, WITHIN)
    assert health.trouble("relay", str(door), alone) == "no connection to the server"


@pytest.mark.parametrize("words", [[], ["agent"], ["cook", "x"], ["agent", "a", "b"]])
def test_other_words_are_refused(
    health: ModuleType, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["health.py", *words])
    assert health.main() == 2


def test_the_verdict_is_an_exit_code(
    health: ModuleType,
    door: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["health.py", "agent", str(door)])
    assert health.main() == 0
    monkeypatch.setattr(sys, "argv", ["health.py", "agent", f"{door}2"])
    assert health.main() == 1
    assert capsys.readouterr().err == f"nobody listens at {door}2\n"
