"""Glycemia: consensus bounds, hand-computed figures, refusals."""

from dataclasses import astuple

import numpy as np
import pytest

from models.glycemia import GlycemiaError, glycemia


def test_a_summary_by_hand() -> None:
    summary = glycemia(np.array([50.0, 65.0, 100.0, 190.0, 260.0]))
    assert summary.mean_mg_dl == pytest.approx(133.0)
    assert summary.sd_mg_dl == pytest.approx(np.sqrt(31980.0 / 4.0))
    assert summary.cv_pct == pytest.approx(100.0 * summary.sd_mg_dl / 133.0)
    assert summary.gmi_pct == pytest.approx(6.491, abs=5e-4)
    assert astuple(summary)[4:] == pytest.approx((20.0, 20.0, 20.0, 20.0, 20.0))


@pytest.mark.parametrize(
    ("glucose", "band"),
    [
        (53.9, "very_low_pct"),
        (54.0, "low_pct"),
        (69.9, "low_pct"),
        (70.0, "in_range_pct"),
        (180.0, "in_range_pct"),
        (180.1, "high_pct"),
        (250.0, "high_pct"),
        (250.1, "very_high_pct"),
    ],
)
def test_bounds_belong_to_the_band_the_consensus_gives_them(glucose: float, band: str) -> None:
    assert getattr(glycemia(np.array([glucose])), band) == 100.0


def test_bands_add_up_and_unknown_readings_do_not_count() -> None:
    readings = np.random.default_rng(1).uniform(30.0, 350.0, size=1000)
    gappy = readings.copy()
    gappy[::3] = np.nan
    summary = glycemia(gappy)
    assert sum(astuple(summary)[4:]) == pytest.approx(100.0)
    assert summary == glycemia(gappy[np.isfinite(gappy)])


def test_one_reading_has_no_spread() -> None:
    assert glycemia(np.array([100.0])).sd_mg_dl == 0.0


def test_no_reading_is_refused() -> None:
    with pytest.raises(GlycemiaError, match=r"no reading among 3 rows.*No summary was made"):
        glycemia(np.full(3, np.nan))
