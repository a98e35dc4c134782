"""How far twins went wrong about treatments where the truth is known: a shipped, small file.

Twins as a clinic makes them (14 days, counted carbohydrate, the book's prior, no settings on file)
were asked on virtual adults of both worlds of the effect study; `simulations/site_lessons.py` made
the file. It stands here and not beside the simulator because a clinic reads it and may not import
the simulator: what was learned is data of the study layer, how it is applied is models/effect.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.effect import EffectCalibration
from models.heads import NAMES
from study.failure import ExitCode, Failure

BY_FEATURE = ("slopes", "centres", "widening")
"""What a lesson holds for each feature."""

SHIPPED = Path(__file__).parent / "artefacts" / "effect_lessons.json"


@dataclass(frozen=True)
class EffectLessons:
    """Lessons by change (`basal-20%`, ...) and the number of virtual adults who taught them.

    `left_out_mg_dl` is the median over them of the absolute error, each estimated without itself.
    """

    teachers: int
    calibrations: Mapping[str, EffectCalibration] = field(repr=False)
    left_out_mg_dl: Mapping[str, float] = field(repr=False)


def write_lessons(lessons: EffectLessons, path: Path) -> None:
    """As JSON; numbers are kept to the last bit."""
    plain = {
        "parameters": list(NAMES),
        "teachers": lessons.teachers,
        "changes": {
            change: {**plain_of(one), "left_out_mg_dl": lessons.left_out_mg_dl[change]}
            for change, one in lessons.calibrations.items()
        },
    }
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def read_lessons(path: Path = SHIPPED) -> EffectLessons:
    """What `write_lessons` wrote. A Failure where it is missing, damaged or of another twin."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        named, changes = plain["parameters"], plain["changes"]
        lessons = EffectLessons(
            int(plain["teachers"]),
            {change: calibration_of(one, 1) for change, one in changes.items()},
            {change: float(one["left_out_mg_dl"]) for change, one in changes.items()},
        )
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    if named != list(NAMES):
        raise _unusable(path, f"they are of twins with parameters {named}")
    return lessons


def plain_of(one: EffectCalibration) -> dict[str, object]:
    """A calibration as plain values, to the last bit."""
    by_feature = {name: getattr(one, name).tolist() for name in BY_FEATURE}
    return {"offset": one.offset, "width": one.width, **by_feature}


def calibration_of(one: Mapping[str, object], features: int) -> EffectCalibration:
    """The calibration of plain values, of so many features; ValueError if they are no such."""
    numbers = np.array([one["offset"], one["width"]], dtype=np.float64)
    by_feature = [np.array(one[name], dtype=np.float64) for name in BY_FEATURE]
    if any(values.shape != (features,) for values in by_feature):
        raise ValueError(f"{BY_FEATURE} of shapes {[values.shape for values in by_feature]}")
    if not all(np.isfinite(values).all() for values in (numbers, *by_feature)):
        raise ValueError("a lesson holds values that are no numbers")
    slopes, centres, widening = by_feature
    return EffectCalibration(float(numbers[0]), slopes, centres, float(numbers[1]), widening)


def _unusable(path: Path, detail: str) -> Failure:
    return Failure(
        found=f"lessons about effects that cannot be used at {path}: {detail}",
        expected="the file that is shipped with this version's twin",
        consequence="No effect of a treatment was judged.",
        remedy="install the package again, or make the file with simulations/site_lessons.py",
        code=ExitCode.MISSING_INPUT,
    )
