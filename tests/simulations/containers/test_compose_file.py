"""A compose file becomes exactly the words that start its containers, or a Failure."""

from pathlib import Path

import pytest

from simulations.containers.compose_file import read_compose
from study.failure import ExitCode, Failure

TEXT = """\
name: small
x-hardening: &hardening
  user: "${UID:-10001}:1"
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  tmpfs: ["/tmp:size=1m"]
  pids_limit: 9
services:
  relay:
    <<: *hardening
    image: relay
    networks: [out]
    depends_on: {agent: {condition: service_healthy}}
    command: ["--superlink=${SERVER:?the server}", 7, "$$5"]
    volumes: ["./node:/node:ro", "door:/run/insula:ro"]
    environment: {A: b}
    healthcheck: {test: [CMD, python, -c, "print(1)"], interval: 3s, timeout: 2s, start_period: 1m}
  agent:
    <<: *hardening
    image: agent
    build: {context: .., dockerfile: docker/x, target: agent, args: {BASE_IMAGE: base}}
    network_mode: none
    mem_limit: 2g
networks: {out: {internal: true}}
volumes:
  door: {driver: local, driver_opts: {type: tmpfs, o: "uid=1"}}
"""


def written(folder: Path, text: str = TEXT) -> Path:
    (folder / "compose.yaml").write_text(text)
    return folder / "compose.yaml"


def test_a_service_becomes_the_words_of_run(tmp_path: Path) -> None:
    agent, relay = read_compose(written(tmp_path), {"SERVER": "study:1"}).services
    hardened = "--user 10001:1 --read-only --cap-drop ALL --security-opt no-new-privileges:true "
    hardened += "--tmpfs /tmp:size=1m --pids-limit 9"
    assert " ".join(agent.run("p")) == f"{hardened} --network none --memory 2g"
    assert relay.run("p") == [
        *hardened.split(),
        *("--network", "p_out", "--network-alias", "relay"),
        *("--volume", f"{tmp_path}/node:/node:ro", "--volume", "p_door:/run/insula:ro"),
        *("--env", "A=b"),
        *("--health-cmd", "python -c 'print(1)'", "--health-interval", "3s"),
        *("--health-timeout", "2s", "--health-start-period", "1m"),
    ]
    assert (relay.image, relay.command) == ("relay", ["--superlink=study:1", "7", "$5"])


def test_services_come_after_those_they_need(tmp_path: Path) -> None:
    made = read_compose(written(tmp_path), {"SERVER": "s"})
    assert [one.name for one in made.services] == ["agent", "relay"]


def test_an_image_is_built_as_the_file_says(tmp_path: Path) -> None:
    agent, relay = read_compose(written(tmp_path), {"SERVER": "s"}).services
    file = str((tmp_path.parent / "docker" / "x").resolve())
    assert agent.build() == ["--file", file, "--target", "agent", "--build-arg", "BASE_IMAGE=base"]
    assert relay.build() is None


def test_networks_and_volumes_have_their_words(tmp_path: Path) -> None:
    made = read_compose(written(tmp_path), {"SERVER": "s"})
    assert made.network_words("out") == ["--internal"]
    assert made.volume_words("door") == [
        *("--driver", "local", "--opt", "type=tmpfs", "--opt", "o=uid=1")
    ]


@pytest.mark.parametrize("values", [{}, {"SERVER": ""}])
def test_a_required_variable_without_value_is_refused(
    values: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(Failure, match=r"no value for SERVER \(the server\)") as error:
        read_compose(written(tmp_path), values)
    assert error.value.code == ExitCode.MISSING_INPUT


@pytest.mark.parametrize(
    ("lawful", "planted", "found"),
    [
        ("mem_limit: 2g", "privileged: true", "agent.privileged"),
        ("networks: {out:", "secrets: {out:", "secrets"),
        ("test: [CMD,", "test: [CMD-SHELL,", "healthcheck.test CMD-SHELL"),
        ("depends_on: {agent:", "depends_on: {cook:", "depends_on of relay"),
    ],
)
def test_what_is_not_understood_starts_nothing(
    lawful: str, planted: str, found: str, tmp_path: Path
) -> None:
    assert lawful in TEXT
    with pytest.raises(Failure) as error:
        for one in read_compose(
            written(tmp_path, TEXT.replace(lawful, planted)), {"SERVER": "s"}
        ).services:
            one.run("p")
    assert found in error.value.found
