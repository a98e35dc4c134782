"""Makes padova_72h.npz: the 30 public patients over 72 h with meals and boluses, by simglucose.

Run from the repository root, with the extra `reference` installed, about a minute:

    python -m tests.golden.make_padova
"""

from pathlib import Path

import numpy as np

from models.trace import FloatArray
from simulations.padova_parameters import PadovaPatient, public_patients
from simulations.padova_reference import reference_glucose

GOLDEN = Path(__file__).with_name("padova_72h.npz")
HOURS = 72
EVERY_MIN = 15
SEED = 2008


def scenario(patient: PadovaPatient, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Carbohydrate and insulin per minute: meals that overlap, late boluses, pump stops."""
    minutes = 60 * HOURS
    carbs, insulin = np.zeros(minutes), np.full(minutes, patient.basal_u_per_h / 60.0)
    for start in range(0, minutes, 24 * 60):
        stop = start + int(rng.integers(20 * 60))
        insulin[stop : stop + 90] *= rng.choice([0.0, 0.5, 1.5])
        for hour in (7.5, 10.0, 12.5, 12.9, 19.0):
            minute = start + int(60 * hour + rng.integers(-40, 40))
            grams = round(float(rng.uniform(0.1, 0.9)) * patient.weight_kg, 1)
            carbs[minute] += grams
            units = grams / patient.weight_kg * 60.0 * patient.basal_u_per_h / 20.0
            insulin[minute + int(rng.integers(40))] += round(units * rng.uniform(0.2, 0.9), 2)
    return carbs, insulin


def main() -> None:
    """Writes the file next to this script."""
    rng = np.random.default_rng(SEED)
    patients = public_patients()
    inputs = [scenario(patient, rng) for patient in patients]
    glucose = [
        reference_glucose(patient.name, *day)[EVERY_MIN - 1 :: EVERY_MIN]
        for patient, day in zip(patients, inputs, strict=True)
    ]
    np.savez_compressed(
        GOLDEN,
        names=np.array([patient.name for patient in patients]),
        carbs_g=np.array([carbs for carbs, _ in inputs]),
        insulin_u=np.array([insulin for _, insulin in inputs]),
        glucose_mg_dl=np.array(glucose, dtype=np.float32),
    )


if __name__ == "__main__":
    main()
