"""`insula site leave` and `insula site forget` as typed: what is done, and what is said to stay."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.app import ask_agent
from client.departure import has_left, takes_part
from client.departure_cli import STAYS
from client.enrolment import enrol
from client.head_store import HeadStore
from client.policy import Policy, write_policy
from client.site_folder import LOG, SITE_TABLE
from client.site_table import read_site, write_site
from insula import main
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from study.failure import ExitCode
from study.public_start import read_public_start
from study.wire import Code, Request
from tests.client.made_site import SEED, made_traces, make_site, net_protocol, serving
from tests.models.people import made_up_trace


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    write_site(folder / SITE_TABLE, [replace(made_up_trace(1, days=1), patient="2301")])
    write_policy(folder, Policy(epsilon_cap=1.0, minimum_patients=1))
    return folder


def test_leaving_is_told_with_what_stays(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "leave", str(site)]) == ExitCode.SUCCESS
    assert has_left(site)
    out, err = capsys.readouterr()
    assert out == ""
    assert "From now on nothing leaves" in err
    assert all(one in err for one in STAYS)


def test_leaving_twice_is_no_error(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for first in (True, False):
        assert main(["site", "leave", str(site), "--json"]) == ExitCode.SUCCESS
        told = json.loads(capsys.readouterr().out)
        assert told == {"site": str(site), "left": True, "first": first, "stays": list(STAYS)}


@pytest.mark.parametrize("folder", ["", "absent"])
def test_a_folder_that_is_no_site_is_not_marked(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in the path must not let a person believe that the clinic has left."""
    assert main(["site", "leave", str(tmp_path / folder), "--json"]) == ExitCode.MISSING_INPUT
    assert "policy.yaml" in json.loads(capsys.readouterr().out)["error"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_forgetting_is_told_with_what_stays(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / LOG).write_text("1 round 1 INTERNAL: 2301\n")
    assert main(["site", "forget", "2301", "--site", str(site)]) == ExitCode.SUCCESS
    assert not takes_part(site)("2301")
    out, err = capsys.readouterr()
    assert out == ""
    assert f"erased or rewritten: {SITE_TABLE}" in err
    assert "1 lines of agent.log still name the patient" in err
    assert all(one in err for one in STAYS)


def test_forgetting_in_json_names_the_pseudonym(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", "forget", "2301", "--site", str(site), "--json"]) == ExitCode.SUCCESS
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [SITE_TABLE]
    assert len(told["pseudonym"]) == 32
    assert "2301" not in json.dumps(told["pseudonym"])


def test_an_unknown_patient_is_a_missing_input(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", "forget", "9", "--site", str(site), "--json"]) == ExitCode.MISSING_INPUT
    assert json.loads(capsys.readouterr().out)["error"]["consequence"] == "Nothing was erased."


def test_a_site_that_is_no_folder_is_left_alone(tmp_path: Path) -> None:
    assert main(["site", "forget", "1", "--site", str(tmp_path / "x")]) != ExitCode.SUCCESS
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_running_agent_heeds_both_before_its_next_release(tmp_path: Path) -> None:
    """The real process, asked over its socket while another process types the two commands."""
    protocol, traces = net_protocol(), made_traces("east", 2)
    gone, stays = (one.patient for one in traces)
    folder = make_site(tmp_path / "east", protocol, "east", traces)
    with serving(folder) as agent:
        assert main(["site", "forget", gone, "--site", str(folder)]) == ExitCode.SUCCESS
        shared = np.zeros(protocol.release.dimension)
        reply = ask_agent(agent.socket, Request(1, protocol.digest(), shared))
        assert main(["site", "leave", str(folder)]) == ExitCode.SUCCESS
        for number in (1, 2):
            refused = ask_agent(agent.socket, Request(number, protocol.digest(), shared))
            assert (refused.code, refused.release) == (Code.REFUSED, None)
    assert reply.code is Code.RELEASED and reply.release is not None
    vector = read_public_start(folder / "start.safetensors").shared_vector(protocol)
    others = enrol(protocol, "east", read_site(folder / SITE_TABLE), HeadStore(folder)).members
    assert [one.patient for one in others] == [stays]
    rows, clip_norm = vector.rows(shared, others), protocol.release.clip_norm
    noise = SimulatedNoise(SEED, "east", 1)
    expected = release_sum(rows, clip_norm, protocol.sigma, noise).values
    assert reply.release.tolist() == expected.tolist()
