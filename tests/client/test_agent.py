"""Whatever the centre sends, a clinic releases what its own protocol says, once, or nothing."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from client.agent import Agent, AgentSite
from client.consent import AGREEMENT, SITE_KEY
from client.egress import EgressError
from client.framing import reply_frame
from client.policy import POLICY, Policy, write_policy
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.ledger import Ledger
from privacy.noise import ExactNoise, NoiseSource, SimulatedNoise
from privacy.release import release_sum
from privacy.sensitivity import clipped_sum
from study.agreement import SiteCaps, as_text, countersign, sign
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.signing_key import make_key, read_key
from study.wire import Code, Reply, Request
from tests.study.small_study import PlantedVector, RidgeVector, protocol_with, small_person

PROTOCOL = protocol_with()
NOW_S = 1_700_000_000.0


def noise(round_number: int) -> NoiseSource:
    return SimulatedNoise(5, "east", round_number)


@dataclass
class Clinic:
    """Makes agents of one clinic at one home, as a restarted process would."""

    home: Path
    protocol: Protocol = PROTOCOL
    vector: RidgeVector = field(default_factory=RidgeVector)
    patients: list[PatientData] = field(
        default_factory=lambda: [small_person("east", number) for number in range(4)]
    )
    noise: Callable[[int], NoiseSource] = noise
    name: str = "east"

    def agent(self) -> Agent:
        site = AgentSite(self.home, self.name, lambda: NOW_S)
        return Agent(site, self.protocol, self.vector, self.patients, self.noise)

    def ask(self, request: Request) -> Reply:
        with self.agent() as agent:
            return agent.train(request)

    def log(self) -> str:
        return (self.home / "agent.log").read_text()


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    consent(tmp_path, PROTOCOL)
    return Clinic(tmp_path)


def consent(home: Path, protocol: Protocol, minimum_patients: int = 3, name: str = "east") -> None:
    digest = protocol.digest()
    policy = Policy(
        approved_protocols=(digest,),
        epsilon_cap=8.0,
        minimum_patients=minimum_patients,
        rehearsal=protocol.privacy.noise == "simulated",
    )
    write_policy(home, policy)
    keys = [home / "coordinator.key", home / SITE_KEY]
    coordinator, own = (read_key(one) if one.exists() else make_key(one) for one in keys)
    caps = SiteCaps(policy.epsilon_cap, policy.minimum_patients)
    agreement = countersign(sign(protocol, coordinator), name, caps, own)
    (home / AGREEMENT).write_text(as_text(agreement))


def request(number: int = 1, shared: FloatArray | None = None) -> Request:
    vector = RidgeVector().start() if shared is None else shared
    return Request(number, PROTOCOL.digest(), vector)


def released(reply: Reply) -> FloatArray:
    assert reply.code is Code.RELEASED
    assert reply.release is not None
    return reply.release


def spent(home: Path, protocol: Protocol = PROTOCOL) -> float:
    with Ledger.open(home / "ledger", mu_cap=protocol.mu, study=protocol.study) as ledger:
        return ledger.mu_spent()


def kinds(home: Path) -> list[str]:
    lines = (home / "ledger" / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line)["kind"] for line in lines]


def test_a_release_is_the_noised_sum_of_clipped_rows(clinic: Clinic) -> None:
    values = released(clinic.ask(request()))
    rows = clinic.vector.rows(RidgeVector().start(), clinic.patients)
    clip_norm = PROTOCOL.release.clip_norm
    expected = release_sum(rows, clip_norm, PROTOCOL.sigma, noise(1)).values
    assert values.tolist() == expected.tolist()
    deviation = values - clipped_sum(rows, clip_norm)
    assert 0.0 < np.abs(deviation).max() < 6 * PROTOCOL.sigma * clip_norm


def test_debit_comes_before_receipt_and_the_budget_is_spent(clinic: Clinic) -> None:
    clinic.ask(request(1))
    assert kinds(clinic.home) == ["open", "debit", "receipt"]
    assert spent(clinic.home) == pytest.approx(1 / PROTOCOL.sigma)
    clinic.ask(request(2))
    assert spent(clinic.home) == pytest.approx(PROTOCOL.mu)


def test_a_repeated_round_is_sent_again_byte_for_byte_and_costs_nothing(clinic: Clinic) -> None:
    first = released(clinic.ask(request()))
    with clinic.agent() as agent:
        again = released(agent.train(request()))
        elsewhere = released(agent.train(request(1, np.array([9.0, -9.0, 9.0]))))
    assert first.tobytes() == again.tobytes() == elsewhere.tobytes()
    assert spent(clinic.home) == pytest.approx(1 / PROTOCOL.sigma)


def test_exact_noise_is_not_drawn_again_either(tmp_path: Path) -> None:
    exact = protocol_with(("noise: simulated", "noise: exact"))
    consent(tmp_path, exact)
    clinic = Clinic(tmp_path, exact, noise=lambda number: ExactNoise())
    asked = replace(request(), protocol_sha256=exact.digest())
    assert released(clinic.ask(asked)).tobytes() == released(clinic.ask(asked)).tobytes()


def test_a_thousand_rounds_spend_no_more_than_the_protocol(clinic: Clinic) -> None:
    with clinic.agent() as agent:
        codes = [agent.train(request(number)).code for number in range(-10, 1000)]
    assert codes.count(Code.RELEASED) == PROTOCOL.release.rounds
    assert set(codes) == {Code.RELEASED, Code.NO_SUCH_ROUND}
    assert spent(clinic.home) <= PROTOCOL.mu * (1 + 1e-9)


@pytest.mark.parametrize("number", [0, -1, 3, 10**9, True, 1.0, "1", None])
def test_a_round_that_is_none_is_refused(number: object, clinic: Clinic) -> None:
    asked = Request(number, PROTOCOL.digest(), RidgeVector().start())  # type: ignore[arg-type]
    assert clinic.ask(asked) == Reply("east", Code.NO_SUCH_ROUND)
    assert spent(clinic.home) == 0.0


@pytest.mark.parametrize("digest", ["", "0" * 64, PROTOCOL.digest().upper()])
def test_another_protocol_is_refused(digest: str, clinic: Clinic) -> None:
    assert clinic.ask(replace(request(), protocol_sha256=digest)).code is Code.OTHER_PROTOCOL
    assert spent(clinic.home) == 0.0


@pytest.mark.parametrize(
    "shared",
    [
        np.zeros(2),
        np.zeros(4),
        np.zeros((1, 3)),
        np.zeros(0),
        np.array([0.0, np.nan, 0.0]),
        np.array([0.0, np.inf, 0.0]),
        np.zeros(3, dtype=np.float32),
        np.array([None, None, None]),
    ],
)
def test_a_shared_vector_that_is_none_is_refused(shared: FloatArray, clinic: Clinic) -> None:
    assert clinic.ask(request(1, shared)).code is Code.BAD_SHARED_VECTOR
    assert spent(clinic.home) == 0.0


def test_a_huge_shared_vector_cannot_stretch_a_row(clinic: Clinic) -> None:
    """The centre may choose the vector; the clip norm bounds what it can learn with it."""
    values = released(clinic.ask(request(1, np.full(3, 1e200))))
    bound = 4 * PROTOCOL.release.clip_norm + 6 * PROTOCOL.sigma * PROTOCOL.release.clip_norm
    assert np.abs(values).max() < bound


def test_leaving_one_patient_out_moves_the_sum_by_the_clip_norm_at_most(tmp_path: Path) -> None:
    """The noise of a round is the same here, so that the difference is the patient alone."""
    sums = []
    people = [small_person("east", number) for number in range(5)]
    for left_out in [None, *range(5)]:
        home = tmp_path / str(left_out)
        home.mkdir()
        consent(home, PROTOCOL)
        kept = [one for place, one in enumerate(people) if place != left_out]
        sums.append(released(Clinic(home, patients=kept).ask(request(1, np.full(3, 50.0)))))
    moved = [float(np.linalg.norm(each - sums[0])) for each in sums[1:]]
    clip_norm = PROTOCOL.release.clip_norm
    assert max(moved) <= clip_norm * (1 + 1e-4)  # the grid of C/2^16
    assert min(moved) > 0.9 * clip_norm  # all of them are clipped: the bound is met, not slack


class SiteScaled(RidgeVector):
    """The planted mistake: rows about the site's own mean, so that each depends on everybody."""

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        rows = super().rows(shared, patients)
        return np.asarray(100.0 * (rows - rows.mean(axis=0)))


