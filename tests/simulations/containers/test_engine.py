"""An engine is asked in the words of its command line; what it refuses becomes a Failure.

A script takes the engine's place and writes down what it was told: these tests are of the words.
That the words do what they say is what `docker/smoke` tests, with a real engine.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from simulations.containers.compose_file import Composed, Service
from simulations.containers.engine import ENGINES, Engine, find_engine
from study.failure import ExitCode, Failure

Script = Callable[[str, str], Engine]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes an engine of a name from lines of shell; what it was told is in `told`."""

    def make(name: str, body: str) -> Engine:
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n{body}\n')
        program.chmod(0o755)
        return Engine(str(program))

    return make


SERVICE = Service("agent", {"image": "a:1", "read_only": True, "command": ["serve"]}, Path("/x"))
COMPOSED = Composed((SERVICE,), {"out": {"internal": True}}, {"door": {"driver": "local"}})


def told(folder: Path) -> list[str]:
    return (folder / "told").read_text().splitlines()


def test_a_service_is_started_with_what_its_file_says(script: Script, tmp_path: Path) -> None:
    assert script("docker", "").start(SERVICE, "p") == "p_agent"
    assert told(tmp_path) == ["run --detach --name p_agent --read-only a:1 serve"]


def test_podman_gets_limits_that_any_machine_grants(script: Script, tmp_path: Path) -> None:
    limits = "--ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --read-only-tmpfs=false"
    script("podman", "").start(SERVICE, "p")
    script("podman", "").once("a:1", "p_out", "print(1)")
    assert told(tmp_path) == [
        f"run --detach --name p_agent {limits} --read-only a:1 serve",
        f"run --rm --network p_out {limits} --entrypoint python a:1 -c print(1)",
    ]


def test_a_refusal_is_told_in_the_engines_words(script: Script) -> None:
    engine = script("docker", "echo no such image >&2; exit 125")
    with pytest.raises(Failure, match="ended with 125: no such image"):
        engine.ask("run", "a")


def test_sizes_states_and_ports_are_read(script: Script) -> None:
    assert script("docker", "echo 382000000").size_mb("relay") == 382.0
    ports = '{"1/tcp": null, "2/tcp": [{"HostIp": "127.0.0.1", "HostPort": "7"}]}'
    inspected = f'[{{"NetworkSettings": {{"Ports": {ports}}}}}]'
    assert script("docker", f"echo '{inspected}'").published("d") == "http://127.0.0.1:7/"
    state = '[{"State": {"Running": false, "ExitCode": 7}}]'
    assert script("docker", f"echo '{state}'").state("p_agent") == (False, 7)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ('[{"network_interface": "podman3", "id": "0123456789abcdef"}]', "podman3"),
        ('[{"Id": "0123456789abcdef"}]', "br-0123456789ab"),
    ],
)
def test_a_networks_interface_is_known(said: str, name: str, script: Script) -> None:
    assert script("podman", f"echo '{said}'").bridge("p_out") == name


def test_health_is_podmans_own_check_or_dockers_verdict(script: Script, tmp_path: Path) -> None:
    assert script("podman", "exit 0").is_healthy("p_agent")
    assert not script("podman", "exit 1").is_healthy("p_agent")
    assert told(tmp_path) == ["healthcheck run p_agent"] * 2
    starting = '[{"State": {"Health": {"Status": "starting"}}}]'
    assert not script("docker", f"echo '{starting}'").is_healthy("p_agent")
    assert script("docker", f"echo '{starting.replace('starting', 'healthy')}'").is_healthy("p")


def test_one_that_ended_is_not_waited_for(script: Script) -> None:
    ended = '[{"State": {"Running": false, "ExitCode": 5}}]'
    body = f"""case "$1" in healthcheck) exit 1;; logs) echo no policy;; *) echo '{ended}';; esac"""
    with pytest.raises(Failure, match=r"(?s)p_agent, which did not become healthy.*no policy"):
        script("podman", body).wait_healthy("p_agent", 60.0)


def test_everything_that_was_made_is_taken_away(script: Script, tmp_path: Path) -> None:
    engine = script("docker", "")
    engine.prepare(COMPOSED, "p")
    engine.remove(COMPOSED, "p")
    assert told(tmp_path) == [
        "network create --internal p_out",
        "volume create --driver local p_door",
        "container rm --force p_agent",
        "network rm p_out",
        "volume rm p_door",
    ]


def test_the_first_engine_that_works_is_taken(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("simulations.containers.engine.ENGINES", ("docker", "podman"))
    script("docker", "echo is the daemon running >&2; exit 1")
    script("podman", "")
    assert find_engine(None) == Engine("podman")
    assert ENGINES == ("docker", "podman")


def test_without_an_engine_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no ark that this user may use") as error:
        find_engine("ark")
    assert error.value.code == ExitCode.MISSING_INPUT
