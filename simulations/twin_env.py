"""A gymnasium environment over calibrated twins: recorded days, lived five minutes at a time.

An episode is one recorded stretch of one patient in one draw of the twin's posterior. The action,
two numbers from -1 to 1, says by what share more or less than recorded the pump's rate and a bolus
of the next five minutes are; food and the hours of boluses stay as they were. What separated the
sensor from the twin is added as in models/sandbox.py, so that actions of (0, 0) with counting_sd 0
give the sandbox's curve. By default each meal brings other carbohydrate than was counted, anew in
every episode.

The reward of a step is -f, 10 (1.509 (ln G^1.084 - 5.381))^2 / 100 being f: Kovatchev et al. 2006,
zero at 112.5 mg/dL and steeper towards lows. docs/policies.md has the observation's parts.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from models.inputs import MG_PER_G, MU_PER_U, eaten_g_per_min
from models.meal_delay import arrivals
from models.physiology import INSULIN_DELAY_MIN
from models.sandbox import Ground
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.stepping import Stepper
from models.trace import STEP_MIN, FloatArray
from simulations.active_insulin import ActiveInsulin
from simulations.dosing_policy import HISTORY

COUNTING_SD = 0.2
NO_RISK_MG_DL = 112.5
"""Glucose without risk; below it the reward is of lows, above it of highs."""
SENSOR_MG_DL = (40.0, 400.0)

Observation = npt.NDArray[np.float32]
PARTS = (
    *(f"glucose_mg_dl_{5 * (HISTORY - 1 - n)}_min_ago" for n in range(HISTORY)),
    "active_insulin_u",
    "basal_u_per_h",
    "bolus_u",
    "carbs_g",
    "hour_sin",
    "hour_cos",
)
"""What stands where in an observation; bolus and carbs are those of the coming five minutes."""


def risk(glucose_mg_dl: float) -> float:
    """Kovatchev's risk of one reading, from 0; it is 100 near 20 mg/dL."""
    held = max(glucose_mg_dl, GLUCOSE_FLOOR_MG_DL)
    return float(10.0 * (1.509 * (np.log(held) ** 1.084 - 5.381)) ** 2)


class TwinEnv(gymnasium.Env[Observation, npt.NDArray[np.float32]]):
    """Episodes on any of these grounds, as `models.sandbox.ground_of` lays them."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, grounds: Sequence[Ground], counting_sd: float = COUNTING_SD) -> None:
        if not grounds:
            raise ValueError(
                "found no ground; expected one or more recorded stretches. No environment was "
                "made. Lay grounds with models.sandbox.ground_of."
            )
        self.grounds, self.counting_sd = tuple(grounds), counting_sd
        self.action_space = spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)
        least = np.array([0.0] * (len(PARTS) - 2) + [-1.0, -1.0])
        most = np.array([SENSOR_MG_DL[1]] * HISTORY + [200.0, 60.0, 100.0, 500.0, 1.0, 1.0])
        self.observation_space = spaces.Box(least, most, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A ground and a draw by chance, or `options` {"ground": i, "draw": d}."""
        super().reset(seed=seed)
        chosen = options or {}
        place = int(chosen.get("ground", self.np_random.integers(len(self.grounds))))
        self._ground = ground = self.grounds[place]
        self._draw = int(chosen.get("draw", self.np_random.integers(len(ground.thetas))))
        self._carbs = self._eaten(ground)
        self._left = ground.left_mg_dl[self._draw]
        self._twin = Stepper(
            ground.thetas[self._draw], ground.begin[self._draw], ground.resting_mu_kg_min
        )
        self._arriving = ground.earlier.copy()
        self._active = ActiveInsulin()
        self._row = 0
        self._seen = np.full(HISTORY, self._sensor())
        return self._observation(), self._info()

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Five minutes of so much more or less (basal, bolus); truncated at the stretch's end."""
        basal, bolus = 1.0 + np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        doses, row = self._ground.doses, self._row
        minutes = slice(STEP_MIN * row, STEP_MIN * (row + 1))
        pump = doses.pump_u_per_h[minutes]
        given = (basal * pump + doses.depot_u_per_h[minutes]) / 60.0
        given[0] += bolus * doses.bolus_u[row]
        above = bolus * doses.bolus_u[row] + float(((basal - 1.0) * pump).sum()) / 60.0
        self._active.give(above)
        self._twin.step(self._drive(given, minutes), float(doses.local_hour[row]))
        self._row += 1
        over = self._row >= len(self._ground)
        self._seen = np.append(self._seen[1:], self._seen[-1] if over else self._sensor())
        info = self._info()
        return self._observation(), -risk(info["glucose_mg_dl"]) / 100.0, False, over, info

    def _eaten(self, ground: Ground) -> FloatArray:
        """Carbohydrate of each minute (T,), mg/kg/min, each meal miscounted anew."""
        doses = ground.doses
        error = np.exp(self.counting_sd * self.np_random.standard_normal(len(doses.carbs_g)))
        entered = eaten_g_per_min(doses.carbs_g * error)
        arrived = doses.on_its_way_g_per_min + arrivals(
            entered, doses.local_hour, doses.meal_delay_min
        )
        carbs: FloatArray = arrived * (MG_PER_G / doses.weight_kg)
        return carbs

    def _drive(self, given_u_per_min: FloatArray, minutes: slice) -> FloatArray:
        """What arrives under the skin in these minutes, and what is eaten, (2, 5)."""
        doses = self._ground.doses
        given = given_u_per_min * (MU_PER_U / doses.weight_kg) - self._ground.resting_mu_kg_min
        coming = np.concatenate([self._arriving, given])
        self._arriving = coming[-INSULIN_DELAY_MIN:]
        return np.stack([coming[:STEP_MIN], self._carbs[minutes]])

    def _glucose(self) -> float:
        """As the sandbox has it: the twin's, and what the sensor read beyond it."""
        left = self._left[min(self._row, len(self._left) - 1)]
        return float(max(self._twin.glucose_mg_dl + left, GLUCOSE_FLOOR_MG_DL))

    def _sensor(self) -> float:
        return float(np.clip(self._glucose(), *SENSOR_MG_DL))

    def _info(self) -> dict[str, Any]:
        return {
            "glucose_mg_dl": self._glucose(),
            "patient": self._ground.patient,
            "draw": self._draw,
            "row": self._row,
        }

    def _observation(self) -> Observation:
        doses = self._ground.doses
        row = min(self._row, len(self._ground) - 1)
        angle = 2.0 * np.pi * doses.local_hour[row] / 24.0
        parts = [
            *self._seen,
            self._active.units,
            doses.pump_u_per_h[STEP_MIN * row],
            doses.bolus_u[row],
            doses.carbs_g[row],
            np.sin(angle),
            np.cos(angle),
        ]
        space = self.observation_space
        held = np.clip(np.array(parts, dtype=np.float32), space.low, space.high)  # type: ignore[attr-defined]
        return np.asarray(held, dtype=np.float32)
