"""The drawings: every model that was scored is in them, and a gap in the sensor stays a gap."""

import re
from pathlib import Path

import pytest

from server.figures import MARKS, error_plot, forecast_plot
from server.run_record import ForecastCurve, ForecastExample, RunRecord
from server.score_book import ScoreBook

pytestmark = pytest.mark.slow


def letters(svg: str) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_the_error_plot_names_clinics_horizons_and_models(full_record: RunRecord) -> None:
    seen = letters(error_plot(ScoreBook.of(full_record), "same_patients"))
    for name in ("manchester-5min", "manchester-15min", "madrid", "all people"):
        assert name in seen
    for horizon_min in (30, 60, 120):
        assert f"{horizon_min} minutes ahead" in seen
    for mark in MARKS.values():
        assert mark.label in seen


def test_a_model_without_scores_is_not_in_the_legend(full_record: RunRecord) -> None:
    seen = letters(error_plot(ScoreBook.of(full_record), "new_clinic"))
    assert MARKS["federated_dp"].label in seen
    assert MARKS["local"].label not in seen


def test_a_clinic_without_any_drawn_model_leaves_an_empty_line(full_record: RunRecord) -> None:
    scores = tuple(s for s in full_record.scores if s.clinic != "madrid" or s.model == "mean")
    record = full_record.model_copy(update={"scores": scores})
    assert "madrid" in letters(error_plot(ScoreBook.of(record), "same_patients"))


def test_no_two_models_look_alike() -> None:
    looks = {(mark.shape, mark.colour, mark.filled) for mark in MARKS.values()}
    assert len(looks) == len(MARKS)


def test_the_forecast_plot_has_a_panel_for_each_horizon(full_record: RunRecord) -> None:
    seen = letters(forecast_plot(full_record.forecasts[0], "one"))
    assert "30 minutes ahead" in seen and "60 minutes ahead" in seen
    assert "sensor" in seen and MARKS["pretrained"].label in seen
    assert "06:00" in seen


def test_a_gap_in_the_forecast_breaks_its_line() -> None:
    def strokes(values: tuple[float | None, ...]) -> int:
        curve = ForecastCurve(model="federated_dp", horizon_min=30, glucose_mg_dl=values)
        example = ForecastExample(
            clinic="north",
            label="one",
            hour=(0.0, 1.0, 2.0, 3.0, 4.0),
            cgm_mg_dl=(None,) * 5,
            curves=(curve,),
        )
        paths = re.findall(r'<path d="([^"]*)"[^>]*stroke: #0b7a75', forecast_plot(example, "x"))
        return max(str(path).count("M") for path in paths)

    assert strokes((100.0, 110.0, 120.0, 130.0, 140.0)) == 1
    assert strokes((100.0, 110.0, None, 130.0, 140.0)) == 2


def test_an_example_without_curves_still_shows_the_sensor() -> None:
    bare = ForecastExample(clinic="n", label="l", hour=(), cgm_mg_dl=(), curves=())
    assert "sensor" in letters(forecast_plot(bare, "bare"))
    short = ForecastExample(clinic="n", label="l", hour=(1.0, 2.0), cgm_mg_dl=(9.0, 8.0), curves=())
    assert "local time of day" in letters(forecast_plot(short, "short"))


def test_equal_data_gives_equal_bytes(full_record: RunRecord, tmp_path: Path) -> None:
    book = ScoreBook.of(full_record)
    assert error_plot(book, "same_patients") == error_plot(book, "same_patients")
