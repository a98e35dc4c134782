"""Metrics of a clinic: one release by the way of every release, and no second one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from client.agent import Agent
from client.egress import EgressError
from client.framing import reply_frame
from client.policy import LifetimeBudget, read_policy, write_policy
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.ledger import Ledger
from privacy.metric import MetricRelease
from privacy.noise import SimulatedNoise
from privacy.release import Release, release_sum
from privacy.verifier import verify
from study.wire import Code, Reply, Request
from tests.client.test_agent import Clinic, consent, kinds, released, spent
from tests.study.small_study import (
    TELLING,
    RidgeVector,
    made_up_gains,
    metric_of,
    protocol_with,
    small_person,
)

pytestmark = pytest.mark.slow

PROTOCOL = protocol_with(*TELLING)
NUMBER = PROTOCOL.release.rounds + 1
METRIC = metric_of(PROTOCOL, "east")
START = RidgeVector().start()


@dataclass
class Telling(Clinic):
    """A clinic whose people have made-up gains."""

    def agent(self) -> Agent:
        agent = super().agent()
        agent.gains = made_up_gains
        return agent


def clinic_at(home: Path, name: str = "east") -> Telling:
    home.mkdir(parents=True, exist_ok=True)
    consent(home, PROTOCOL, name=name)
    patients = [small_person(name, number) for number in range(4)]
    return Telling(home, PROTOCOL, patients=patients, name=name)


@pytest.fixture
def clinic(tmp_path: Path) -> Telling:
    return clinic_at(tmp_path)


def ask(number: int = NUMBER, shared: FloatArray = START) -> Request:
    return Request(number, PROTOCOL.digest(), shared)


def test_metrics_are_the_noised_sum_of_bounded_rows(clinic: Telling) -> None:
    values = released(clinic.ask(ask()))
    rows = METRIC.rows(made_up_gains(RidgeVector(), START, clinic.patients, (30, 120)))
    noise = SimulatedNoise(5, "east", NUMBER)
    expected = release_sum(rows, METRIC.clip_norm, METRIC.sigma, noise, METRIC.name)
    assert values.tobytes() == expected.values.tobytes()
    assert METRIC.rounded(values)
    assert rows.tolist() == [[1, 0], [3, -0.5], [5, -1], [5, -1.5]], "the last was cut"


def test_training_and_metrics_spend_the_budget_and_no_more(clinic: Telling) -> None:
    codes = [clinic.ask(ask(number)).code for number in (1, 2, 3, 4, 5)]
    assert codes == [Code.RELEASED] * 3 + [Code.NO_SUCH_ROUND] * 2
    assert kinds(clinic.home) == ["open", *["debit", "receipt"] * 3]
    assert spent(clinic.home, PROTOCOL) == pytest.approx(PROTOCOL.mu, rel=1e-9)
    assert verify(clinic.home / "ledger").epsilon == pytest.approx(8.0, abs=1e-6)
    assert PROTOCOL.sigma > protocol_with().sigma, "training pays for them with more noise"


def test_the_cohort_s_ledger_is_charged_too(clinic: Telling) -> None:
    budget = LifetimeBudget(cohort="people", epsilon=8.0)
    write_policy(clinic.home, read_policy(clinic.home).model_copy(update={"lifetime": budget}))
    released(clinic.ask(ask()))
    text = (clinic.home / "../cohorts/people/ledger.jsonl").read_text()
    assert f'"name":"{METRIC.name}"' in text


def test_a_clinic_of_few_declared_patients_tells_nothing_and_pays_nothing(tmp_path: Path) -> None:
    west = clinic_at(tmp_path / "west", "west")
    assert west.ask(ask()) == Reply("west", Code.NO_SUCH_ROUND)
    assert spent(west.home, PROTOCOL) == 0.0
    assert west.ask(ask(1)).code is Code.RELEASED, "it trains like the others"


def test_planted_a_clinic_that_forgets_it_is_small_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MetricRelease, "suppressed", False)
    assert clinic_at(tmp_path / "west", "west").ask(ask()).code is Code.RELEASED


def test_a_small_clinic_s_metrics_would_not_pass_gate_nor_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: its agent counts one round too many; two guards are left."""
    monkeypatch.setattr(Agent, "_last_round", lambda agent: NUMBER)
    west = clinic_at(tmp_path / "west", "west")
    assert west.ask(ask()).code is Code.REFUSED
    assert "suppressed" in west.log()
    with west.agent() as agent:
        frame = reply_frame(Reply("west", Code.RELEASED, np.zeros(2)))
        with pytest.raises(EgressError):
            agent.judge(NUMBER, frame)


def test_what_leaves_in_bytes_is_the_receipted_metrics_alone(clinic: Telling) -> None:
    with clinic.agent() as agent:
        reply = agent.train(ask())
        assert agent.judge(NUMBER, reply_frame(reply)) == reply_frame(reply)
        values = released(reply)
        for other in (values + METRIC.clip_norm, values[:1], np.append(values, 0.0)):
            with pytest.raises(EgressError):
                agent.judge(NUMBER, reply_frame(replace(reply, release=other)))
        with pytest.raises(EgressError):
            agent.judge(1, reply_frame(reply))


