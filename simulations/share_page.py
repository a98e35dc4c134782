"""What privacy leaves of a federation's gain, written down: as plain values and as a table."""

from collections.abc import Iterator
from statistics import mean

import numpy as np

from models.trace import FloatArray
from simulations.share_of_gain import COHORTS, Shares


def as_dict(shares: Shares) -> dict[str, object]:
    """Plain values: gains in mg/dL and shares kept in per cent, by cohort and horizon."""
    return {
        "study": shares.protocol.study,
        "release": shares.release(shares.epsilons[0]).model_dump(mode="json"),
        "sites": len(shares.protocol.members),
        "patients": round(mean(one.declared_patients for one in shares.protocol.members)),
        "delta": shares.protocol.privacy.delta,
        "horizons_min": list(shares.protocol.horizons_min),
        "splits": len(shares.gains),
        "draws_a_split": len(shares.draws) // (len(shares.gains) * len(shares.epsilons)),
        "gain_without_privacy_mg_dl": _by_cohort(shares.gains.mean(axis=0)),
        "epsilons": [_at(shares, epsilon) for epsilon in shares.epsilons],
    }


def _at(shares: Shares, epsilon: float) -> dict[str, object]:
    kept = 100.0 * shares.kept(epsilon)
    return {
        "epsilon": epsilon,
        "release": shares.release(epsilon).model_dump(mode="json"),
        "kept_pct": _by_cohort(kept.mean(axis=0)),
        "kept_sd_pct": _by_cohort(kept.std(axis=0)),
        "worst_clinic_gain_mg_dl": shares.worst_clinic(epsilon).tolist(),
        "clinics_worse_off_pct": (100.0 * shares.worse_off(epsilon)).tolist(),
        "taken_up_at_home_pct": 100.0 * shares.taken_up(epsilon),
        "worst_clinic_at_home_mg_dl": shares.worst_clinic(epsilon, at_home=True).tolist(),
        "clinics_worse_off_at_home_pct": (100.0 * shares.worse_off(epsilon, at_home=True)).tolist(),
    }


def _by_cohort(values: FloatArray) -> dict[str, list[float]]:
    return {cohort: row.tolist() for cohort, row in zip(COHORTS, values, strict=True)}


def markdown(shares: Shares) -> str:
    """A table in Markdown: one row an epsilon, horizons side by side."""
    return "\n".join(_lines(shares)) + "\n"


def _lines(shares: Shares) -> Iterator[str]:
    protocol = shares.protocol
    horizons = " / ".join(str(one) for one in protocol.horizons_min)
    yield (
        f"`{protocol.study}`, releases of kind {shares.release(shares.epsilons[0]).kind}: "
        f"{len(shares.gains)} splits, {len(shares.draws) // len(shares.epsilons)} draws an epsilon."
    )
    same, new = (_slashed(row, "{:.2f}") for row in shares.gains.mean(axis=0))
    yield f"Gain without privacy at {horizons} min, mg/dL: {same} on members, {new} on new people."
    yield ""
    yield (
        "| epsilon | numbers, releases, clip | kept by members, % | by new people, % "
        "| worst clinic, mg/dL | clinics and draws worse off, % | taken up at home, % "
        "| worst clinic then, mg/dL | worse off then, % |"
    )
    yield "|---" * 9 + "|"
    for epsilon in shares.epsilons:
        kept = 100.0 * shares.kept(epsilon)
        cells = [
            " / ".join(f"{m:.0f}±{s:.0f}" for m, s in zip(*pair, strict=True))
            for pair in zip(kept.mean(axis=0), kept.std(axis=0), strict=True)
        ]
        cells.append(_slashed(shares.worst_clinic(epsilon), "{:.2f}"))
        cells.append(_slashed(100.0 * shares.worse_off(epsilon), "{:.0f}"))
        cells.append(f"{100.0 * shares.taken_up(epsilon):.0f}")
        cells.append(_slashed(shares.worst_clinic(epsilon, at_home=True), "{:.2f}"))
        cells.append(_slashed(100.0 * shares.worse_off(epsilon, at_home=True), "{:.0f}"))
        release = shares.release(epsilon)
        settings = f"{release.dimension}, {release.rounds}, {release.clip_norm:g}"
        yield f"| {epsilon:g} | {settings} | " + " | ".join(cells) + " |"


def _slashed(values: FloatArray, form: str) -> str:
    return " / ".join(form.format(one) for one in np.asarray(values))
