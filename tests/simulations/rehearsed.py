"""Records of rehearsals with errors of our choosing, for what is made of them."""

from collections.abc import Mapping, Sequence

from server.privacy_spent import privacy_spent
from server.run_record import ClinicEntry, Cohort, Model, RunRecord, Score
from simulations.rehearsal import Rehearsal, StandIns
from study.protocol import parse_protocol

PROTOCOL = parse_protocol("""
study: rehearsed
horizons_min: [30, 60]
clinics:
  - name: harbour
    declared_patients: 12
    source: {layout: uom, folder: harbour}
  - name: lagoon
    declared_patients: 5
    source: {layout: virtual, groups: [child], patients: 6, days: 5, seed: 32}
    hold_out_patients: 1
  - name: headland
    declared_patients: 2
    role: observer
    source: {layout: uom, folder: headland}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
server: {quorum: 2}
""")
ERRORS: Mapping[Model, float] = {
    "persistence": 25.0,
    "pretrained": 20.0,
    "local": 19.0,
    "federated": 18.0,
    "federated_dp": 19.5,
    "federated_dp_local": 18.81,
}
"""RMSE at 30 minutes, mg/dL; twice that at 60."""


def record(errors: Mapping[Model, float], lagoon: float = 1.0) -> RunRecord:
    """One repeat; the errors of lagoon's own patients under the study are `lagoon` times theirs."""
    scores = [
        _score("same_patients", clinic, horizon, model, error * (lagoon if study else 1.0))
        for clinic in ("harbour", "lagoon", "all")
        for horizon in (30, 60)
        for model, error in errors.items()
        for study in [clinic == "lagoon" and model == "federated_dp_local"]
    ]
    scores += [
        _score(cohort, "all", horizon, model, error)
        for cohort in ("new_patients", "new_clinic")
        for horizon in (30, 60)
        for model, error in errors.items()
    ]
    return RunRecord(
        study=PROTOCOL.study,
        seed=1,
        protocol_sha256="0" * 64,
        body_sha256="1" * 64,
        noise="simulated",
        clinics=tuple(ClinicEntry(name=one.name, declared_patients=5) for one in PROTOCOL.clinics),
        rounds=(),
        privacy=privacy_spent(PROTOCOL, PROTOCOL.release.rounds),
        scores=tuple(scores),
        seconds={"people": 38.0, "federation under privacy": 8.0, "rivals": 50.0},
    )


def rehearsal(records: Sequence[RunRecord]) -> Rehearsal:
    """A rehearsal of these repeats."""
    return Rehearsal(PROTOCOL, StandIns(), ("harbour", "headland"), tuple(records))


def scaled(study: float) -> dict[Model, float]:
    """The errors, with the study's own so many times as large."""
    return {
        model: error * (study if model.startswith("federated_dp") else 1.0)
        for model, error in ERRORS.items()
    }


def _score(cohort: Cohort, clinic: str, horizon: int, model: Model, error: float) -> Score:
    return Score(
        cohort=cohort,
        clinic=clinic,
        horizon_min=horizon,
        model=model,
        rmse_mg_dl=error * horizon / 30,
        mard_pct=1.0,
        patients={"all": 19}.get(clinic, 12 if clinic == "harbour" else 7),
    )
