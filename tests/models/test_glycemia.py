"""Glycemia: consensus bounds, hand-computed figures, what iglu-python says, refusals."""

import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.glycemia import Glycemia, GlycemiaError, GlycemicRisk, glycemia, glycemic_risk
from models.trace import FloatArray

GOLDEN = Path(__file__).parents[1] / "golden" / "glycemia.json"
FIVE_MG_DL = np.array([50.0, 65.0, 100.0, 190.0, 260.0])
Figures = dict[str, float]
readings = st.lists(st.floats(20.0, 600.0), min_size=1, max_size=50).map(np.array)


def golden() -> dict[str, tuple[FloatArray, Figures]]:
    """Traces and what iglu-python gives for them, written by tests/golden/make_glycemia.py."""
    rows = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return {name: (np.array(row["glucose_mg_dl"]), row["iglu"]) for name, row in rows.items()}


def ours(glucose_mg_dl: FloatArray) -> Figures:
    """Our figures under the golden file's names; iglu's shares above and below are cumulative."""
    summary, risk = glycemia(glucose_mg_dl), glycemic_risk(glucose_mg_dl)
    return {
        "mean_mg_dl": summary.mean_mg_dl,
        "sd_mg_dl": summary.sd_mg_dl,
        "cv_pct": summary.cv_pct,
        "gmi_pct": summary.gmi_pct,
        "below_54_pct": summary.very_low_pct,
        "below_70_pct": summary.very_low_pct + summary.low_pct,
        "in_range_pct": summary.in_range_pct,
        "above_180_pct": summary.high_pct + summary.very_high_pct,
        "above_250_pct": summary.very_high_pct,
        "lbgi": risk.lbgi,
        "hbgi": risk.hbgi,
        "gri": risk.gri,
    }


def disagreements(figures: Callable[[FloatArray], Figures]) -> set[str]:
    """Figures that differ from the golden ones by more than 1e-6 in any trace."""
    return {
        name
        for glucose, iglu in golden().values()
        for name, value in figures(glucose).items()
        if abs(value - iglu[name]) > 1e-6
    }


def test_every_figure_is_iglus() -> None:
    assert disagreements(ours) == set()


def test_the_golden_traces_reach_every_band_and_both_sides_of_the_cap() -> None:
    figures = [iglu for _, iglu in golden().values()]
    for band in ("below_54_pct", "in_range_pct", "above_250_pct"):
        assert max(iglu[band] for iglu in figures) > 0.0
    scores = [iglu["gri"] for iglu in figures]
    assert scores.count(100.0) >= 2
    assert any(
        iglu["below_70_pct"] > 0.0 and iglu["above_180_pct"] > 0.0 and iglu["gri"] < 100.0
        for iglu in figures
    )


def strict_bounds(g: FloatArray) -> Figures:
    """Planted: 70 and 180 out of range, 54 and 250 at the second level."""
    return {
        "below_54_pct": 100.0 * float((g <= 54.0).mean()),
        "in_range_pct": 100.0 * float(((g > 70.0) & (g < 180.0)).mean()),
        "above_250_pct": 100.0 * float((g >= 250.0).mean()),
    }


def cumulative_bands(g: FloatArray) -> Figures:
    """Planted: the index of shares below 70 and above 180, which hold the outer bands too."""
    outer = 3.0 * (g < 54.0) + 2.4 * (g < 70.0) + 1.6 * (g > 250.0) + 0.8 * (g > 180.0)
    return {"gri": min(100.0 * float(outer.mean()), 100.0)}


def population_sd(g: FloatArray) -> Figures:
    """Planted: n below the squares, not n - 1."""
    return {"sd_mg_dl": float(g.std()), "cv_pct": 100.0 * float(g.std() / g.mean())}


def no_cap(g: FloatArray) -> Figures:
    """Planted: an index above 100."""
    risk = glycemic_risk(g)
    return {"gri": 3.0 * risk.gri_hypo + 1.6 * risk.gri_hyper}


