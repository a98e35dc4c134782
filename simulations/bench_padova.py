"""How fast virtual patients are made, beside simglucose in the same run."""

import time
from dataclasses import asdict, dataclass

import numpy as np

from models.trace import FloatArray
from simulations.behaviour import DAY_MIN
from simulations.living import virtual_patient
from simulations.padova_parameters import public_patients
from simulations.padova_reference import reference_glucose
from study.failure import Failure

YEAR_DAYS = 365
REFERENCE_MIN = 4 * 60
SEED = 2026


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of ours, seconds of the rival (None: not installed), their ratio."""

    name: str
    ours_s: float
    rival: str
    rival_s: float | None
    ratio: float | None
    note: str


def rows() -> list[dict[str, str | float | None]]:
    """All comparisons of this module, as plain values."""
    return [asdict(bench_virtual_patient_year())]


def bench_virtual_patient_year() -> Row:
    """One adult's year on one thread, compiled before; simglucose runs four hours, times 2190."""
    virtual_patient("warm", "adult", 1, 0, np.random.SeedSequence(SEED))
    begin = time.perf_counter()
    person = virtual_patient("timed", "adult", YEAR_DAYS, 0, np.random.SeedSequence(SEED))
    ours_s = time.perf_counter() - begin
    carbs_g, insulin_u = person.carbs_g[:REFERENCE_MIN], person.insulin_u[:REFERENCE_MIN]
    rival_s = _reference_year_s(carbs_g, insulin_u, as_shipped=True)
    plain_s = _reference_year_s(carbs_g, insulin_u, as_shipped=False)
    return Row(
        name="virtual_patient_year",
        ours_s=ours_s,
        rival="simglucose 0.2.11",
        rival_s=rival_s,
        ratio=None if rival_s is None else rival_s / ours_s,
        note=(
            "rival not timed: simglucose is not installed (extra `reference`)"
            if plain_s is None
            else "ours: drawing, behaviour, sensor error, glucose, without writing files; rival: "
            f"its patient model alone, {REFERENCE_MIN // 60} h timed and scaled to a year "
            f"({plain_s:.0f} s with its constants as plain attributes instead of a pandas row)"
        ),
    )


def _reference_year_s(
    carbs_g: FloatArray, insulin_u: FloatArray, *, as_shipped: bool
) -> float | None:
    name = public_patients()[10].name
    try:
        reference_glucose(name, carbs_g[:1], insulin_u[:1], as_shipped=as_shipped)
    except Failure:
        return None
    begin = time.perf_counter()
    reference_glucose(name, carbs_g, insulin_u, as_shipped=as_shipped)
    return (time.perf_counter() - begin) * YEAR_DAYS * DAY_MIN / len(carbs_g)
