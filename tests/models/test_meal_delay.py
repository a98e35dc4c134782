"""Delayed meals: mass, exact derivatives and adjoint, no look-ahead, and every reader told."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import meal_delay
from models.adjoint import Drive, simulate
from models.delay_posterior import delay_courses
from models.heads import Head, prior_head
from models.inputs import Inputs, physiology_inputs
from models.meal_delay import (
    LATEST_MIN,
    NO_DELAY,
    arrival_slopes,
    arrivals,
    arrivals_back,
    delay_at,
    delayed,
    inputs_of,
)
from models.openloop import MEAL_HOURS, open_loop
from models.rollout import rollout
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from models.windows import windows_of
from tests.models.virtual import columns, eventful, heads, read_by_sensor, trace_of

pytestmark = pytest.mark.slow

START, NUDGE = 140.0, 1e-3
LATE = np.array([12.3, -7.6, 3.4, 21.7])
THETA = heads(1, seed=8, spread=0.3)[0]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(eventful(3, seed=3))


@pytest.fixture(scope="module")
def head() -> Head:
    return replace(prior_head(), theta=THETA, meal_delay_min=LATE)


def course(inputs: Inputs, late: FloatArray) -> FloatArray:
    path: FloatArray = open_loop(THETA, delayed(inputs, late), START).interstitial_mg_dl[0]
    return path


def one_meal(hour: float, grams: float = 5.0) -> Inputs:
    table = columns(2)
    table["carbs_g"][int(12 * hour)] = grams
    return physiology_inputs(trace_of(table))


def test_by_hand_a_meal_of_a_minute_comes_in_two_parts() -> None:
    late = delayed(one_meal(8.0), np.array([12.25, 0.0, 0.0, 0.0])).carbs_mg_kg_min
    whole = 5.0 * 1000.0 / 70.0
    assert np.flatnonzero(late).tolist() == [8 * 60 + 12, 8 * 60 + 13]
    assert late[[492, 493]] == pytest.approx([0.75 * whole, 0.25 * whole])


def test_a_negative_delay_puts_food_before_its_entry() -> None:
    early = delayed(one_meal(20.0), np.array([0.0, 0.0, 0.0, -10.0])).carbs_mg_kg_min
    assert early.argmax() == 20 * 60 - 10


@pytest.mark.parametrize("meal", range(4))
def test_each_type_of_meal_has_the_delay_to_itself_at_its_hour(meal: int) -> None:
    late = np.arange(1.0, 5.0)
    assert delay_at(late, float(MEAL_HOURS[meal])) == pytest.approx(late[meal])


def test_between_meals_a_delay_never_jumps() -> None:
    hours = np.linspace(0.0, 23.99, 2400)
    found = np.array([delay_at(LATE, hour) for hour in hours])
    assert np.abs(np.diff(found)).max() < 0.2


def test_mass_is_conserved(inputs: Inputs) -> None:
    for late in (LATE, np.full(4, -30.0), np.full(4, LATEST_MIN)):
        arrived = delayed(inputs, late).carbs_mg_kg_min
        eaten = inputs.carbs_mg_kg_min.sum()
        assert abs(arrived.sum() - eaten) < 1e-9 * eaten
        assert arrived.min() >= 0.0


def test_lost_mass_is_seen(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: the second minute's share is forgotten."""

    def forgetful(entered: FloatArray, hour: FloatArray, late: FloatArray) -> FloatArray:
        share = LATE[0] % 1.0
        lost: FloatArray = (1.0 - share) * arrivals(entered, hour, np.floor(late))
        return lost

    monkeypatch.setattr(meal_delay, "arrivals", forgetful)
    with pytest.raises(AssertionError):
        test_mass_is_conserved(inputs)


