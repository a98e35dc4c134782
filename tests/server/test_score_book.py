"""Scores looked up: what was not scored is None, and words follow the numbers that are printed."""

import pytest

from server.run_record import RunRecord
from server.score_book import Change, ScoreBook


@pytest.mark.parametrize(
    ("ours", "rival", "verdict", "size"),
    [
        (20.0, 20.8, "lower", "0.8 mg/dL, 4 %"),
        (20.8, 20.0, "higher", "0.8 mg/dL, 4 %"),
        (20.04, 20.0, "same", "0.0 mg/dL, under 1 %"),
        (20.0, 20.06, "lower", "0.1 mg/dL, under 1 %"),
        (0.0, 0.0, "same", None),
        (3.0, 0.0, "higher", "3.0 mg/dL, 100 %"),
    ],
)
def test_a_change_in_words(ours: float, rival: float, verdict: str, size: str | None) -> None:
    change = Change("north", ours, rival)
    assert change.verdict == verdict
    assert size is None or change.size == size


def test_a_verdict_never_contradicts_the_printed_difference() -> None:
    """Planted: a verdict on the raw difference calls 0.04 'higher' beside a printed 0.0."""
    for hundredths in range(-30, 31):
        change = Change("north", 20.0 + hundredths / 100, 20.0)
        assert (change.verdict == "same") == (f"{abs(change.difference_mg_dl):.1f}" == "0.0")
    planted_raw = 20.04 - 20.0
    assert planted_raw > 0.0 and Change("north", 20.04, 20.0).verdict == "same"


def test_horizons_and_rows_in_order(full_record: RunRecord) -> None:
    book = ScoreBook.of(full_record)
    assert book.horizons_min("same_patients") == (30, 60, 120)
    assert book.rows("same_patients") == ("manchester-5min", "manchester-15min", "madrid", "all")
    assert book.rows("new_clinic") == ("leeds", "all")


def test_what_was_not_scored_is_none_and_not_zero(full_record: RunRecord) -> None:
    book = ScoreBook.of(full_record)
    assert book.score("new_patients", "madrid", 30, "local") is None
    assert book.change("new_patients", "madrid", 30, "federated_dp", "local") is None
    assert book.people("same_patients", "leeds", 30) is None
    assert book.lowest_mg_dl("same_patients", "leeds", 30) == float("inf")


def test_a_change_is_ours_less_the_rivals(full_record: RunRecord) -> None:
    change = ScoreBook.of(full_record).change(
        "same_patients", "all", 30, "federated_dp", "pretrained"
    )
    assert change is not None
    assert (change.ours_mg_dl, change.rival_mg_dl) == (20.9, 21.3)
    assert change.difference_mg_dl == -0.4


def test_changes_leave_out_the_mean_over_all(full_record: RunRecord) -> None:
    changes = ScoreBook.of(full_record).changes("same_patients", 30, "federated_dp", "boosting")
    assert [change.clinic for change in changes] == [
        "manchester-5min",
        "manchester-15min",
        "madrid",
    ]


def test_lowest_and_people(full_record: RunRecord) -> None:
    book = ScoreBook.of(full_record)
    assert book.lowest_mg_dl("same_patients", "all", 30) == 20.3
    assert book.people("same_patients", "madrid", 30) == 17
