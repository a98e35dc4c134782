"""Simglucose itself, run minute by minute: what the compiled model is held against."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.trace import FloatArray
from study.failure import ExitCode, Failure


def _patient_module() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from simglucose.patient import t1dpatient
    except ImportError as error:
        raise Failure(
            found=f"no simglucose ({error})",
            expected="simglucose 0.2.11 with setuptools below 80",
            consequence="The reference was not run.",
            remedy="install Insula with its extra `reference`.",
            code=ExitCode.MISSING_INPUT,
        ) from error
    return t1dpatient


def reference_glucose(
    name: str, carbs_g: FloatArray, insulin_u: FloatArray, *, as_shipped: bool = False
) -> FloatArray:
    """Subcutaneous glucose (n,) in mg/dL after each minute, computed by simglucose.

    `carbs_g` (n,) is announced and `insulin_u` (n,) infused in a minute. Simglucose reads its
    constants out of a pandas row 60 times per derivative, which is most of its 10 s a day; unless
    `as_shipped`, the same numbers are handed to the same code as plain attributes: equal to the
    last bit, twenty times faster. Raises Failure when simglucose is not installed.
    """
    import pandas as pd

    module = _patient_module()
    table = pd.read_csv(module.PATIENT_PARA_FILE).set_index("Name", drop=False)
    row = table.loc[name]
    if as_shipped:
        patient = module.T1DPatient(row)
    else:
        state = row.iloc[2:15].to_numpy(dtype=np.float64)
        patient = module.T1DPatient(
            SimpleNamespace(**dict(zip(table.columns, row, strict=True))), init_state=state
        )
    glucose = np.empty(len(carbs_g))
    for k, (carbs, insulin) in enumerate(zip(carbs_g, insulin_u, strict=True)):
        patient.step(module.Action(CHO=float(carbs), insulin=float(insulin)))
        glucose[k] = patient.observation.Gsub
    return glucose
