import numpy as np

from models.lived import Modifiers, lived_paths
from models.openloop import IG, STATES, G
from models.stepping import Stepper
from models.trace import STEP_MIN
from tests.models.virtual import heads

ROWS, RESTING = 288, 0.24


def test_steps_are_a_whole_run() -> None:
    theta = heads(1, seed=2, spread=0.5)
    rng = np.random.default_rng(1)
    drive = np.stack([rng.normal(0.0, 0.3, ROWS * STEP_MIN), np.zeros(ROWS * STEP_MIN)])
    drive[1, 400:410] = 70.0
    hours = (6.0 + np.arange(ROWS) / 12.0) % 24.0
    begin = np.zeros((1, len(STATES)))
    begin[:, G] = begin[:, IG] = 140.0
    none = Modifiers.none(1, ROWS).stacked()[None]
    whole = lived_paths(theta, begin, drive[None], RESTING, hours, none)[0, 0]
    twin, stepped = Stepper(theta[0], begin[0], RESTING), []
    for row in range(ROWS):
        stepped.append(twin.glucose_mg_dl)
        twin.step(drive[:, STEP_MIN * row : STEP_MIN * (row + 1)], float(hours[row]))
    assert np.abs(np.array(stepped) - whole).max() < 1e-9
    assert np.ptp(whole) > 20.0 and begin[0, G] == 140.0
