"""A study in one process: repeatable, resumable, paid for in every ledger, better than nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from client.head_store import HeadStore
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.gaussian_dp import epsilon_of_mu
from privacy.ledger import Ledger
from privacy.noise import ExactNoise, SimulatedNoise
from privacy.verifier import verify
from server.privacy_spent import privacy_spent
from simulations.federation import (
    FederationResult,
    agents_of,
    noise_of,
    run_federation,
    run_without_privacy,
)
from study.failure import Failure
from study.protocol import Protocol
from study.public_start import body_sha256
from tests.study.small_study import RidgeVector, protocol_with, small_people, small_person

pytestmark = pytest.mark.slow

PROTOCOL = protocol_with()
People = Mapping[str, Sequence[PatientData]]


def run(
    folder: Path,
    protocol: Protocol = PROTOCOL,
    people: People | None = None,
    seed: int = 7,
    vector: RidgeVector | None = None,
) -> FederationResult:
    vector = vector or RidgeVector()
    everybody = small_people() if people is None else people
    noise = noise_of(protocol, seed)
    clinics = folder / "clinics"
    with agents_of(protocol, everybody, vector, clinics, noise, lambda: 1.0) as agents:
        return run_federation(protocol, agents, folder, vector)


def loss(shared: FloatArray, people: People) -> float:
    """Mean squared error of everybody's windows under the linear layer."""
    windows = [one.windows for group in people.values() for one in group]
    return float(
        np.mean([((w.target[:, 0] - w.features[:, :3] @ shared) ** 2).mean() for w in windows])
    )


def test_a_study_leaves_the_promised_run_folder(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "body.safetensors",
        "clinics",
        "coordinator.key",
        "protocol.yaml",
        "server",
    }
    for clinic in PROTOCOL.members:
        home = tmp_path / "clinics" / clinic.name
        assert {"ledger", "heads", "heads.key", "policy.yaml"} <= {
            path.name for path in home.iterdir()
        }
    weights = load((tmp_path / "body.safetensors").read_bytes())["weights"]
    assert np.array_equal(weights, result.weights)
    assert result.body_sha256 == body_sha256(weights)


