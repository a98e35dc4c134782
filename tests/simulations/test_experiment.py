import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from client.head_store import HeadStore
from models.adapter import Adapter
from models.heads import BOOK_PRIOR
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.sensitivity import max_leave_one_out
from privacy.verifier import verify
from server.run_record import COHORTS, MODELS, RunRecord, read_run_record
from simulations.cli import app, score_page
from simulations.experiment import Settings, run_study
from simulations.judges import judged_at_home
from simulations.people import ClinicPeople, gather, refitted
from study.failure import ExitCode, Failure
from study.head_prior_file import PRIOR_FILE, read_prior
from study.protocol import Clinic, Protocol, parse_protocol, read_protocol
from study.public_start import read_public_start

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 3
    source: {layout: virtual, groups: [child, adolescent], patients: 4, days: 5, seed: 31}
    hold_out_patients: 1
  - name: lagoon
    declared_patients: 3
    source: {layout: virtual, groups: [child, adolescent], patients: 3, days: 5, seed: 32}
  - name: far-shore
    declared_patients: 2
    role: observer
    source: {layout: virtual, groups: [adolescent], patients: 2, days: 5, seed: 33}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
server: {quorum: 2}
"""


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return parse_protocol(PROTOCOL)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("virtual-clinics")


@pytest.fixture(scope="module")
def clinics(protocol: Protocol, cache: Path) -> list[ClinicPeople]:
    return gather(protocol, Path("."), cache, lambda step: None)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the command says of a whole run."""
    folder = tmp_path_factory.mktemp("runs")
    path = folder / "tiny.yaml"
    path.write_text(PROTOCOL)
    said = CliRunner().invoke(app, ["run", str(path), "--out", str(folder / "tiny"), "--json"])
    assert said.exit_code == 0, said.output
    found: dict[str, object] = json.loads(said.stdout)
    return found


@pytest.fixture(scope="module")
def run_dir(spoken: dict[str, object]) -> Path:
    return Path(str(spoken["run"]))


@pytest.fixture(scope="module")
def record(run_dir: Path) -> RunRecord:
    return read_run_record(run_dir)


@pytest.mark.slow
def test_every_model_is_scored_on_every_cohort(record: RunRecord) -> None:
    scored = {(one.cohort, one.model, one.horizon_min) for one in record.scores}
    everything = {(c, m, h) for c in COHORTS for m in MODELS for h in (30, 60, 120)}
    assert scored == everything


@pytest.mark.slow
def test_the_run_folder_has_what_readers_rely_on(run_dir: Path, record: RunRecord) -> None:
    for name in ("run.json", "report.html", "protocol.yaml", "body.safetensors", "server"):
        assert (run_dir / name).exists(), name
    assert {one.name for one in (run_dir / "clinics").iterdir()} == {"harbour", "lagoon"}
    assert record.noise == "exact" and record.privacy.epsilon == pytest.approx(8.0)
    assert set(record.adoption) == {"harbour", "lagoon"}
    assert all((run_dir / "clinics" / one / "adoption.json").is_file() for one in record.adoption)


@pytest.mark.slow
def test_every_ledger_of_the_run_verifies(run_dir: Path) -> None:
    verdict = verify(run_dir)
    assert verdict.holds and len(verdict.ledgers) == 2


@pytest.mark.slow
def test_the_observer_is_scored_and_takes_no_part(record: RunRecord) -> None:
    assert {one.clinic for one in record.scores if one.cohort == "new_clinic"} == {
        "far-shore",
        "all",
    }
    assert all("far-shore" not in one.took_part for one in record.rounds)


@pytest.mark.slow
def test_a_forecast_beats_persistence_on_virtual_children(record: RunRecord) -> None:
    rmse = {
        one.model: one.rmse_mg_dl
        for one in record.scores
        if (one.cohort, one.clinic, one.horizon_min) == ("same_patients", "all", 30)
    }
    assert rmse["pretrained"] < 0.85 * rmse["persistence"]


