"""The SuperLink listens to this machine alone, is quiet, and ends with what began it."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server import superlink as module
from server.superlink import Identity, command, environment, free_ports, superlink
from study.failure import ExitCode, Failure

LISTENS = """#!{python}
import json, os, signal, socket, subprocess, sys, time
from pathlib import Path
here = Path({folder!r})
words = sys.argv
child = subprocess.Popen(["sleep", "60"])
(here / "pids").write_text(f"{{os.getpid()}} {{child.pid}}")
listening = socket.create_server(("127.0.0.1", int(words[words.index("--port") + 1])))
if (here / "stubborn").exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(0.05)
"""


def plant(folder: Path, name: str, text: str) -> None:
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(text.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o700)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `flower-superlink` listens and does nothing more."""
    plant(tmp_path, "flower-superlink", LISTENS)
    monkeypatch.setattr(module, "program", lambda name: str(tmp_path / "bin" / name))
    monkeypatch.setattr(module, "STOP_S", 0.5)
    return tmp_path


def gone(pid: int) -> bool:
    """Whether a process ended within ten seconds."""
    for _attempt in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def pids(folder: Path) -> list[int]:
    return [int(one) for one in (folder / "pids").read_text().split()]


def test_the_command_has_tls_node_keys_and_a_database_and_installs_nothing(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    own = Identity(inner / "ca.pem", inner / "server.pem", inner / "server.key")
    words = command(tmp_path, 9000, own)
    assert words[1:5] == ["--host", "127.0.0.1", "--port", "9000"]
    assert {"--enable-supernode-auth", "--disable-runtime-dependency-installation"} <= set(words)
    assert "--insecure" not in words
    for option, name in (
        ("--ssl-certfile", "inner/server.pem"),
        ("--ssl-keyfile", "inner/server.key"),
        ("--ssl-ca-certfile", "inner/ca.pem"),
        ("--database", "superlink.db"),
    ):
        assert words[words.index(option) + 1] == str(tmp_path / name)


def test_flower_is_quiet_and_at_home_in_the_folder(tmp_path: Path) -> None:
    said = environment(tmp_path)
    assert said["FLWR_HOME"] == str(tmp_path / "flower")
    assert said["FLWR_TELEMETRY_ENABLED"] == "0"
    assert said["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert said["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"


@pytest.mark.parametrize("stubborn", [False, True])
def test_what_was_started_ends_with_the_block(stubborn: bool, folder: Path) -> None:
    if stubborn:
        (folder / "stubborn").touch()
    with superlink(folder) as link:
        leader, child = pids(folder)
        assert link.process.pid == leader
        assert stat.S_IMODE((folder / "inner" / "server.key").stat().st_mode) == 0o600
        assert f'"127.0.0.1:{link.port}"' in (folder / "flower" / "config.toml").read_text()
    assert gone(leader) and gone(child)


def test_it_ends_with_its_parent_even_if_that_one_is_killed(folder: Path, repository: Path) -> None:
    """SIGKILL leaves the parent no time to stop anything."""
    code = (
        "import time; from pathlib import Path; from server import superlink as m\n"
        f"m.program = lambda name: {str(folder / 'bin')!r} + '/' + name\n"
        f"with m.superlink(Path({str(folder)!r})):\n    print('in', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=repository, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"in\n"
        leader, child = pids(folder)
        parent.kill()
    assert gone(leader)
    os.kill(child, signal.SIGKILL)  # Flower's own children watch their parent; this one does not


def test_one_that_ends_at_once_is_said_with_its_last_words(folder: Path) -> None:
    plant(folder, "flower-superlink", "#!/bin/sh\necho the database is damaged\nexit 3\n")
    with pytest.raises(Failure, match="the database is damaged") as failure, superlink(folder):
        raise AssertionError("it started")
    assert failure.value.code is ExitCode.NO_SUPERLINK


def answering(folder: Path, text: str, code: int = 0) -> None:
    script = f"#!/bin/sh\necho \"$@\" >> {folder}/asked\ncat <<'T'\n{text}\nT\nexit {code}\n"
    program = folder / "bin" / "flwr"
    program.write_text(script)
    program.chmod(0o700)


def test_a_node_is_registered_by_its_key_and_gets_a_number(folder: Path) -> None:
    answering(folder, 'SuperNode 7 registered successfully.\n{"success": true, "node-id": 7}')
    with superlink(folder) as link:
        assert link.register("east", "ecdsa-sha2-nistp384 AAAA") == 7
    key = folder / "nodes" / "east.pub"
    assert key.read_text() == "ecdsa-sha2-nistp384 AAAA\n"
    assert f"supernode register {key} study --format json" in (folder / "asked").read_text()


def test_a_run_is_started_with_its_settings_as_toml(folder: Path) -> None:
    answering(folder, '{"success": true, "run-id": "12"}')
    with superlink(folder) as link:
        assert link.submit(Path("/app"), {"out": '/a "b"', "nodes": ""}) == "12"
    assert (
        'run /app study -c out="/a \\"b\\"" nodes="" --format json'
        in (folder / "asked").read_text()
    )


@pytest.mark.parametrize("text", ["no such thing", "{broken", '{"success": false}', "[]"])
def test_an_answer_of_another_form_is_a_failure(text: str, folder: Path) -> None:
    answering(folder, text, 4)
    with superlink(folder) as link:
        for call in (lambda: link.register("east", "key"), lambda: link.submit(Path("/a"), {})):
            with pytest.raises(Failure) as failure:
                call()
            assert failure.value.code is ExitCode.NO_SUPERLINK


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20 and all(1024 <= port <= 65535 for port in ports)


def test_one_that_was_given_a_certificate_makes_none(folder: Path) -> None:
    given = Identity(folder / "ca.pem", folder / "own.pem", folder / "own.key")
    with superlink(folder, given) as link:
        assert link.ca == given.ca and not (folder / "inner").exists()
        assert str(given.ca) in (folder / "flower" / "config.toml").read_text()