def test_delays_do_not_add_up(inputs: Inputs) -> None:
    once, twice = delayed(inputs, LATE), delayed(delayed(inputs, -LATE), LATE)
    assert np.array_equal(once.carbs_mg_kg_min, twice.carbs_mg_kg_min)
    back = delayed(once, NO_DELAY).carbs_mg_kg_min
    assert np.array_equal(back, inputs.carbs_mg_kg_min)


def test_no_delay_is_the_very_inputs(inputs: Inputs) -> None:
    assert delayed(inputs, NO_DELAY) is inputs
    assert np.array_equal(
        arrivals(inputs.carbs_mg_kg_min, inputs.local_hour, NO_DELAY), inputs.carbs_mg_kg_min
    )


@pytest.mark.parametrize("meal", range(4))
def test_glucoses_slope_by_each_delay_is_that_of_differences(meal: int, inputs: Inputs) -> None:
    step = NUDGE * np.eye(4)[meal]
    differences = (course(inputs, LATE + step) - course(inputs, LATE - step)) / (2.0 * NUDGE)
    found = delay_courses(THETA, delayed(inputs, LATE), START)[meal]
    assert np.abs(differences).max() > 0.5
    assert np.abs(found - differences).max() < 1e-4 * np.abs(differences).max()


def adjoints(inputs: Inputs, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of the weighed sum of glucose: by the delays (4,), and by what was entered (T,)."""
    late = torch.tensor(LATE[None], requires_grad=True)
    drive = Drive.of([inputs])
    carbs = drive.carbs.clone().requires_grad_()
    start = torch.full((1,), START, dtype=torch.float64)
    given = Drive(drive.insulin, carbs, drive.local_hour)
    path = simulate(torch.tensor(THETA[None]), given, start, meal_delay_min=late)
    total = (path.interstitial_mg_dl * torch.tensor(weights)).sum()
    by_late, by_carbs = torch.autograd.grad(total, (late, carbs))
    return by_late[0].numpy(), by_carbs[0].numpy()


def worst(inputs: Inputs) -> float:
    """Largest relative error of the adjoint by a delay, or by a meal's minute."""
    weights = np.random.default_rng(9).normal(size=len(inputs))
    by_late, by_carbs = adjoints(inputs, weights)
    found, differences = list(by_late), []
    for step in NUDGE * np.eye(4):
        rise = course(inputs, LATE + step) - course(inputs, LATE - step)
        differences.append(float(rise @ weights) / (2.0 * NUDGE))
    for minute in np.flatnonzero(inputs.carbs_mg_kg_min)[::40]:
        nudge = NUDGE * np.eye(1, len(by_carbs), minute)[0]
        ends = [
            course(replace(inputs, carbs_mg_kg_min=inputs.carbs_mg_kg_min + sign * nudge), LATE)
            for sign in (1.0, -1.0)
        ]
        differences.append(float((ends[0] - ends[1]) @ weights) / (2.0 * NUDGE))
        found.append(float(by_carbs[minute]))
    return float(np.max(np.abs(np.subtract(found, differences) / differences)))


def test_the_adjoint_agrees_with_central_differences(inputs: Inputs) -> None:
    assert worst(inputs) < 1e-4


def test_a_wrong_adjoint_is_seen(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: shares of the two minutes swapped on the way back."""
    monkeypatch.setattr("models.adjoint.arrivals_back", lambda by, hour, late: by)
    assert worst(inputs) > 1e-2
    monkeypatch.setattr("models.adjoint.arrivals_back", arrivals_back)
    monkeypatch.setattr("models.adjoint.arrival_slopes", lambda *given: -arrival_slopes(*given))
    assert worst(inputs) > 1.0


def test_a_torch_run_is_the_open_loop(inputs: Inputs) -> None:
    start = torch.full((1,), START, dtype=torch.float64)
    path = simulate(
        torch.tensor(THETA[None]),
        Drive.of([inputs]),
        start,
        meal_delay_min=torch.tensor(LATE[None]),
    ).interstitial_mg_dl
    assert np.abs(path[0].numpy() - course(inputs, LATE)).max() < 1e-9


def planted(trace: Trace, row: int) -> Trace:
    """The trace with 60 g entered in one row."""
    table = {name: values.copy() for name, values in trace.columns.items()}
    table["carbs_g"][row] += 60.0
    return replace(trace, columns=table)


def test_a_rollout_continues_with_food_on_its_way(head: Head) -> None:
    """The base is the open loop of somebody who stops eating: what was entered still arrives."""
    trace = planted(eventful(2, seed=2), 150)
    late = replace(head, meal_delay_min=np.full(4, 33.4))
    ahead = rollout(late, inputs_of(trace, late, causal=True), np.array([152, 154, 157]))
    for place, row in enumerate((152, 154, 157)):
        table = {name: values.copy() for name, values in trace.columns.items()}
        table["bolus_u"][row:] = table["carbs_g"][row:] = 0.0
        table["basal_u_per_h"][row:] = table["basal_u_per_h"][row - 1]
        quiet = inputs_of(replace(trace, columns=table), late, causal=True)
        path = open_loop(late.theta, quiet, late.values["Gb"]).interstitial_mg_dl[0]
        assert ahead.base[place] == pytest.approx(path[row + np.array([6, 12, 24])], abs=1e-9)


@pytest.mark.parametrize("late_min", [-20.0, 14.5])
def test_windows_do_not_look_ahead(late_min: float, head: Head) -> None:
    late = replace(head, meal_delay_min=np.full(4, late_min))
    trace = read_by_sensor(eventful(2, seed=2), THETA, seed=1)
    before, after = windows_of(trace, late), windows_of(planted(trace, 300), late)
    seen = before.origin <= 300
    assert np.array_equal(before.start[seen], after.start[seen])
    assert not np.array_equal(before.start[~seen], after.start[~seen])


def test_a_look_ahead_is_seen(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: windows of inputs that put food before its entry."""
    monkeypatch.setattr(
        "models.windows.inputs_of", lambda trace, head, causal: inputs_of(trace, head)
    )
    with pytest.raises(AssertionError):
        test_windows_do_not_look_ahead(-20.0, head)


def deaf(root: Path) -> list[str]:
    """Modules that give a head's background to `physiology_inputs` and leave its delays out."""
    found = []
    for path in sorted(root.glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "physiology_inputs":
                given = " ".join(ast.unparse(one) for one in node.args)
                if "head.background" in given and path.name != "meal_delay.py":
                    found.append(path.name)
    return found


def undelayed(root: Path) -> list[str]:
    """Modules of a clinic, but for enrolment in studies, whose twins are never asked for delays."""
    return [
        path.name
        for path in sorted((root / "client").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "models.calibration"
        if "calibrate" in {alias.name for alias in node.names} and path.name != "enrolment.py"
    ]


def test_every_reader_of_a_head_hears_its_delays(repository: Path) -> None:
    assert deaf(repository) == []
    assert undelayed(repository) == []


def test_a_deaf_reader_is_seen(tmp_path: Path) -> None:
    for folder in ("models", "client"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models" / "a.py").write_text("x = physiology_inputs(t, twin.head.background)")
    (tmp_path / "client" / "b.py").write_text("from models.calibration import calibrate")
    assert deaf(tmp_path) == ["a.py"]
    assert undelayed(tmp_path) == ["b.py"]


def test_a_delay_moves_what_readers_say(head: Head) -> None:
    """Windows of a head with delays differ from those of the same head without."""
    trace = read_by_sensor(eventful(2, seed=2), THETA, seed=1)
    late = windows_of(trace, replace(head, meal_delay_min=np.full(4, 25.0)))
    prompt = windows_of(trace, replace(head, meal_delay_min=NO_DELAY))
    assert np.abs(late.start - prompt.start).max() > 5.0
    assert len(late) > STEPS_PER_DAY
