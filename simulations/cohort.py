"""Virtual clinics by specification: made once, kept under a hash of everything that makes them.

A cached clinic is `<cache>/<hash>/` with `clinic/` (what a client may read, in the layout of
T1D-UOM), `truth.npz` (for evaluators) and `manifest.json` (the specification, rejected patients and
the SHA-256 of every file). A folder whose files no longer match its manifest is made again.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

import numpy as np

from models.trace import FloatArray
from simulations.clinic_files import write_clinic
from simulations.living import VirtualPatient, virtual_patient
from simulations.padova_parameters import GROUPS, PATIENTS_CSV
from simulations.padova_world import WORLDS, World
from study.failure import ExitCode, Failure

CODE_VERSION = 1
"""To be raised with every change of what a specification makes; caches made before are left."""

FACTORS = ("sensitivity", "production", "emptying")
CLINIC, TRUTH, MANIFEST = "clinic", "truth.npz", "manifest.json"

Progress = Callable[[int, int], None]
"""Called with (patients done, patients in all)."""


@dataclass(frozen=True)
class CohortSpec:
    """What makes a virtual clinic. Patients take the `groups` in turn; its clock is UTC."""

    time_zone: ClassVar[str] = "UTC"

    groups: tuple[str, ...]
    patients: int
    days: int
    seed: int
    world: World = "A"
    first_day: date = date(2024, 1, 8)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.groups) - set(GROUPS))
        if unknown or not self.groups:
            raise _refused(f"groups {list(self.groups)}", f"one or more of {list(GROUPS)}")
        if not 1 <= self.patients <= 999:
            raise _refused(f"{self.patients} patients", "1 to 999")
        if self.days < 1:
            raise _refused(f"{self.days} days", "1 or more")
        if self.seed < 0:
            raise _refused(f"seed {self.seed}", "0 or more")
        if self.world not in WORLDS:
            raise _refused(f"world {self.world!r}", f"one of {list(WORLDS)}")

    def as_dict(self) -> dict[str, object]:
        """The specification as plain values."""
        return asdict(self) | {"first_day": self.first_day.isoformat()}

    @property
    def digest(self) -> str:
        """SHA-256 of the specification, the patients' parameters and the version of this code."""
        parameters = hashlib.sha256(PATIENTS_CSV.read_bytes()).hexdigest()
        return _sha256({"spec": self.as_dict(), "parameters": parameters, "code": CODE_VERSION})

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Names of the patients, digits only: other specifications have other names."""
        clinic = int(_sha256(self.as_dict())[:12], 16) % 9000 + 1000
        return tuple(f"{clinic}{i + 1:03d}" for i in range(self.patients))


def _sha256(values: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _refused(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="No virtual clinic was made.",
        remedy="correct the specification of the virtual clinic.",
        code=ExitCode.BAD_PROTOCOL,
    )


def draw_cohort(spec: CohortSpec, progress: Progress) -> tuple[VirtualPatient, ...]:
    """The patients of a specification in memory; patient i depends on the seed and i alone."""
    made: list[VirtualPatient] = []
    for i, identifier in enumerate(spec.identifiers):
        seed = np.random.SeedSequence([spec.seed, i])
        group = spec.groups[i % len(spec.groups)]
        weekday = spec.first_day.weekday()
        made.append(virtual_patient(identifier, group, spec.days, weekday, seed, spec.world))
        progress(i + 1, spec.patients)
    return tuple(made)


def virtual_clinic(spec: CohortSpec, cache: Path, progress: Progress) -> Path:
    """Folder of the clinic's files in the `uom` layout, from the cache or made now."""
    home = cache / spec.digest[:16]
    if not _intact(home):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as making:
            fresh = Path(making) / home.name
            _make(spec, fresh, progress)
            _put_in_place(fresh, home)
    return home / CLINIC


def truth_of(clinic: Path) -> dict[str, FloatArray]:
    """The truth behind a clinic folder that `virtual_clinic` returned; for evaluators only.

    Per patient `<id>/`: glucose_mg_dl (n / 5,), carbs_g and insulin_u (n,) per minute, constants
    (32,), fasting_state (13,) and first_minute, the minute of the first hour at which row 0 stands.
    In world B also the conditions: sensitivity, production and emptying, (n,) per minute.
    """
    with np.load(clinic.parent / TRUTH) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _make(spec: CohortSpec, home: Path, progress: Progress) -> None:
    patients = draw_cohort(spec, progress)
    write_clinic(home / CLINIC, patients, spec.first_day)
    np.savez_compressed(home / TRUTH, allow_pickle=False, **_truth(patients, spec.world))
    manifest = {
        "spec": spec.as_dict(),
        "digest": spec.digest,
        "rejected": [asdict(r) for patient in patients for r in patient.rejected],
        "sha256": _hashes(home),
    }
    (home / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def _truth(patients: tuple[VirtualPatient, ...], world: World) -> dict[str, FloatArray]:
    arrays: dict[str, FloatArray] = {}
    for p in patients:
        arrays |= {
            f"{p.identifier}/glucose_mg_dl": p.life.glucose_mg_dl,
            f"{p.identifier}/carbs_g": p.carbs_g,
            f"{p.identifier}/insulin_u": p.insulin_u,
            f"{p.identifier}/constants": p.patient.constants,
            f"{p.identifier}/fasting_state": p.patient.fasting_state,
            f"{p.identifier}/first_minute": np.array(float(p.first_minute)),
        }
        if world == "B":
            factors = p.conditions._asdict()
            arrays |= {f"{p.identifier}/{name}": factors[name] for name in FACTORS}
    return arrays


def _hashes(home: Path) -> dict[str, str]:
    files = sorted(path for path in home.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _intact(home: Path) -> bool:
    try:
        manifest = json.loads((home / MANIFEST).read_text())
        return bool(manifest["sha256"] == _hashes(home))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _put_in_place(fresh: Path, home: Path) -> None:
    """Renames `fresh` to `home`, unless another process has just put an intact one there."""
    if _intact(home):
        return
    shutil.rmtree(home, ignore_errors=True)
    try:
        fresh.rename(home)
    except OSError:
        if not _intact(home):
            raise