def logarithm_of_a_power(g: FloatArray) -> Figures:
    """Planted: ln(G^1.084) for (ln G)^1.084, which is how the formula is often set in type."""
    f = 1.509 * (np.log(g**1.084) - 5.381)
    return {
        "lbgi": float((10.0 * np.minimum(f, 0.0) ** 2).mean()),
        "hbgi": float((10.0 * np.maximum(f, 0.0) ** 2).mean()),
    }


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        (strict_bounds, {"below_54_pct", "in_range_pct", "above_250_pct"}),
        (cumulative_bands, {"gri"}),
        (population_sd, {"sd_mg_dl", "cv_pct"}),
        (no_cap, {"gri"}),
        (logarithm_of_a_power, {"lbgi", "hbgi"}),
    ],
)
def test_what_other_packages_get_wrong_is_seen(
    planted: Callable[[FloatArray], Figures], seen: set[str]
) -> None:
    assert disagreements(planted) == seen


def test_risk_by_hand() -> None:
    risk = glycemic_risk(FIVE_MG_DL)
    assert (risk.lbgi, risk.hbgi) == pytest.approx((6.6668, 6.8659), abs=5e-5)
    assert (risk.gri_hypo, risk.gri_hyper) == pytest.approx((20.0 + 16.0, 20.0 + 10.0))
    assert risk.gri == 100.0


def test_the_index_below_its_cap_by_hand() -> None:
    glucose = np.array([50.0, 60.0, 200.0, 300.0] + 16 * [120.0])
    assert glycemic_risk(glucose).gri == pytest.approx(5.0 * (3.0 + 2.4 + 1.6 + 0.8))


def test_a_glucose_between_low_and_high_carries_next_to_no_risk() -> None:
    risk = glycemic_risk(np.array([112.5]))
    assert risk.lbgi + risk.hbgi == pytest.approx(0.0, abs=1e-3)
    assert risk.gri == risk.gri_hypo == risk.gri_hyper == 0.0


def test_the_ends_of_the_scale_carry_a_risk_of_100() -> None:
    assert glycemic_risk(np.array([20.0])).lbgi == pytest.approx(100.0, abs=0.5)
    assert glycemic_risk(np.array([600.0])).hbgi == pytest.approx(100.0, abs=0.5)


@given(readings)
def test_risk_keeps_its_scale_and_the_components_make_the_index(glucose: FloatArray) -> None:
    risk, summary = glycemic_risk(glucose), glycemia(glucose)
    assert 0.0 <= risk.lbgi <= 100.5 and 0.0 <= risk.hbgi <= 100.5
    assert 0.0 <= risk.gri <= 100.0
    weighted = np.dot((3.0, 2.4, 0.0, 0.8, 1.6), astuple(summary)[4:])
    assert risk.gri == pytest.approx(min(float(weighted), 100.0))


@given(readings)
def test_neither_order_nor_gaps_change_a_figure(glucose: FloatArray) -> None:
    gappy = np.insert(glucose, len(glucose) // 2, np.nan)[::-1]
    assert astuple(glycemia(gappy)) == pytest.approx(astuple(glycemia(glucose)), abs=1e-9)
    assert astuple(glycemic_risk(gappy)) == pytest.approx(astuple(glycemic_risk(glucose)))


@given(readings, st.floats(1.0, 50.0))
def test_lower_glucose_never_carries_less_low_risk(glucose: FloatArray, drop: float) -> None:
    lower = np.maximum(glucose - drop, 1.0)
    assert glycemic_risk(lower).lbgi >= glycemic_risk(glucose).lbgi - 1e-9
    assert glycemic_risk(lower).hbgi <= glycemic_risk(glucose).hbgi + 1e-9


@given(readings)
def test_bands_share_no_reading_and_leave_none_out(glucose: FloatArray) -> None:
    assert sum(astuple(glycemia(glucose))[4:]) == pytest.approx(100.0)


def test_zero_glucose_is_refused() -> None:
    with pytest.raises(GlycemiaError, match=r"reading of 0 mg/dL.*No risk was computed.*NaN"):
        glycemic_risk(np.array([100.0, 0.0]))


def test_a_summary_by_hand() -> None:
    summary = glycemia(FIVE_MG_DL)
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


@pytest.mark.parametrize("summary", [glycemia, glycemic_risk])
def test_no_reading_is_refused(summary: Callable[[FloatArray], Glycemia | GlycemicRisk]) -> None:
    with pytest.raises(GlycemiaError, match=r"no reading among 3 rows.*No summary was made"):
        summary(np.full(3, np.nan))