def test_a_row_that_depends_on_other_patients_breaks_the_bound(tmp_path: Path) -> None:
    """What the test above would see if a site normalised over its patients."""
    people = [small_person("east", number) for number in range(5)]
    sums = []
    for left_out in (None, *range(5)):
        home = tmp_path / str(left_out)
        home.mkdir()
        consent(home, PROTOCOL)
        kept = [one for place, one in enumerate(people) if place != left_out]
        clinic = Clinic(home, patients=kept, vector=SiteScaled())
        sums.append(released(clinic.ask(request())))
    moved = max(float(np.linalg.norm(each - sums[0])) for each in sums[1:])
    assert moved > 1.2 * PROTOCOL.release.clip_norm


def test_a_patient_who_is_nan_is_as_if_absent(tmp_path: Path) -> None:
    rows = np.array([[0.1, 0.2, 0.3], [np.nan, 1.0, 1.0], [0.0, np.inf, 0.0], [0.2, 0.0, 0.0]])
    values: list[list[float]] = []
    for planted in (rows, np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)):
        home = tmp_path / str(len(values))
        home.mkdir()
        consent(home, PROTOCOL)
        clinic = Clinic(home, vector=PlantedVector(planted=planted))
        values.append(released(clinic.ask(request())).tolist())
    assert values[0] == values[1]
    assert np.isfinite(values[0]).all()


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (4, 2), (1, 12), (4,)])
def test_rows_that_are_not_one_a_patient_are_refused(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    """A window as a row, or one row for the site, would be another unit of privacy."""
    consent(tmp_path, PROTOCOL)
    clinic = Clinic(tmp_path, vector=PlantedVector(planted=np.zeros(shape)))
    assert clinic.ask(request()).code is Code.REFUSED
    assert "one for each patient" in clinic.log()
    assert spent(tmp_path) == 0.0


def test_an_error_inside_crosses_as_a_code_and_stays_in_the_log(tmp_path: Path) -> None:
    consent(tmp_path, PROTOCOL)
    error = KeyError("MRN-CANARY-east-3 has no readings")
    clinic = Clinic(tmp_path, vector=PlantedVector(error=error))
    assert clinic.ask(request()) == Reply("east", Code.INTERNAL)
    assert "MRN-CANARY-east-3" in clinic.log()
    assert "Traceback" in clinic.log()
    assert spent(tmp_path) == 0.0


def test_too_few_patients_is_a_refusal_that_names_no_number(clinic: Clinic) -> None:
    clinic.patients = clinic.patients[:2]
    assert clinic.ask(request()) == Reply("east", Code.REFUSED)
    assert "2 enrolled patients" in clinic.log()


def test_a_policy_that_is_taken_away_stops_the_next_round(clinic: Clinic) -> None:
    with clinic.agent() as agent:
        released(agent.train(request(1)))
        (clinic.home / POLICY).unlink()
        assert agent.train(request(2)).code is Code.REFUSED
        assert agent.train(request(1)).code is Code.REFUSED  # not even what was released before
    assert spent(clinic.home) == pytest.approx(1 / PROTOCOL.sigma)


def test_no_policy_no_agent(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no usable policy"):
        Clinic(tmp_path).agent()
    assert not (tmp_path / "ledger").exists()


def test_noise_other_than_agreed_is_refused_before_the_debit(clinic: Clinic) -> None:
    clinic.noise = lambda number: ExactNoise()
    assert clinic.ask(request()).code is Code.REFUSED
    assert "exact noise" in clinic.log()
    assert spent(clinic.home) == 0.0


def test_a_real_clinic_s_policy_refuses_simulated_noise(clinic: Clinic) -> None:
    """Also where the protocol, signed by everybody, asks for it."""
    lines = (clinic.home / POLICY).read_text().replace("rehearsal: true", "rehearsal: false")
    (clinic.home / POLICY).write_text(lines)
    assert clinic.ask(request()) == Reply("east", Code.REFUSED)
    assert "simulated noise, which protects nobody" in clinic.log()
    assert spent(clinic.home) == 0.0


def test_simulated_noise_cannot_stand_in_for_exact(tmp_path: Path) -> None:
    exact = protocol_with(("noise: simulated", "noise: exact"))
    consent(tmp_path, exact)
    asked = replace(request(), protocol_sha256=exact.digest())
    assert Clinic(tmp_path, exact).ask(asked).code is Code.REFUSED
    assert spent(tmp_path, exact) == 0.0


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": "island"}, "an observer"),
        ({"name": "nowhere"}, "no clinic 'nowhere'"),
        ({"vector": RidgeVector(kind="body")}, "body of dimension 3"),
        ({"vector": RidgeVector(dimension=2)}, "adapter of dimension 2"),
        ({"patients": [small_person("east", 1)] * 2}, "enrolled twice"),
    ],
)
def test_an_agent_whose_terms_are_not_the_protocol_s_does_not_start(
    changes: dict[str, object], found: str, tmp_path: Path
) -> None:
    consent(tmp_path, PROTOCOL)
    with pytest.raises(Failure, match=found) as refusal:
        replace(Clinic(tmp_path), **changes).agent()  # type: ignore[arg-type]
    assert refusal.value.code in (ExitCode.REFUSED, ExitCode.BAD_PROTOCOL)
    assert not (tmp_path / "ledger").exists()


