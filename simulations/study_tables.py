"""One study in Markdown over several seeds: every figure a mean, its spread beside it.

A single run under privacy is one draw of the noise. Written by `make studies`.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from server.run_record import ALL_CLINICS, COHORTS, MODELS, Cohort, Model, RunRecord, Score
from server.run_record import read_run_record as read
from study.failure import ExitCode, Failure

CLINIC_MODELS: tuple[Model, ...] = (
    "pretrained",
    "local",
    "federated",
    "federated_dp",
    "federated_dp_local",
)
Key = tuple[Cohort, str, int, Model]


@dataclass(frozen=True)
class Study:
    """Several runs of one protocol, by seed."""

    records: tuple[RunRecord, ...]

    @property
    def horizons_min(self) -> list[int]:
        """Horizons scored, shortest first."""
        return sorted({score.horizon_min for score in self.records[0].scores})

    def values(self, key: Key, of: Callable[[Score], float]) -> list[float]:
        """One value a seed; empty where nobody was scored."""
        return [
            of(score)
            for record in self.records
            for score in record.scores
            if (score.cohort, score.clinic, score.horizon_min, score.model) == key
        ]

    def cell(self, key: Key) -> str:
        """RMSE mean and, of several seeds, its standard deviation, mg/dL."""
        return with_spread(self.values(key, lambda score: score.rmse_mg_dl))


def read_study(runs: Sequence[Path]) -> Study:
    """The runs of one protocol; Failure where they are of several."""
    records = tuple(read(run) for run in runs)
    protocols = {record.protocol_sha256 for record in records}
    if len(protocols) != 1:
        raise Failure(
            found=f"runs of {len(protocols)} protocols in {[str(run) for run in runs]}",
            expected="one protocol at several seeds",
            consequence="No table was written.",
            remedy="name the run folders of one study, made since its protocol last changed",
            code=ExitCode.BAD_DATA,
        )
    return Study(records)


def with_spread(values: Sequence[float]) -> str:
    """`12.34`, or `12.34 (0.05)` with the standard deviation over seeds; `-` for nothing."""
    if not values:
        return "-"
    spread = f" ({stdev(values):.2f})" if len(values) > 1 else ""
    return f"{mean(values):.2f}{spread}"


def markdown(study: Study) -> str:
    """The whole page."""
    record = study.records[0]
    spent = record.privacy
    seeds = ", ".join(str(one.seed) for one in study.records)
    opening = (
        f"# {record.study}\n\nRMSE in mg/dL, mean over people; seeds {seeds}; in brackets the "
        f"standard deviation over seeds and noise. Epsilon {spent.epsilon:.3g} at delta "
        f"{spent.delta:g}, the {spent.unit} as the unit, {spent.releases} release(s), "
        f"{record.noise} noise. Written by `make studies`.\n"
    )
    parts = [opening, *(_cohort_page(study, cohort) for cohort in COHORTS)]
    return "\n".join([*parts, _clinic_page(study), _kept_page(study), _adoption_page(study)])


def _cohort_page(study: Study, cohort: Cohort) -> str:
    rows = [
        [model, *(study.cell((cohort, ALL_CLINICS, h, model)) for h in study.horizons_min)]
        for model in MODELS
        if study.values((cohort, ALL_CLINICS, study.horizons_min[0], model), _rmse)
    ]
    header = ["model", *(f"{h} min" for h in study.horizons_min)]
    return f"## {cohort.replace('_', ' ').capitalize()}\n\n{table(header, rows)}"


def _clinic_page(study: Study) -> str:
    """Each clinic's own people: who gained, and who did not."""
    rows = [
        [
            f"{clinic}, {horizon_min} min",
            *(study.cell((cohort, clinic, horizon_min, model)) for model in CLINIC_MODELS),
        ]
        for clinic in study.records[0].clinic_names
        for cohort in ("same_patients", "new_clinic")
        for horizon_min in study.horizons_min
        if study.values((cohort, clinic, horizon_min, "pretrained"), _rmse)
    ]
    return f"## Each clinic\n\n{table(['clinic', *CLINIC_MODELS], rows)}"


def _kept_page(study: Study) -> str:
    rows = [
        [cohort.replace("_", " "), *(f"{100 * kept:.0f} %" for kept in _kept(study, cohort))]
        for cohort in ("same_patients", "new_patients")
    ]
    header = ["of the non-private gain, privacy keeps", *(f"{h} min" for h in study.horizons_min)]
    return f"## The price of privacy\n\n{table(header, rows)}"


def _kept(study: Study, cohort: Cohort) -> Iterator[float]:
    """Gain over the public start under privacy, relative to that without, per horizon."""
    for horizon_min in study.horizons_min:
        start, free, private = (
            mean(study.values((cohort, ALL_CLINICS, horizon_min, model), _rmse))
            for model in ("pretrained", "federated", "federated_dp")
        )
        yield (start - private) / (start - free)


def _adoption_page(study: Study) -> str:
    """How often each clinic's check at home took the new body."""
    rows = [
        [clinic, f"{sum(one.adoption[clinic] == 'new' for one in study.records)}"]
        for clinic in study.records[0].adoption
    ]
    header = ["clinic", f"kept the new body, of {len(study.records)} runs"]
    return f"## Checked at home\n\n{table(header, rows)}"


def _rmse(score: Score) -> float:
    return score.rmse_mg_dl


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main() -> None:
    """Write the page of the run folders named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(markdown(read_study(options.runs)))


if __name__ == "__main__":
    main()