@pytest.mark.slow
def test_heads_are_kept_at_home_and_encrypted(run_dir: Path, clinics: list[ClinicPeople]) -> None:
    person = clinics[0].members[0]
    store = HeadStore(run_dir / "clinics" / "harbour")
    kept = store.get(person.trace.patient)
    assert kept is not None
    np.testing.assert_array_equal(kept.theta, person.head.theta)
    everything = b"".join(p.read_bytes() for p in run_dir.rglob("*") if p.is_file())
    assert person.head.theta.tobytes() not in everything


@pytest.mark.slow
def test_a_table_for_each_scored_cohort(record: RunRecord) -> None:
    table = score_page(record, "same_patients")
    assert table is not None and table.row_count == len(MODELS)
    assert score_page(record.model_copy(update={"scores": ()}), "same_patients") is None


@pytest.mark.slow
def test_one_patient_moves_a_clinics_sum_by_no_more_than_the_clip_norm(
    protocol: Protocol, clinics: list[ClinicPeople]
) -> None:
    """Leave-one-out over real twins; then the same with a site-level scaling planted."""
    adapter = read_public_start().shared_vector(protocol)
    patients = [one.data for one in clinics[0].members + clinics[0].new]

    def rows_of(chosen: Sequence[PatientData]) -> FloatArray:
        return 40.0 * adapter.rows(adapter.start(), chosen)

    own = {one.patient: rows_of([one])[0] for one in patients}
    own[patients[0].patient] *= 100.0

    def scaled_by_the_site(chosen: Sequence[PatientData]) -> FloatArray:
        rows = np.array([own[one.patient] for one in chosen]).reshape(-1, adapter.dimension)
        return rows / max(rows.std(), 1e-9) if len(rows) else rows

    assert isinstance(adapter, Adapter)
    assert max_leave_one_out(rows_of, patients, 0.5) <= 0.5 * (1 + 1e-6)
    assert max_leave_one_out(scaled_by_the_site, patients, 0.5) > 1.2 * 0.5


@pytest.mark.slow
def test_a_site_level_head_breaks_the_bound(
    protocol: Protocol, clinics: list[ClinicPeople]
) -> None:
    adapter = read_public_start().shared_vector(protocol)
    patients = [one.data for one in clinics[0].members + clinics[0].new]
    own = {one.patient: adapter.rows(adapter.start(), [one])[0] for one in patients}

    def with_a_common_head(chosen: Sequence[PatientData]) -> FloatArray:
        if not chosen:
            return np.zeros((0, adapter.dimension))
        site = np.sum([own[one.patient] for one in chosen], axis=0)
        return np.stack([1e3 * (own[one.patient] + site) for one in chosen])

    assert max_leave_one_out(with_a_common_head, patients, 0.5) > 1.1 * 0.5


@pytest.mark.slow
def test_adoption_is_judged_on_training_days(clinics: list[ClinicPeople]) -> None:
    person = clinics[0].members[0]
    judged = judged_at_home(person)
    assert judged.test.origin.max() == person.train.origin.max()
    assert not set(judged.test.origin) & set(person.test.origin)
    assert not set(judged.test.origin) & set(judged.train.origin)


@pytest.mark.slow
def test_nobody_to_enrol_is_a_failure(protocol: Protocol, cache: Path, tmp_path: Path) -> None:
    short = [
        replace_days(clinic, 1) if clinic.name == "lagoon" else clinic
        for clinic in protocol.clinics
    ]
    starved = protocol.model_copy(update={"clinics": tuple(short)})
    with pytest.raises(Failure, match=r"nobody to enrol in \['lagoon'\]") as caught:
        run_study(
            starved, read_public_start(), Settings(Path("."), tmp_path, cache), lambda step: None
        )
    assert caught.value.code is ExitCode.BAD_DATA and not (tmp_path / "run.json").exists()