def test_one_agent_at_a_time_holds_a_clinic_s_ledger(clinic: Clinic) -> None:
    with clinic.agent(), pytest.raises(ValueError, match="another process"):
        clinic.agent()
    clinic.agent().close()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", ["debit", "store", "receipt"])
@pytest.mark.parametrize("before", [True, False])
def test_an_agent_killed_around_each_step_never_draws_twice_for_one_debit(
    at: str, before: bool, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(Ledger, at)

    def killed(ledger: Ledger, *arguments: object) -> None:
        if not before:
            original(ledger, *arguments)
        raise Killed

    with monkeypatch.context() as crash, clinic.agent() as agent:
        crash.setattr(Ledger, at, killed)
        with pytest.raises(Killed):
            agent.train(request(1))
    stored = (clinic.home / "ledger" / "releases" / "small-study.1.npy").exists()
    with clinic.agent() as agent:
        first, second = agent.train(request(1)), agent.train(request(1))
        last = agent.train(request(2))
    assert released(first).tobytes() == released(second).tobytes()
    wasted = kinds(clinic.home).count("debit") - (1 if last.code is Code.REFUSED else 2)
    assert wasted == (0 if stored or (at == "debit" and before) else 1)
    assert spent(clinic.home) <= PROTOCOL.mu * (1 + 1e-9)


def test_a_log_that_cannot_be_written_does_not_turn_a_refusal_into_words(
    clinic: Clinic,
) -> None:
    (clinic.home / "agent.log").mkdir()
    assert clinic.ask(request(99)) == Reply("east", Code.NO_SUCH_ROUND)


def test_a_disk_that_is_full_releases_nothing(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clinic.agent() as agent:
        with monkeypatch.context() as disk:

            def full(descriptor: int) -> None:
                raise OSError(28, "No space left on device")

            disk.setattr(os, "fsync", full)
            assert agent.train(request(1)).code is Code.REFUSED
        assert agent.train(request(1)).code is Code.REFUSED
    assert "no space" in clinic.log()


def test_the_judge_lets_out_the_frame_of_a_release_and_no_other(clinic: Clinic) -> None:
    with clinic.agent() as agent:
        reply = agent.train(request())
        frame = reply_frame(reply)
        assert agent.judge(1, frame) == frame
        with pytest.raises(EgressError):
            agent.judge(2, frame)
        with pytest.raises(EgressError):
            agent.judge(1, reply_frame(replace(reply, release=released(reply) + 1.0)))
