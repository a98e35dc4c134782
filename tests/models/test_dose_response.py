from dataclasses import replace

import numpy as np
import pytest

from models import dose_response
from models.calibration import Calibration, calibrate
from models.dose_response import (
    PROBE,
    Responses,
    more_insulin,
    responses_of,
    unrest_mg_dl,
)
from models.levers import Lever, levers_of, scenario_of_settings
from models.sandbox import AS_RECORDED, Asked, ground_of, lived
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

ROWS = [3 * STEPS_PER_DAY, 4 * STEPS_PER_DAY]
ASKED = Asked(draws=4)


@pytest.fixture(scope="module")
def record() -> Trace:
    theta = heads(1, seed=3, spread=0.3)[0]
    theta[0] = 150.0
    return read_by_sensor(eventful(6, seed=1), theta, seed=4)


@pytest.fixture(scope="module")
def twin(record: Trace) -> Calibration:
    return calibrate([record])[0]


@pytest.fixture(scope="module")
def found(record: Trace, twin: Calibration) -> Responses:
    return responses_of(record, twin, ROWS, levers_of(record), ASKED)


def lever(record: Trace, name: str) -> Lever:
    return next(one for one in levers_of(record) if one.name == name)


def response(found: Responses, name: str) -> FloatArray:
    return next(one.higher for one in found.by_lever if one.lever.name == name)


def test_days_are_as_measured_and_more_insulin_lowers(found: Responses, record: Trace) -> None:
    rows = np.concatenate([np.arange(row, row + STEPS_PER_DAY) for row in ROWS])
    assert found.days == 2
    assert np.allclose(found.measured_mg_dl, record["glucose_mg_dl"][rows])
    for one in found.by_lever:
        more = one.higher if one.lever.kind == "basal" else one.lower
        assert more.mean() < 0.0 and more.max() < 1e-6


def test_last_evening_s_basal_acts_this_morning(
    found: Responses, record: Trace, twin: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: days without the day ahead, on which nothing of the evening reaches the morning."""
    first_hours = response(found, "basal evening").reshape(4, 2, -1)[:, :, :36]
    assert first_hours.mean() < -1.0
    cut = _without_a_day_ahead(record, twin, lever(record, "basal evening"))
    assert np.abs(cut[:, :36]).max() < 1e-9
    whole = response(found, "basal evening").mean()
    assert abs(cut.mean()) < 0.7 * abs(whole)


def _without_a_day_ahead(record: Trace, twin: Calibration, moved: Lever) -> FloatArray:
    ground = ground_of(record, twin, ROWS[0], 24, ASKED)
    more = scenario_of_settings([moved], {moved.name: (1.0 + PROBE) * moved.today})
    paths = lived(ground, [AS_RECORDED, more])
    change: FloatArray = paths[1] - paths[0]
    return change


def test_two_levers_together_do_nearly_what_they_do_alone(
    found: Responses, record: Trace, twin: Calibration
) -> None:
    """What the search adds up, beside both levers really moved."""
    setting = {"basal morning": 1.1, "ratio dinner": 1.1}
    by_name = {one.lever.name: one for one in found.by_lever}
    wanted = {name: scale * by_name[name].lever.today for name, scale in setting.items()}
    added = sum(by_name[name].to(value) for name, value in wanted.items())
    hours = dose_response.LEAD_HOURS + 24
    both = scenario_of_settings(levers_of(record), wanted, hours)
    paths = []
    for row in ROWS:
        ground = ground_of(record, twin, row - STEPS_PER_DAY, hours, ASKED)
        moved = lived(ground, [replace(AS_RECORDED, hours=hours), both])[..., -STEPS_PER_DAY:]
        paths.append(moved[1] - moved[0])
    truly = np.concatenate(paths, axis=-1)
    assert np.sqrt(np.mean((added - truly) ** 2)) < 0.05 * np.sqrt(np.mean(truly**2))


def test_twice_the_change_is_twice_the_effect(
    found: Responses, record: Trace, twin: Calibration
) -> None:
    """Within a quarter: insulin does less, the less glucose there is."""
    moved = lever(record, "basal morning")
    hours = dose_response.LEAD_HOURS + 24
    scenario = scenario_of_settings([moved], {moved.name: 1.2 * moved.today}, hours)
    ground = ground_of(record, twin, ROWS[0] - STEPS_PER_DAY, hours, ASKED)
    paths = lived(ground, [replace(AS_RECORDED, hours=hours), scenario])[..., -STEPS_PER_DAY:]
    said = next(one for one in found.by_lever if one.lever == moved).to(1.2 * moved.today)
    truly = (paths[1] - paths[0]).mean()
    assert said[:, :STEPS_PER_DAY].mean() == pytest.approx(truly, rel=0.25)


def test_a_setting_of_today_changes_nothing(found: Responses) -> None:
    for one in found.by_lever:
        assert np.abs(one.to(one.lever.today)).max() == 0.0


def test_a_larger_ratio_is_less_insulin(record: Trace) -> None:
    ratio, basal = lever(record, "ratio dinner"), lever(record, "basal night")
    assert more_insulin(ratio, 2.0 * ratio.today) == pytest.approx(-0.5)
    assert more_insulin(basal, 1.1 * basal.today) == pytest.approx(0.1)


def test_some_days_are_those_days(found: Responses) -> None:
    second = found.of_days([1])
    assert np.array_equal(second.measured_mg_dl, found.measured_mg_dl[STEPS_PER_DAY:])
    for one, other in zip(second.by_lever, found.by_lever, strict=True):
        assert np.array_equal(one.lower, other.lower[:, STEPS_PER_DAY:])


def test_what_a_twin_leaves_grows_with_days_that_differ(record: Trace, twin: Calibration) -> None:
    calm = unrest_mg_dl(record, twin)
    rough = dict(record.columns)
    day = np.arange(len(record)) // STEPS_PER_DAY
    rough["glucose_mg_dl"] = record["glucose_mg_dl"] + np.where(day % 2 == 0, 40.0, -40.0)
    assert 0.0 < calm < 25.0
    assert unrest_mg_dl(replace(record, columns=rough), twin) > calm + 15.0
