"""The tape: the same course as the open loop, means that are means, and nothing when not asked."""

import numpy as np
import pytest

from models.heads import physical
from models.inputs import Inputs, physiology_inputs
from models.openloop import GB, IP, RISK, SG, G, X, by_minute_of, by_row_of, open_loop
from models.scan import glucose_head, glucose_slopes, next_glucose
from models.tape import OWN, SLOPES, WIDTH, run_taped
from models.trace import FloatArray
from tests.models.virtual import eventful, heads

START = 140.0


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(eventful(2, seed=4))


def run(theta: FloatArray, inputs: Inputs, taped: bool) -> tuple[FloatArray, FloatArray]:
    by_minute, by_row = by_minute_of([inputs]), by_row_of([inputs])
    return run_taped(physical(theta)[None], np.array([START]), by_minute, by_row, taped)


def test_it_is_the_open_loop(inputs: Inputs) -> None:
    theta = heads(1, seed=1)[0]
    states = open_loop(theta, inputs, START).states[0]
    out, _ = run(theta, inputs, taped=True)
    assert np.abs(out[0] - states[:, [G, G + 1]]).max() < 1e-10


def test_without_a_tape_the_course_is_the_same(inputs: Inputs) -> None:
    theta = heads(1, seed=2)[0]
    plain, empty = run(theta, inputs, taped=False)
    taped, tape = run(theta, inputs, taped=True)
    assert np.array_equal(plain, taped)
    assert empty.size == 0 and tape.shape == (1, 5 * len(inputs), WIDTH)


def test_a_line_holds_the_means_over_its_minute(inputs: Inputs) -> None:
    """Plasma insulin over five minutes: what the states gained and lost is what the means say."""
    theta = heads(1, seed=3)[0]
    states = open_loop(theta, inputs, START).states[0]
    _, tape = run(theta, inputs, taped=True)
    ka2 = physical(theta)[3]
    gained = np.diff(states[:, IP])
    flow = (ka2 * tape[0, :, 1] - 0.127 * tape[0, :, IP]).reshape(-1, 5).sum(axis=1)
    assert gained == pytest.approx(flow[:-1], abs=1e-12)


def test_a_line_holds_the_slopes_of_its_step(inputs: Inputs) -> None:
    theta = heads(1, seed=4)[0]
    values = physical(theta)
    head = glucose_head(values[SG], values[GB], values[RISK])
    states = open_loop(theta, inputs, START).states[0]
    _, tape = run(theta, inputs, taped=True)
    row = 150
    line, before = tape[0, 5 * row], states[row, G]
    made = max(values[SG] * values[GB] - values[10] * line[5], 0.0)
    share = np.interp(inputs.local_hour[row], [8.0, 13.0, 16.5, 20.0], values[14:])
    source = made + values[7] * np.exp(share) * line[8] * 0.9 / 1.45
    after, slopes, own = glucose_slopes(before, source, line[X], head)
    assert after == next_glucose(before, source, line[X], head)
    assert line[SLOPES:OWN] == pytest.approx(slopes)
    assert line[OWN:] == pytest.approx(own)
