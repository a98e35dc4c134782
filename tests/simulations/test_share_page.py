"""The written form of what privacy leaves: its figures are those that were found."""

import json
from dataclasses import replace

import numpy as np
import pytest

from simulations.share_of_gain import Draw, Shares
from simulations.share_page import as_dict, markdown
from study.protocol import parse_protocol

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 8}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: simulated}
"""


@pytest.fixture
def found() -> Shares:
    gains = np.array([[[1.0, 2.0, 4.0], [2.0, 2.0, 2.0]]])

    def draw(epsilon: float, seed: int, gain: float) -> Draw:
        clinics = np.array([[gain, gain, -0.25]])
        return Draw(0, epsilon, seed, np.full((2, 3), gain), clinics, np.array([seed == 0]))

    draws = (draw(8.0, 0, 0.5), draw(8.0, 1, 0.7), draw(2.0, 0, 0.1), draw(2.0, 1, 0.3))
    return Shares(parse_protocol(PROTOCOL), gains, draws)


def test_plain_values_are_those_found(found: Shares) -> None:
    plain = json.loads(json.dumps(as_dict(found)))
    assert plain["study"] == "tiny" and plain["splits"] == 1 and plain["draws_a_split"] == 2
    assert plain["gain_without_privacy_mg_dl"]["same_patients"] == [1.0, 2.0, 4.0]
    large, small = plain["epsilons"]
    assert (large["epsilon"], small["epsilon"]) == (8.0, 2.0)
    assert large["kept_pct"]["same_patients"] == pytest.approx([60.0, 30.0, 15.0])
    assert large["kept_pct"]["new_patients"] == pytest.approx([30.0, 30.0, 30.0])
    assert small["kept_sd_pct"]["same_patients"] == pytest.approx([10.0, 5.0, 2.5])
    assert small["worst_clinic_gain_mg_dl"] == pytest.approx([0.2, 0.2, -0.25])
    assert small["clinics_worse_off_pct"] == [0.0, 0.0, 100.0]
    assert small["taken_up_at_home_pct"] == 50.0
    assert small["worst_clinic_at_home_mg_dl"] == pytest.approx([0.05, 0.05, -0.125])
    assert small["clinics_worse_off_at_home_pct"] == [0.0, 0.0, 50.0]


def test_the_table_has_a_row_for_each_budget(found: Shares) -> None:
    text = markdown(found)
    assert "releases of kind adapter: 1 splits, 2 draws an epsilon" in text
    assert "1.00 / 2.00 / 4.00 on members" in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and "epsilon" not in line]
    assert [row.split(" | ")[0] for row in rows] == ["| 8", "| 2"]
    assert "| 8, 2, 0.5 | 60±10 / 30±5 / 15±2 |" in rows[0]
    assert rows[1].endswith(
        "| 0.20 / 0.20 / -0.25 | 0 / 0 / 100 | 50 | 0.05 / 0.05 / -0.12 | 0 / 0 / 50 |"
    )


def test_settings_that_go_with_a_budget_are_shown_beside_it(found: Shares) -> None:
    own = found.protocol.release
    tight = replace(found, releases={8.0: own, 2.0: own.model_copy(update={"dimension": 4})})
    assert "| 2 | 4, 2, 0.5 | " in markdown(tight)
    assert [
        one["release"]["dimension"] for one in json.loads(json.dumps(as_dict(tight)))["epsilons"]
    ] == [8, 4]


def test_a_table_of_other_draws_is_another_one(found: Shares) -> None:
    half = Shares(found.protocol, found.gains, tuple(d for d in found.draws if d.seed == 0))
    assert markdown(half) != markdown(found) and "±0" in markdown(half)