def test_a_thousand_queries_reveal_nothing_beyond_the_first(clinic: Telling) -> None:
    """Other bodies, other rounds, restarts: one answer, and no difference between two."""
    rng = np.random.default_rng(4)
    answers: dict[int, set[bytes]] = {}
    for _ in range(10):
        with clinic.agent() as agent:
            for _ in range(100):
                number = int(rng.choice([0, NUMBER, NUMBER, NUMBER + 1, -NUMBER, 10**9]))
                reply = agent.train(ask(number, rng.normal(size=3)))
                if reply.release is not None:
                    answers.setdefault(number, set()).add(reply_frame(replace(reply, witness=b"")))
    assert {number: len(each) for number, each in answers.items()} == {NUMBER: 1}
    assert kinds(clinic.home) == ["open", "debit", "receipt"]
    assert spent(clinic.home, PROTOCOL) == pytest.approx(METRIC.sigma**-1)


def test_a_patient_fewer_between_two_queries_makes_no_difference(clinic: Telling) -> None:
    first = released(clinic.ask(ask()))
    clinic.patients = clinic.patients[:-1]
    assert released(clinic.ask(ask())).tobytes() == first.tobytes()


Plant = Callable[[pytest.MonkeyPatch], None]


def _uncharged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "debit", lambda *_: 0)


def _renamed(patch: pytest.MonkeyPatch) -> None:
    real = Agent._terms
    patch.setattr(
        Agent, "_terms", lambda agent, number: real(agent, number)._replace(name="metrics:loss")
    )


def _unrounded(patch: pytest.MonkeyPatch) -> None:
    def plain(*arguments: object) -> Release:
        made = release_sum(*arguments)  # type: ignore[arg-type]
        values = made.values + 1e-7
        return Release(values, made.sha256)

    patch.setattr("client.agent.release_sum", plain)


@pytest.mark.parametrize("plant", [_uncharged, _renamed, _unrounded])
def test_planted_faults_end_in_a_refusal(
    plant: Plant, clinic: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    reply = clinic.ask(ask())
    assert (reply.code, reply.release) == (Code.REFUSED, None)


def test_planted_metrics_drawn_again_are_refused(
    clinic: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(clinic.ask(ask()))
    monkeypatch.setattr(Ledger, "cached", lambda *_: None)
    assert clinic.ask(ask()).code is Code.REFUSED
    assert kinds(clinic.home) == ["open", "debit", "receipt"], "and nothing more was spent"


def test_killed_before_the_receipt_the_same_metrics_are_sent(
    clinic: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Ledger, "receipt", killed)
        clinic.ask(ask())
    stored = np.load(next((clinic.home / "ledger/releases").glob("*.npy")))
    assert released(clinic.ask(ask())).tobytes() == stored.tobytes()
    assert kinds(clinic.home) == ["open", "debit", "receipt"]


def moved_by_one(home: Path, loud: float) -> float:
    """How far the release moves, same noise, when the one loud patient of four is absent."""

    def gains(_: object, __: object, patients: Sequence[PatientData], ___: object) -> FloatArray:
        is_loud = [one.patient.endswith("-3") for one in patients]
        return np.where(np.array(is_loud)[:, None], [loud, -loud], 0.0)

    sums = []
    for there in (4, 3):
        clinic = clinic_at(home / str(there))
        clinic.patients = clinic.patients[:there]
        with clinic.agent() as agent:
            agent.gains = gains
            sums.append(released(agent.train(ask())))
    return float(np.linalg.norm(sums[0] - sums[1]))


@pytest.mark.parametrize("loud", [4.0, 1e6, 1e30, np.inf, np.nan])
def test_the_loudest_patient_moves_the_release_by_the_clip_norm_at_most(
    loud: float, tmp_path: Path
) -> None:
    assert moved_by_one(tmp_path, loud) <= METRIC.clip_norm * (1 + 1e-9)


def test_planted_an_unbounded_metric_moves_it_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MetricRelease, "rows", lambda metric, values: values)
    assert moved_by_one(tmp_path / "1", 1e6) <= METRIC.clip_norm * 1.01, "Opacus still clips"
    monkeypatch.setattr(
        "client.agent.release_sum",
        lambda rows, clip, sigma, noise, name: release_sum(
            rows, 1e7, sigma * clip / 1e7, noise, name
        ),
    )
    monkeypatch.setattr(MetricRelease, "rounded", lambda *_: True)
    assert moved_by_one(tmp_path / "2", 1e6) > 100 * METRIC.clip_norm


def test_rows_that_are_not_one_a_patient_are_refused(clinic: Telling) -> None:
    with clinic.agent() as agent:
        agent.gains = lambda *_: np.zeros((1, 2))
        assert agent.train(ask()).code is Code.REFUSED
    assert spent(clinic.home, PROTOCOL) == 0.0


def test_a_gate_of_a_study_without_metrics_knows_no_such_round(clinic: Telling) -> None:
    plain = protocol_with()
    assert plain.metric_release("east") is None
    assert "metrics" not in plain.canonical()
    home = clinic.home / "plain"
    home.mkdir()
    consent(home, plain)
    asked = Request(NUMBER, plain.digest(), START)
    assert Clinic(home, plain).ask(asked).code is Code.NO_SUCH_ROUND
