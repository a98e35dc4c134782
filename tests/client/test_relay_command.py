"""The relay is Flower's SuperNode with this clinic's key, the pinned CA, and nothing that dials."""

import os
from pathlib import Path

import pytest

from client.relay_command import Relay, become
from study.failure import ExitCode, Failure


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    (tmp_path / "node").mkdir()
    for name in ("node.key", "ca.pem"):
        (tmp_path / "node" / name).write_text(name)
    return Relay(tmp_path, tmp_path / "run" / "agent.sock", "study.example.org:9092", 9100)


def test_the_command_names_server_ca_key_and_agent(relay: Relay) -> None:
    program, *words = relay.command()
    assert Path(program).name == "flower-supernode" and Path(program).is_file()
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options == {
        "--superlink": "study.example.org:9092",
        "--root-certificates": str(relay.site / "node" / "ca.pem"),
        "--auth-supernode-private-key": str(relay.site / "node" / "node.key"),
        "--node-config": f'agent="{relay.site}/run/agent.sock"',
        "--host": "127.0.0.1",
        "--port": "9100",
    }


def test_it_is_quiet_and_installs_nothing_at_run_time(relay: Relay) -> None:
    variables = relay.environment({"PATH": "/bin", "FLWR_TELEMETRY_ENABLED": "1"})
    assert variables["FLWR_TELEMETRY_ENABLED"] == "0"
    assert variables["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert "--allow-runtime-dependency-installation" not in relay.command()
    assert "--insecure" not in relay.command()


def test_flower_s_home_is_the_site_s_own_unless_one_is_given(relay: Relay) -> None:
    assert relay.environment({})["FLWR_HOME"] == str(relay.site / "run" / "flower")
    assert relay.environment({"FLWR_HOME": "/h"})["FLWR_HOME"] == "/h"


@pytest.mark.parametrize("name", ["node.key", "ca.pem"])
def test_without_key_or_ca_nothing_is_started(name: str, relay: Relay) -> None:
    (relay.site / "node" / name).unlink()
    with pytest.raises(Failure, match=name) as failure:
        become(relay)
    assert failure.value.code is ExitCode.MISSING_INPUT


def test_the_process_becomes_flower_s(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str], str]] = []

    def instead(program: str, words: list[str], variables: dict[str, str]) -> None:
        seen.append((program, words, variables["FLWR_HOME"]))

    monkeypatch.setattr(os, "execve", instead)
    monkeypatch.delenv("FLWR_HOME", raising=False)
    become(relay)
    home = relay.site / "run" / "flower"
    assert seen == [(relay.command()[0], relay.command(), str(home))]
    assert home.stat().st_mode & 0o077 == 0 and os.access(home, os.W_OK)
