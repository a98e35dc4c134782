"""`insula site relay` says what it would run; `insula site serve` is run in test_site_serve."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import insula
from study.failure import ExitCode


def test_the_relay_s_command_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "node").mkdir()
    for name in ("node.key", "ca.pem"):
        (tmp_path / "node" / name).write_text(name)
    words = ["site", "relay", str(tmp_path), "--superlink", "study.example.org:9092", "--json"]
    assert insula.main(words) == ExitCode.SUCCESS
    command = json.loads(capsys.readouterr().out)["command"]
    assert command[command.index("--superlink") + 1] == "study.example.org:9092"
    assert f'agent="{tmp_path}/run/agent.sock"' in command


def test_server_and_socket_are_those_of_the_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "node").mkdir()
    for name in ("node.key", "ca.pem"):
        (tmp_path / "node" / name).write_text(name)
    settings = "clinic: east\nserver: study.example.org:9092\nsocket: run/other.sock\n"
    (tmp_path / "node" / "site.yaml").write_text(settings)
    assert insula.main(["site", "relay", str(tmp_path), "--json"]) == ExitCode.SUCCESS
    command = json.loads(capsys.readouterr().out)["command"]
    assert command[command.index("--superlink") + 1] == "study.example.org:9092"
    assert f'agent="{tmp_path}/run/other.sock"' in command


@pytest.mark.parametrize("server", ["study.example.org", "https://study.example.org", "a:b"])
def test_a_server_without_a_port_is_misuse(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert insula.main(["site", "relay", str(tmp_path), "--superlink", server]) == ExitCode.USAGE
    assert "HOST:PORT" in capsys.readouterr().err


def test_the_relay_s_command_loads_neither_torch_nor_pandas(repository: Path) -> None:
    """Its image has neither."""
    asked = (
        "import sys, insula; insula.main(['site', 'relay', 'x', '--superlink', 'h:1', '--json']);"
        "print(sorted({'torch', 'pandas', 'flwr'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"
