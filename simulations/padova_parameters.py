"""The 30 public virtual patients of the UVA/Padova model, and the fasting state of any patient.

Of a patient's 32 constants, 27 are free; the rest follow from standing still at the fasting
glucose Gb and insulin Ib (Dalla Man 2007, appendix): what the liver makes is used up, what the pump
infuses is cleared. The free constants plus EGPb, Gb and HEb are what `settle` needs.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.trace import FloatArray

PATIENTS_CSV = Path(__file__).parent / "data" / "padova_patients.csv"
GROUPS = ("child", "adolescent", "adult")
# fmt: off
STATES = (
    "qsto1", "qsto2", "qgut", "gp", "gt", "ip", "action", "i1", "i_delayed", "il",
    "isc1", "isc2", "gsub",
)
CONSTANTS = (
    "BW", "kabs", "kmax", "kmin", "b", "d", "Vg", "Vi", "Vmx", "Km0", "k2", "k1", "p2u",
    "m1", "m2", "m4", "m30", "Ib", "ki", "kp1", "kp2", "kp3", "f", "ke1", "ke2", "Fsnc",
    "Vm0", "kd", "ksc", "ka1", "ka2", "u2ss",
)
# fmt: on
_DERIVED = ("m4", "m30", "kp1", "Vm0", "u2ss")
FREE = (*(name for name in CONSTANTS if name not in _DERIVED), "EGPb", "Gb", "HEb")
_PERIPHERAL_TO_HEPATIC_CLEARANCE = 0.4
PMOL_PER_U = 6000.0


@dataclass(frozen=True)
class PadovaPatient:
    """One virtual patient: `constants` (32,) in the order of CONSTANTS and the units of the paper.

    `fasting_state` (13,) is where glucose and insulin stand still while `basal_u_per_h` runs.
    """

    name: str
    group: str
    constants: FloatArray
    fasting_state: FloatArray

    def constant(self, name: str) -> float:
        """One constant by the name the paper gives it."""
        return float(self.constants[CONSTANTS.index(name)])

    @property
    def weight_kg(self) -> float:
        """Body weight."""
        return self.constant("BW")

    @property
    def basal_u_per_h(self) -> float:
        """Infusion that holds the fasting glucose: u2ss (pmol/kg/min) in U/h."""
        return self.constant("u2ss") * self.weight_kg / PMOL_PER_U * 60.0

    @property
    def fasting_glucose_mg_dl(self) -> float:
        """Glucose that the fasting state holds."""
        return float(self.fasting_state[STATES.index("gsub")]) / self.constant("Vg")


@cache
def _rows() -> tuple[dict[str, str], ...]:
    with PATIENTS_CSV.open(newline="", encoding="utf-8") as handle:
        return tuple(csv.DictReader(handle))


@cache
def public_patients() -> tuple[PadovaPatient, ...]:
    """The 30 patients of simglucose's parameter file, in its order.

    Source and licence: simulations/data/NOTICE.md.
    """
    return tuple(
        PadovaPatient(
            name=row["Name"],
            group=row["Name"].split("#")[0],
            constants=np.array([float(row[name]) for name in CONSTANTS]),
            fasting_state=np.array([float(row[f"x0_{i + 1}"]) for i in range(len(STATES))]),
        )
        for row in _rows()
    )


@cache
def free_constants(group: str) -> FloatArray:
    """Free constants (patients, 30) of the public patients of one group, columns as in FREE."""
    rows = [row for row in _rows() if row["Name"].startswith(f"{group}#")]
    return np.array([[float(row[name]) for name in FREE] for row in rows])


def settle(name: str, group: str, free: Mapping[str, float]) -> PadovaPatient:
    """The patient with these free constants, at rest at glucose Gb (mg/dL) and insulin Ib (pmol/L).

    Each line solves one of the 13 equations for dx/dt = 0 without food.
    """
    c = dict(free)
    c["m4"] = _PERIPHERAL_TO_HEPATIC_CLEARANCE * c["m2"]
    c["m30"] = c["m1"] * c["HEb"] / (1.0 - c["HEb"])
    gp, ip = c["Gb"] * c["Vg"], c["Ib"] * c["Vi"]
    gt = (c["Fsnc"] - c["EGPb"] + c["k1"] * gp) / c["k2"]
    il = c["m2"] * ip / (c["m1"] + c["m30"])
    c["kp1"] = c["EGPb"] + c["kp2"] * gp + c["kp3"] * c["Ib"]
    c["Vm0"] = (c["EGPb"] - c["Fsnc"]) * (c["Km0"] + gt) / gt
    c["u2ss"] = (c["m2"] + c["m4"]) * ip - c["m1"] * il
    isc1 = c["u2ss"] / (c["kd"] + c["ka1"])
    isc2 = c["kd"] * isc1 / c["ka2"]
    state = np.array([0.0, 0.0, 0.0, gp, gt, ip, 0.0, c["Ib"], c["Ib"], il, isc1, isc2, gp])
    return PadovaPatient(name, group, np.array([c[name] for name in CONSTANTS]), state)
