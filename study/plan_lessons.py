"""How far twins go wrong about the settings that a plan moves: a shipped, small file.

Twins as a clinic makes them were held against virtual adults of both worlds, some with settings
that are amiss; `simulations/plan_teachers.py` made the file. Each lesson's features are the size of
the effect as the twin says it and what the twin leaves of the readings (models/size_doubt.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.effect import EffectCalibration
from models.heads import NAMES
from models.size_doubt import FEATURES, KINDS
from study.effect_lessons import calibration_of, plain_of
from study.failure import ExitCode, Failure

SHIPPED = Path(__file__).parent / "artefacts" / "plan_lessons.json"


@dataclass(frozen=True)
class PlanLessons:
    """A lesson for each kind of lever, and the number of virtual adults who taught them."""

    teachers: int
    calibrations: Mapping[str, EffectCalibration] = field(repr=False)


def write_plan_lessons(lessons: PlanLessons, path: Path) -> None:
    """As JSON; numbers are kept to the last bit."""
    plain = {
        "parameters": list(NAMES),
        "teachers": lessons.teachers,
        "kinds": {kind: plain_of(one) for kind, one in lessons.calibrations.items()},
    }
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def read_plan_lessons(path: Path = SHIPPED) -> PlanLessons:
    """What `write_plan_lessons` wrote. A Failure where it is missing or of another twin."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        named = plain["parameters"]
        kinds = {kind: calibration_of(plain["kinds"][kind], FEATURES) for kind in KINDS}
        lessons = PlanLessons(int(plain["teachers"]), kinds)
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    if named != list(NAMES):
        raise _unusable(path, f"they are of twins with parameters {named}")
    return lessons


def _unusable(path: Path, detail: str) -> Failure:
    return Failure(
        found=f"lessons about plans that cannot be used at {path}: {detail}",
        expected="the file that is shipped with this version's twin",
        consequence="No plan was made.",
        remedy="install the package again, or make the file with simulations/plan_teachers.py",
        code=ExitCode.MISSING_INPUT,
    )
