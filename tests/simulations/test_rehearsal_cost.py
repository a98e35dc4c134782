"""Minutes from what was measured, bytes from frames that a real study sends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from client.agent import Agent
from client.framing import reply_frame, request_frame
from simulations.federation import agents_of, noise_of, run_federation
from simulations.rehearsal_cost import NETWORK_ROUND_S, time_of, traffic_of
from study.wire import Reply, Request
from tests.simulations.rehearsed import ERRORS, PROTOCOL, record
from tests.study.small_study import RidgeVector, protocol_with, small_people


@dataclass
class Counted:
    """An agent whose frames are counted in both directions."""

    agent: Agent
    down: list[int] = field(default_factory=list)
    up: list[int] = field(default_factory=list)

    @property
    def train(self) -> Callable[[Request], Reply]:
        def answered(request: Request) -> Reply:
            reply = self.agent.train(request)
            self.down.append(len(request_frame(request)))
            self.up.append(len(reply_frame(reply)))
            return reply

        return answered


def test_the_bytes_are_those_of_a_study_that_was_run(tmp_path: Path) -> None:
    protocol, vector = protocol_with(), RidgeVector()
    noise = noise_of(protocol, 1)
    with agents_of(
        protocol, small_people(), vector, tmp_path / "clinics", noise, lambda: 0.0
    ) as agents:
        counted = [Counted(agent) for agent in agents]
        run_federation(protocol, counted, tmp_path, vector)  # type: ignore[arg-type]
    for one in counted:
        predicted = traffic_of(protocol, one.agent.site.name)
        assert predicted.down_bytes == sum(one.down)
        assert predicted.up_bytes == sum(one.up)


def test_a_longer_vector_costs_its_bytes_in_every_round() -> None:
    small, large = (
        traffic_of(protocol_with(("dimension: 3", f"dimension: {d}")), "east") for d in (3, 1003)
    )
    assert large.down_bytes - small.down_bytes == large.up_bytes - small.up_bytes == 2 * 8000


def test_minutes_are_the_slowest_repeats() -> None:
    slow = record(ERRORS)
    seconds = {"people": 19.0, "federation under privacy": 4.0}
    quick = slow.model_copy(update={"seconds": seconds})
    time = time_of(PROTOCOL, [quick, slow])
    assert (time.rounds, time.work_s, time.network_s) == (2, 4.0, NETWORK_ROUND_S)
    assert time.study_min == pytest.approx(2 * 34.0 / 60)
    assert time.patient_s == pytest.approx(38.0 / 19)
