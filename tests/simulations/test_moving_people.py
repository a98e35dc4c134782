"""Virtual people who exercise: what a bout truly does to them."""

from itertools import pairwise

import numpy as np
import pytest

from models.movement import Bout, Kind
from models.trace import FloatArray
from simulations.moving_people import (
    ACTION_PER_BEAT,
    BOUTS_A_WEEK,
    UPTAKE_PER_BPM,
    Mover,
    draw_mover,
    exercised,
    plan_bouts,
)
from simulations.padova_population import draw_patient
from simulations.padova_world import calm, replay

USUAL = Mover(UPTAKE_PER_BPM, ACTION_PER_BEAT, 480.0)
BOUT = Bout(150, 30, Kind.AEROBIC, 55.0)
MINUTES = 900


def change(number: int, mover: Mover = USUAL) -> FloatArray:
    """What half an hour does two and a half hours after a covered meal of 50 g."""
    drawn = draw_patient("adolescent", "x", np.random.default_rng(number))
    carbs = np.zeros(MINUTES)
    carbs[0] = 50.0
    insulin = np.full(MINUTES, drawn.patient.basal_u_per_h / 60.0)
    insulin[0] += 50.0 / drawn.prescription.carb_ratio_g_per_u
    still = calm(drawn.patient, MINUTES)
    moved = exercised(still, mover, [BOUT], np.ones(1))
    return replay(drawn.patient, moved, carbs, insulin) - replay(
        drawn.patient, still, carbs, insulin
    )


def test_half_an_hour_takes_as_much_off_as_in_t1dexi() -> None:
    """-18 mg/dL on average (Riddell et al. 2023)."""
    found = np.stack([change(number) for number in range(8)])
    assert found[:, 180].mean() == pytest.approx(-18.0, abs=4.0)
    assert (found[:, :150] == 0.0).all() and (found[:, 150:] <= 1e-9).all()


def test_the_after_effect_lasts_for_hours_and_is_the_person_s_own() -> None:
    short, long = (change(0, Mover(0.0, ACTION_PER_BEAT, lasts)) for lasts in (240.0, 840.0))
    assert long[-1] < short[-1] < 0.0


def test_people_differ_and_bouts_come_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    sizes = np.log([draw_mover(rng).uptake_per_bpm for _ in range(400)])
    assert sizes.std() == pytest.approx(0.7, abs=0.08)
    bouts = plan_bouts(700, rng)
    assert len(bouts) / 100.0 == pytest.approx(BOUTS_A_WEEK, abs=0.4)
    assert all(a.minute + 720 < b.minute for a, b in pairwise(bouts))
