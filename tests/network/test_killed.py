"""Over the real network every process is killed once, and the study ends with the bytes it owes.

One study goes through it all, because each start over the network costs seconds of processor time.
"""

import os
import signal
from pathlib import Path

import pytest
from safetensors.numpy import load

from study.failure import ExitCode
from study.public_start import body_sha256
from tests.network.real_study import RealStudy, descendants, real_study
from tests.network.test_study import in_one_process, mu_spent, of_two_clinics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def below(study: RealStudy, program: str) -> list[int]:
    """Processes of this program that the centre's command started, at any depth."""
    return descendants(study.processes["centre"].pid, program)


def test_each_process_is_killed_once_and_the_bytes_are_those_of_a_quiet_day(
    tmp_path: Path,
) -> None:
    with real_study(tmp_path / "s", of_two_clinics()) as study:
        study.start_centre()
        study.start_clinics()

        # The ServerApp, after a round that is kept.
        study.until(lambda: (study.run / "server" / "0001-round.safetensors").is_file(), 600)
        os.kill(below(study, "flwr-serverapp")[0], signal.SIGKILL)
        assert study.wait() == ExitCode.NO_SUPERLINK, study.words()
        assert study.status()["state"] == "stopped"
        assert not (study.run / "run.json").exists()

        # The SuperLink.
        study.resume_centre()
        study.until(lambda: bool(below(study, "flower-superlink")), 120)
        os.kill(below(study, "flower-superlink")[0], signal.SIGKILL)
        assert study.wait() == ExitCode.NO_SUPERLINK, study.words()

        # The command itself: what it started ends with it.
        study.resume_centre()
        study.until(lambda: bool(below(study, "flower-superlink")), 120)
        link = below(study, "flower-superlink")[0]
        study.kill("centre")
        study.until(lambda: not Path(f"/proc/{link}").exists(), 60)

        # A relay and an agent, which their clinics start again.
        study.kill("relay-west")
        study.start_relay("west")
        study.agents.pop("east").kill()
        study.start_agent("east")

        study.resume_centre()
        assert study.wait(900) == 0, study.words()
        assert [agent.stop() for agent in study.agents.values()] == [0, 0]
        there = load((study.run / "body.safetensors").read_bytes())["weights"]
        assert body_sha256(there) == in_one_process(study, tmp_path).body_sha256
        for clinic in ("east", "west"):
            assert mu_spent(study, clinic) == pytest.approx(study.protocol.mu)