def test_every_member_takes_part_and_no_observer(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert [one.took_part for one in result.rounds] == [("east", "north", "west")] * 2
    assert not (tmp_path / "clinics" / "island").exists()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again = run(tmp_path / "1"), run(tmp_path / "2")
    other = run(tmp_path / "3", seed=8)
    assert first.shared.tobytes() == again.shared.tobytes()
    assert first.body_sha256 == again.body_sha256 != other.body_sha256


def test_clinics_and_rounds_have_noise_of_their_own() -> None:
    noise = noise_of(PROTOCOL, 7)
    draws = {
        tuple(noise(clinic)(number).integers(1000.0, 8))
        for clinic in ("east", "north", "west")
        for number in (1, 2, 3)
    }
    assert len(draws) == 9


def test_noise_is_what_the_protocol_says() -> None:
    assert isinstance(noise_of(PROTOCOL, 7)("east")(1), SimulatedNoise)
    exact = protocol_with(("noise: simulated", "noise: exact"))
    assert isinstance(noise_of(exact, 7)("east")(1), ExactNoise)


def test_with_exact_noise_no_two_runs_are_equal(tmp_path: Path) -> None:
    exact = protocol_with(("noise: simulated", "noise: exact"))
    first, again = run(tmp_path / "1", exact), run(tmp_path / "2", exact)
    releases = [
        np.load(tmp_path / side / "clinics/east/ledger/releases/small-study.1.npy")
        for side in ("1", "2")
    ]
    assert not np.array_equal(*releases)
    assert first.privacy == again.privacy


def test_run_again_on_its_folder_a_study_is_not_run_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    ledger = (tmp_path / "clinics" / "east" / "ledger" / "ledger.jsonl").read_bytes()
    assert run(tmp_path, seed=99).body_sha256 == first.body_sha256
    assert (tmp_path / "clinics" / "east" / "ledger" / "ledger.jsonl").read_bytes() == ledger


def test_a_server_that_lost_its_folder_gets_the_same_releases_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    for path in (tmp_path / "server").iterdir():
        path.unlink()
    assert run(tmp_path, seed=99).shared.tobytes() == first.shared.tobytes()


def test_every_ledger_holds_what_the_result_says_was_spent(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.privacy.releases == 2
    assert result.privacy.epsilon == pytest.approx(8.0)
    for clinic in PROTOCOL.members:
        folder = tmp_path / "clinics" / clinic.name / "ledger"
        with Ledger.open(folder, mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
            assert ledger.mu_spent() == pytest.approx(result.privacy.mu)
        records = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
        assert [one["kind"] for one in records] == ["open", *["debit", "receipt"] * 2]


def test_the_verifier_finds_every_ledger_whole_and_an_altered_one_not(tmp_path: Path) -> None:
    run(tmp_path)
    assert verify(tmp_path).holds
    path = tmp_path / "clinics" / "north" / "ledger" / "ledger.jsonl"
    path.write_text(path.read_text().replace('"round":1', '"round":3', 1))
    assert not verify(tmp_path).holds


def test_privacy_is_counted_from_releases_and_not_copied_from_the_protocol() -> None:
    one, two = privacy_spent(PROTOCOL, 1), privacy_spent(PROTOCOL, 2)
    assert one.epsilon < 0.7 * two.epsilon
    assert two.epsilon == pytest.approx(8.0)
    assert two.epsilon == epsilon_of_mu(two.mu, two.delta)
    assert two.pld_epsilon == pytest.approx(two.epsilon, abs=1e-3)
    assert two.replace_one_epsilon == pytest.approx(19.1, abs=0.05)
    assert two.two_site_epsilon == pytest.approx(12.3, abs=0.05)


def test_each_clinic_s_heads_lie_in_its_own_store(tmp_path: Path) -> None:
    run(tmp_path)
    for clinic, patients in small_people().items():
        store = HeadStore(tmp_path / "clinics" / clinic)
        assert len(store.pseudonyms()) == len(patients)
        for one in patients:
            head = store.get(one.patient)
            assert head is not None
            assert np.array_equal(head.theta, one.head.theta)


def test_a_clinic_without_enough_patients_is_left_out_and_said(tmp_path: Path) -> None:
    strict = protocol_with(("release:", "cohorts: {minimum_patients: 5}\nrelease:"))
    result = run(tmp_path, strict)
    assert result.rounds[0].took_part == ("north", "west")
    assert result.rounds[0].refused == {"east": "REFUSED"}
    assert result.rounds[0].declared_patients == 14
    assert "4 enrolled patients" in (tmp_path / "clinics/east/agent.log").read_text()


def test_under_privacy_a_study_still_learns(tmp_path: Path) -> None:
    """Forty people a clinic: the loss falls well below that of the start, epsilon 8."""
    big = protocol_with(*[(f"declared_patients: {n}", "declared_patients: 40") for n in (5, 8, 6)])
    people = {
        one.name: [small_person(one.name, number) for number in range(40)] for one in big.members
    }
    before = loss(RidgeVector().start(), people)
    best = loss(run_without_privacy(big, people, RidgeVector(), rounds=50), people)
    after = loss(run(tmp_path, big, people).shared, people)
    assert before - after > 0.75 * (before - best)


def test_without_privacy_the_mean_row_is_taken() -> None:
    people = small_people()
    everybody = [one for clinic in ("east", "north", "west") for one in people[clinic]]
    start = RidgeVector().start()
    rows = RidgeVector().rows(start, everybody)
    once = run_without_privacy(PROTOCOL, people, RidgeVector(), rounds=1)
    assert once == pytest.approx(start + rows.mean(axis=0), rel=1e-12)
    clipped = rows * np.minimum(1.0, 0.1 / np.linalg.norm(rows, axis=1, keepdims=True))
    short = run_without_privacy(PROTOCOL, people, RidgeVector(), rounds=1, clip_norm=0.1)
    assert short == pytest.approx(start + clipped.mean(axis=0), rel=1e-12)


def test_without_privacy_rounds_lead_to_where_rows_vanish() -> None:
    people = small_people()
    shared = run_without_privacy(PROTOCOL, people, RidgeVector(), rounds=200)
    everybody = [one for group in people.values() for one in group]
    assert np.abs(RidgeVector().rows(shared, everybody).mean(axis=0)).max() < 1e-9


def test_without_privacy_a_row_of_nothing_stays_nothing() -> None:
    zero = np.zeros(3)

    class Still(RidgeVector):
        def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
            return np.zeros((len(patients), 3))

    shared = run_without_privacy(PROTOCOL, small_people(), Still(), rounds=3, clip_norm=0.5)
    assert (shared - RidgeVector().start()).tolist() == zero.tolist()


def test_nobody_cannot_be_averaged() -> None:
    nobody: People = {"east": [], "north": [], "west": []}
    with pytest.raises(Failure, match="no enrolled patient"):
        run_without_privacy(PROTOCOL, nobody, RidgeVector(), rounds=1)


def test_an_agent_cannot_be_told_to_leave_the_noise_out(tmp_path: Path) -> None:
    """No value of `noise` makes an agent release the bare sum."""

    class Silent:
        label = "simulated"

        def integers(self, scale: float, size: int) -> None:
            return None

    people = small_people()
    for planted in (None, lambda number: None, lambda number: Silent()):
        with (
            agents_of(
                PROTOCOL,
                people,
                RidgeVector(),
                tmp_path / "clinics",
                lambda clinic, planted=planted: planted,  # type: ignore[misc]
                lambda: 1.0,
            ) as agents,
            pytest.raises(Failure, match="0 releases"),
        ):
            run_federation(PROTOCOL, agents, tmp_path, RidgeVector())


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    vector, noise = RidgeVector(), noise_of(PROTOCOL, 1)
    clinics = tmp_path / "clinics"
    with agents_of(PROTOCOL, small_people(), vector, clinics, noise, lambda: 1.0) as agents:
        run_federation(
            PROTOCOL, agents, tmp_path, vector, lambda done, total: told.append((done, total))
        )
    assert told == [(1, 2), (2, 2)]


def test_one_patient_changes_no_other_clinic_s_release(tmp_path: Path) -> None:
    people = small_people()
    fewer = {**people, "east": people["east"][1:]}
    run(tmp_path / "all", people=people)
    run(tmp_path / "fewer", people=fewer)
    name = "ledger/releases/small-study.1.npy"
    for clinic, same in (("east", False), ("north", True), ("west", True)):
        sides = [np.load(tmp_path / side / "clinics" / clinic / name) for side in ("all", "fewer")]
        assert np.array_equal(*sides) is same


def test_the_order_in_which_agents_are_given_does_not_matter(tmp_path: Path) -> None:
    vector, noise = RidgeVector(), noise_of(PROTOCOL, 7)
    clinics = tmp_path / "2" / "clinics"
    with agents_of(PROTOCOL, small_people(), vector, clinics, noise, lambda: 1.0) as agents:
        turned = run_federation(PROTOCOL, agents[::-1], tmp_path / "2", vector)
    assert turned.shared.tobytes() == run(tmp_path / "1").shared.tobytes()


def test_a_body_goes_the_same_way(tmp_path: Path) -> None:
    body = protocol_with(("kind: adapter", "kind: body"))
    vector = RidgeVector(kind="body")
    result = run(tmp_path, body, vector=vector)
    assert result.privacy == privacy_spent(body, 2)
    assert np.isfinite(result.shared).all()