def replace_days(clinic: Clinic, days: int) -> Clinic:
    return clinic.model_copy(
        update={"source": clinic.source.model_copy(update={"days": days, "patients": 1})}
    )


@pytest.mark.slow
def test_the_command_says_what_it_wrote(spoken: dict[str, object], record: RunRecord) -> None:
    assert spoken["study"] == "tiny" and spoken["body_sha256"] == record.body_sha256
    assert (Path(str(spoken["run"])) / "report.html").stat().st_size > 10_000


@pytest.fixture(scope="module")
def prior_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A whole run that teaches a prior of heads, with noise so small that something is learned."""
    text = PROTOCOL.replace("kind: adapter, rounds: 2", "kind: prior, rounds: 1")
    text = text.replace("clip_norm: 0.5, dimension: 16", "clip_norm: 1.5, dimension: 18")
    text = text.replace("epsilon: 8.0", "epsilon: 50.0")
    out = tmp_path_factory.mktemp("runs") / "prior"
    settings = Settings(Path("."), out, cache)
    run_study(parse_protocol(text), read_public_start(), settings, lambda step: None)
    return out


@pytest.mark.slow
def test_a_study_may_teach_the_population_of_heads(prior_run: Path, record: RunRecord) -> None:
    learned = read_prior(prior_run / PRIOR_FILE)
    assert np.abs((learned.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd).max() > 0.1
    np.testing.assert_allclose(learned.covariance, BOOK_PRIOR.covariance)
    assert verify(prior_run).holds
    found = read_run_record(prior_run)
    scores = {(s.cohort, s.clinic, s.horizon_min, s.model): s.rmse_mg_dl for s in found.scores}
    places = {place[:3] for place in scores}
    assert any(scores[*p, "federated_dp"] != scores[*p, "pretrained"] for p in places)


@pytest.mark.slow
def test_without_refitted_heads_such_a_study_would_change_no_forecast(
    prior_run: Path, clinics: list[ClinicPeople]
) -> None:
    """What the test above would miss if heads were not fitted again under the prior."""
    prior = read_prior(prior_run / PRIOR_FILE)
    protocol = read_protocol(prior_run / "protocol.yaml")
    after = refitted(clinics[0], protocol, prior)
    pairs = zip(clinics[0].members, after.members, strict=True)
    assert all(not np.array_equal(a.test.start, b.test.start) for a, b in pairs)
    assert [one.trace.patient for one in after.new] == [one.trace.patient for one in clinics[0].new]


@pytest.mark.slow
@pytest.mark.parametrize("about", ["book", "virtual"])
@pytest.mark.parametrize("dimension", [18, 36])
def test_real_rows_of_heads_move_the_sum_by_the_clip_norm_at_most(
    clinics: list[ClinicPeople], about: str, dimension: int
) -> None:
    """Heads that were really fitted, and patients whom nobody should meet."""
    kind = f"kind: prior, public_prior: {about}, rounds: 1, clip_norm: 1.5, dimension: {dimension}"
    text = PROTOCOL.replace("kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16", kind)
    vector = read_public_start().shared_vector(parse_protocol(text))
    people = [one.data for clinic in clinics for one in clinic.members + clinic.new]
    wild = people[0]
    people += [
        replace(wild, head=replace(wild.head, theta=wild.head.theta * 1e30)),
        replace(wild, head=replace(wild.head, theta=np.full_like(wild.head.theta, np.nan))),
        replace(wild, head=replace(wild.head, identified=False)),
        replace(wild, doubt=np.full((18, 18), np.inf)),
        replace(wild, doubt=None),
        replace(wild, windows=wild.windows.where(np.zeros(0, dtype=np.int64))),
    ]

    def rows(enrolled: Sequence[PatientData]) -> FloatArray:
        return vector.rows(vector.start(), enrolled)

    moved = max_leave_one_out(rows, people, clip_norm=1.5)
    assert 0.5 < moved <= 1.5 * (1 + 1e-6)
